//! The functions of a template, with the routes and schedules that invoke them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::resolver::{Resolver, Resource, read as read_at};

/// One `AWS::Serverless::Function`, with the settings of `Globals` merged in.
#[derive(Debug, Clone)]
pub struct FunctionDefinition {
    /// The function's name in the template, such as `CreateMovieFunction`.
    pub logical_id: String,
    /// The operation, which is the binary's name: the last folder of `CodeUri`, such as `create-movie`.
    pub operation: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// `MemorySize`.
    pub memory_megabytes: u32,
    /// `ReservedConcurrentExecutions`: how many instances may run at once; `None` if only the account limits them.
    pub reserved_concurrency: Option<u64>,
    /// The environment variables as written, in long form (`{"Ref": "UsersTable"}`), with the branches of `Fn::If` that
    /// apply.
    pub environment: Map<String, Value>,
    /// The routes of its `HttpApi` events.
    pub routes: Vec<Route>,
    /// The enabled schedules that invoke it.
    pub schedules: Vec<Schedule>,
    /// Every statement of its role's policies, in long form: of policies in the role, and of policies of the template
    /// that the role refers to. A statement in an `Fn::If` is included if the condition holds.
    pub statements: Vec<Value>,
}

/// One route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// The method in capitals, or `ANY`.
    pub method: String,
    /// The path with its parameters in braces, such as `/api/movies/{id}`.
    pub path: String,
}

/// One `Schedule` event of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The event's name in the template.
    pub name: String,
    /// The time from one invocation to the next.
    pub every: Duration,
    /// The event that the function gets instead of the service's own.
    pub input: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    code_uri: String,
    #[serde(default = "default_timeout")]
    timeout: u64,
    #[serde(default = "default_memory_size")]
    memory_size: u32,
    reserved_concurrent_executions: Option<u64>,
    #[serde(default)]
    events: Map<String, Value>,
}

/// The properties of a `Schedule` event.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleProperties {
    schedule: String,
    enabled: Option<bool>,
    input: Option<String>,
}

const fn default_timeout() -> u64 {
    3
}

const fn default_memory_size() -> u32 {
    128
}

pub fn read(document: &Value, resolver: &Resolver, resource: &Resource) -> Result<FunctionDefinition> {
    let Resource { logical_id, written, properties, place } = resource;
    let global = resolver.choose(&document["Globals"]["Function"]);
    let mut merged = resolver.resolve(&global).as_object().cloned().unwrap_or_default();
    merged.extend(properties.as_object().cloned().unwrap_or_default());
    let properties: Properties = read_at(&merged.into(), place)?;
    let environment = [&global, written].into_iter().filter_map(|source| {
        let variables = source["Environment"]["Variables"].as_object();
        variables.cloned()
    });
    let operation = properties.code_uri.trim_end_matches('/').rsplit('/').next();
    let mut function = FunctionDefinition {
        logical_id: (*logical_id).to_owned(),
        operation: operation.unwrap_or_default().to_owned(),
        timeout: Duration::from_secs(properties.timeout),
        memory_megabytes: properties.memory_size,
        reserved_concurrency: properties.reserved_concurrent_executions,
        environment: environment.flatten().collect(),
        routes: Vec::new(),
        schedules: Vec::new(),
        statements: statements(document, resolver, &written["Role"], place)?,
    };
    for (name, event) in &properties.events {
        let place = format!("{place}.Events.{name}.Properties");
        match event["Type"].as_str() {
            Some("HttpApi") => function.routes.push(route(&event["Properties"], &place)?),
            Some("Schedule") => function.schedules.extend(schedule(name, &event["Properties"], &place)?),
            _ => {}
        }
    }
    Ok(function)
}

fn route(properties: &Value, place: &str) -> Result<Route> {
    let Route { method, path } = read_at(properties, place)?;
    ensure!(!path.contains("+}"), "{place}.Path: a greedy parameter is not supported on this machine");
    let method = if method == "*" { "ANY".to_owned() } else { method.to_uppercase() };
    Ok(Route { method, path })
}

/// Returns nothing for a schedule that is disabled.
fn schedule(name: &str, properties: &Value, place: &str) -> Result<Option<Schedule>> {
    let ScheduleProperties { schedule, enabled, input } = read_at(properties, place)?;
    if enabled == Some(false) {
        return Ok(None);
    }
    let every = rate(&schedule).with_context(|| {
        format!("{place}.Schedule: {} is not a rate, such as \"rate(1 hour)\"", json!(schedule))
    })?;
    let input = input.map(|input| serde_json::from_str(&input)).transpose();
    let input = input.with_context(|| format!("{place}.Input: JSON is needed"))?;
    Ok(Some(Schedule { name: name.to_owned(), every, input }))
}

fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit.trim_end_matches('s') {
        "minute" => Duration::from_mins(1),
        "hour" => Duration::from_hours(1),
        "day" => Duration::from_hours(24),
        _ => return None,
    };
    Some(unit * number)
}

/// Refuses policies that are not in the template: a policy of AWS's own, or a role that SAM makes.
fn statements(document: &Value, resolver: &Resolver, role: &Value, place: &str) -> Result<Vec<Value>> {
    if role.is_null() {
        return Ok(Vec::new());
    }
    let properties =
        |name: &Value| Some(resolver.choose(&document["Resources"].get(name.as_str()?)?["Properties"]));
    let role = properties(&role["Fn::GetAtt"][0])
        .with_context(|| format!("{place}.Role: a role of the template is needed"))?;
    let own = role["Policies"].as_array().into_iter().flatten();
    let mut statements: Vec<Value> =
        own.map(|policy| policy["PolicyDocument"]["Statement"].clone()).collect();
    for policy in role["ManagedPolicyArns"].as_array().into_iter().flatten() {
        let policy = properties(&policy["Ref"]);
        let policy = policy.with_context(|| format!("{place}.Role: its policies must be in the template"))?;
        statements.push(policy["PolicyDocument"]["Statement"].clone());
    }
    let statements = statements.iter().map(|list| resolver.resolve(list));
    Ok(statements.filter_map(|list| list.as_array().cloned()).flatten().collect())
}
