//! The functions of a template and what wakes them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::{
    Resource, Schedule,
    intrinsics::{Place, Resolver},
    schedules,
};

/// One `AWS::Serverless::Function`, with what `Globals` gives to every function merged in.
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
    /// `ReservedConcurrentExecutions`: how many of its instances may run at once; `None` if only the account limits them.
    pub reserved_concurrency: Option<u64>,
    /// The environment variables as written, in long form (`{"Ref": "UsersTable"}`).
    pub environment: Map<String, Value>,
    /// The routes of its `HttpApi` events.
    pub routes: Vec<Route>,
    /// When it is called without anybody asking.
    pub schedules: Vec<Schedule>,
    /// Every statement of its role's policies as written, in long form: those in the role, and those of policies of the
    /// template that the role refers to. One that stands in an `Fn::If` is there if the condition holds.
    pub statements: Vec<Value>,
}

/// One route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method in capitals, or `ANY`.
    pub method: String,
    /// The path with its parameters in braces, such as `/api/movies/{id}`.
    pub path: String,
}

pub(super) fn read(document: &Value, resolver: &Resolver, resource: &Resource) -> Result<FunctionDefinition> {
    let Resource { logical_id, properties, place } = resource;
    let global = &document["Globals"]["Function"];
    let setting = |name: &str| properties.get(name).or_else(|| global.get(name));
    let optional_number = |name: &str| -> Result<Option<u64>> {
        let value = resolver.resolve(setting(name).unwrap_or(&Value::Null), &place.at(name))?;
        if value.is_null() {
            return Ok(None);
        }
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.map(Some).with_context(|| format!("{place}.{name}: {value} is not a whole number"))
    };
    let number = |name: &str, default: u64| Ok::<_, anyhow::Error>(optional_number(name)?.unwrap_or(default));
    let memory = number("MemorySize", 128)?;
    let mut environment = Map::new();
    for source in [global, &Value::Object((*properties).clone())] {
        let variables = source["Environment"]["Variables"].as_object().cloned();
        environment.extend(variables.unwrap_or_default());
    }
    Ok(FunctionDefinition {
        logical_id: (*logical_id).to_owned(),
        operation: operation(properties, place)?,
        timeout: Duration::from_secs(number("Timeout", 3)?),
        memory_megabytes: u32::try_from(memory)
            .with_context(|| format!("{place}.MemorySize: {memory} is too much"))?,
        reserved_concurrency: optional_number("ReservedConcurrentExecutions")?,
        environment,
        routes: routes(properties, place)?,
        schedules: schedules::read(resolver, properties, place)?,
        statements: statements(document, resolver, properties, place)?,
    })
}

/// Refuses what SAM would add to a role unseen: a policy of AWS's own, or a role that SAM makes.
fn statements(
    document: &Value,
    resolver: &Resolver,
    properties: &Map<String, Value>,
    place: &Place,
) -> Result<Vec<Value>> {
    let Some(role) = properties.get("Role") else { return Ok(Vec::new()) };
    let resource = |name: &Value| document["Resources"].get(name.as_str()?);
    let properties_of_role = resource(&role["Fn::GetAtt"][0]).map(|role| &role["Properties"]);
    let role =
        properties_of_role.with_context(|| format!("{place}.Role: a role of the template is needed"))?;
    let mut documents: Vec<&Value> =
        role["Policies"].as_array().into_iter().flatten().map(|policy| &policy["PolicyDocument"]).collect();
    for policy in role["ManagedPolicyArns"].as_array().into_iter().flatten() {
        let policy = resource(&policy["Ref"]);
        let policy = policy.with_context(|| format!("{place}.Role: its policies must be of the template"))?;
        documents.push(&policy["Properties"]["PolicyDocument"]);
    }
    let mut statements = Vec::new();
    for written in documents.into_iter().filter_map(|document| document["Statement"].as_array()).flatten() {
        let statement = match written["Fn::If"].as_array().map(Vec::as_slice) {
            Some([Value::String(condition), yes, no]) => {
                if resolver.condition(condition, &place.at("Role"))? { yes } else { no }
            }
            _ => written,
        };
        if statement["Ref"] != "AWS::NoValue" {
            statements.push(statement.clone());
        }
    }
    Ok(statements)
}

fn operation(properties: &Map<String, Value>, place: &Place) -> Result<String> {
    let folder = properties.get("CodeUri").and_then(Value::as_str);
    let folder =
        folder.with_context(|| format!("{place}.CodeUri: the folder of the function's binary is needed"))?;
    let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or(folder);
    Ok(name.to_owned())
}

fn routes(properties: &Map<String, Value>, place: &Place) -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    let events = properties.get("Events").and_then(Value::as_object).into_iter().flatten();
    for (name, event) in events.filter(|(_, event)| event["Type"] == "HttpApi") {
        let text = |field: &str| {
            let value = event["Properties"][field].as_str();
            value.with_context(|| format!("{place}.Events.{name}.Properties.{field}: a text is needed"))
        };
        let method = text("Method")?.to_uppercase();
        let method = if method == "*" { "ANY".to_owned() } else { method };
        routes.push(Route { method, path: text("Path")?.to_owned() });
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Template;

    #[test]
    fn a_function_is_read_with_what_globals_give_it() {
        let template = Template::parse(
            "Parameters: {Seconds: {Type: Number, Default: '7'}}
Globals:
  Function:
    Timeout: !Ref Seconds
    Environment: {Variables: {RUST_LOG: info, BCRYPT_COST: '12'}}
Resources:
  CreateMovieFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/create-movie/
      MemorySize: 256
      Environment: {Variables: {MOVIES_TABLE: !Ref MoviesTable, BCRYPT_COST: '10'}}
      Events:
        Create: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /api/movies}}
        Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}
",
        )
        .expect("a valid template");
        let function = template.function("create-movie").expect("the function");
        assert_eq!(function.timeout, Duration::from_secs(7));
        assert_eq!(function.memory_megabytes, 256);
        let expected =
            json!({"RUST_LOG": "info", "BCRYPT_COST": "10", "MOVIES_TABLE": {"Ref": "MoviesTable"}});
        assert_eq!(Value::Object(function.environment.clone()), expected);
        assert_eq!(function.routes, [Route { method: "POST".to_owned(), path: "/api/movies".to_owned() }]);
    }

    #[test]
    fn a_function_has_all_statements_of_its_role() {
        let template = |managed: &str| {
            Template::parse(&format!(
                "Conditions: {{Never: !Equals [a, b]}}
Resources:
  Shared: {{Type: AWS::IAM::ManagedPolicy, Properties: {{PolicyDocument: {{Statement: [{{Sid: B}}]}}}}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [{managed}]
      Policies: [{{PolicyName: data, PolicyDocument: {{Statement: [
        {{Sid: A}}, !If [Never, {{Sid: C}}, !Ref AWS::NoValue], !If [Never, {{Sid: D}}, {{Sid: E}}]]}}}}]
  F:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: target/lambda/f/, Role: !GetAtt Role.Arn}}
"
            ))
        };
        let statements = template("!Ref Shared").expect("a valid template").functions()[0].statements.clone();
        assert_eq!(statements, [json!({"Sid": "A"}), json!({"Sid": "E"}), json!({"Sid": "B"})]);
        let error = template("arn:aws:iam::aws:policy/AdministratorAccess").expect_err("a foreign policy");
        assert_eq!(error.to_string(), "Resources.F.Properties.Role: its policies must be of the template");
    }

    #[test]
    fn a_function_without_a_folder_is_refused() {
        let text = "Resources: {F: {Type: AWS::Serverless::Function, Properties: {}}}";
        let error = Template::parse(text).expect_err("no CodeUri").to_string();
        assert_eq!(error, "Resources.F.Properties.CodeUri: the folder of the function's binary is needed");
    }
}
