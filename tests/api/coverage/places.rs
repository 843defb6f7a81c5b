//! Reads each place that lists the operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::LazyLock,
};

use local::template::Template;
use serde_json::Value;

use super::{Lists, Place};
use crate::{alarms, contract, faults, operations::OPERATIONS};

/// The operations of a place with their routes, such as `GET /api/movies/{id}`; no routes if the place has none.
pub type Operations = BTreeMap<String, BTreeSet<String>>;

/// Every place, read once.
pub static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let cargo = cargo_metadata();
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let place = |name, lists, operations, fix| Place { name, lists, operations, fix };
    vec![
        place(TEMPLATE, Lists::Routes, in_template(&template), "add its function, its route and its role"),
        place(FUNCTIONS, Lists::Names, in_functions(), "write the function"),
        place(BINARIES, Lists::Names, in_binaries(&cargo), "add a [[bin]] with `test = false`"),
        place(ROUTER, Lists::OnlyRoutes, in_router(&cargo), "add the route"),
        place(OPENAPI, Lists::OnlyApi, in_openapi(), "describe the operation and each of its responses"),
        place(
            REQUESTS,
            Lists::OnlyApi,
            in_requests(),
            "add a request, with its expected status in the title",
        ),
        place(EVENTS, Lists::Routes, in_events(), "save an event as AWS sends it, for `cargo lambda invoke`"),
        place(TESTS, Lists::Names, in_tests(), "test the operation, and declare the module"),
        place(
            ROWS,
            Lists::Names,
            in_rows(),
            "add a row; the doc comments of `Operation` explain the columns",
        ),
        place(
            SCENARIOS,
            Lists::OnlyApi,
            in_scenarios(),
            "if the operation writes, add a variant for each way through it, and the compiler names the rest; one that \
             only reads is covered by its row in OPERATIONS",
        ),
        place(
            THROTTLES,
            Lists::Names,
            with_metric(&template, &alarms::alarms(&template), "Throttles"),
            "add the function to ThrottlesAlarm, or to HashingThrottlesAlarm if it hashes",
        ),
        place(
            ERRORS,
            Lists::Names,
            with_metric(&template, &alarms::alarms(&template), "Errors"),
            "add the function to AccountErrorsAlarm or MovieErrorsAlarm, which roll a release back",
        ),
        place(
            DASHBOARD,
            Lists::Names,
            with_metric(&template, &alarms::graphs(&template), "Errors"),
            "add the function to the graph of failed invocations and, if it hashes, to the graph of concurrency; the \
             operation to the graphs of read and write units, if it has any; and the route to the graph of 429 \
             responses",
        ),
        place(
            CALLS,
            Lists::Names,
            in_deployment_test(),
            "name the call that needs each statement of the role, in CALLS",
        ),
        place(FIXTURES, Lists::Names, in_fixtures(), "make an event of the operation for the benchmark"),
        place(COSTS, Lists::Names, in_cost_table(), "add a row to the table of costs per million requests"),
        place(README, Lists::Routes, in_readme(), "add a row to the table of operations"),
        place(SECURITY, Lists::Names, in_security_md(), "add a row: what an attacker could do with the role"),
    ]
});

pub const TEMPLATE: &str = "template.yaml";
const FUNCTIONS: &str = "functions/<operation>/main.rs";
const BINARIES: &str = "[[bin]] in Cargo.toml";
pub const ROUTER: &str = "[workspace.metadata.lambda.watch.router] in Cargo.toml";
pub const OPENAPI: &str = "openapi.yaml";
const REQUESTS: &str = "docs/movie-bag.http";
pub const EVENTS: &str = "events/<operation>.json";
pub const TESTS: &str = "tests/api/<operation>.rs, named in tests/api/main.rs";
const ROWS: &str = "OPERATIONS in tests/api/operations.rs";
const SCENARIOS: &str = "Scenario in tests/api/faults.rs";
const THROTTLES: &str = "alarms on Throttles in template.yaml";
const ERRORS: &str = "alarms on Errors in template.yaml";
const DASHBOARD: &str = "Dashboard in template.yaml";
const CALLS: &str = "tests/deploy/calls.py";
const FIXTURES: &str = "bench/src/fixtures.rs";
const COSTS: &str = "docs/OPERATIONS.md";
pub const README: &str = "README.md";
const SECURITY: &str = "the table of roles in SECURITY.md";

fn in_template(template: &Template) -> Operations {
    let operation = |function: &local::template::FunctionDefinition| {
        let operation = &function.operation;
        let properties = &template.document()["Resources"][&function.logical_id]["Properties"];
        let well_named = function.logical_id == format!("{}Function", pascal_case(operation))
            && properties["CodeUri"] == format!("target/lambda/{operation}/");
        let routes = function.routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        let unknown = || format!("{} of {}", properties["CodeUri"], function.logical_id);
        (if well_named { operation.clone() } else { unknown() }, routes)
    };
    template.functions().iter().map(operation).collect()
}

fn in_functions() -> Operations {
    let with_main =
        |name: &String| fs::exists(format!("functions/{name}/main.rs")).expect("a readable folder");
    entries("functions").into_iter().filter(with_main).map(without_routes).collect()
}

fn in_binaries(cargo: &Value) -> Operations {
    let packages = cargo["packages"].as_array().expect("packages");
    let package =
        packages.iter().find(|package| package["name"] == "movie-bag").expect("the functions' package");
    let targets = package["targets"].as_array().expect("targets").iter();
    let binaries = targets.filter(|target| target["kind"] == serde_json::json!(["bin"]));
    let name = |target: &Value| {
        let (name, source) = (text(&target["name"]), text(&target["src_path"]));
        if source.ends_with(&format!("/functions/{name}/main.rs")) {
            name
        } else {
            format!("{name} at {source}")
        }
    };
    binaries.map(name).map(without_routes).collect()
}

fn in_events() -> Operations {
    let event = |file: String| {
        let content = fs::read_to_string(format!("events/{file}")).expect("a readable file");
        let event: Value =
            serde_json::from_str(&content).unwrap_or_else(|error| panic!("events/{file}: {error}"));
        let routes = event["routeKey"].as_str().map(str::to_owned).into_iter().collect();
        (file.strip_suffix(".json").unwrap_or(&file).to_owned(), routes)
    };
    entries("events").into_iter().map(event).collect()
}

fn in_tests() -> Operations {
    let main = fs::read_to_string("tests/api/main.rs").expect("tests/api/main.rs");
    let modules = main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    modules.map(|module| without_routes(module.replace('_', "-"))).collect()
}

fn in_openapi() -> Operations {
    let mut operations = Operations::new();
    for (method, path, operation) in contract::operations() {
        operations.entry(text(&operation["operationId"])).or_default().insert(format!("{method} {path}"));
    }
    operations
}

/// Returns the operations of the requests. A request whose route `openapi.yaml` does not have is returned as it is.
fn in_requests() -> Operations {
    let described = in_openapi();
    let requests = fs::read_to_string(REQUESTS).expect("the file of requests");
    let route = |line: &str| {
        let (method, path) = line.split_once(" {{api}}")?;
        let path = path.split('?').next().unwrap_or_default();
        // A variable in the path is the id of a movie.
        let parts = path.split('/').map(|part| if part.starts_with("{{") { "{id}" } else { part });
        Some(format!("{method} /api{}", parts.collect::<Vec<_>>().join("/")))
    };
    let operation = |route: String| {
        let found = described.iter().find(|(_, routes)| routes.contains(&route));
        without_routes(found.map_or(route, |(operation, _)| operation.clone()))
    };
    requests.lines().filter_map(route).map(operation).collect()
}

fn in_router(cargo: &Value) -> Operations {
    let mut operations = Operations::new();
    let router = cargo["metadata"]["lambda"]["watch"]["router"].as_object();
    for (path, targets) in router.into_iter().flatten() {
        for target in targets.as_array().unwrap_or_else(|| panic!("{path} in the router is not a list")) {
            let route = format!("{} {path}", text(&target["method"]));
            operations.entry(text(&target["function"])).or_default().insert(route);
        }
    }
    operations
}

fn in_rows() -> Operations {
    OPERATIONS.iter().map(|operation| without_routes(operation.name.to_owned())).collect()
}

/// An operation that only reads has a scenario without being named.
fn in_scenarios() -> Operations {
    faults::covered_operations().into_iter().map(|operation| without_routes(operation.to_owned())).collect()
}

/// Returns the functions with an alarm or a graph of this Lambda metric.
fn with_metric(template: &Template, watched: &BTreeSet<alarms::Watched>, metric: &str) -> Operations {
    let of_lambda = watched.iter().filter(|(namespace, name, _)| namespace == "AWS/Lambda" && name == metric);
    let functions = of_lambda.map(|(_, _, dimensions)| &dimensions["FunctionName"]);
    let operation = |logical_id: &String| {
        let function = template.functions().iter().find(|function| function.logical_id == *logical_id);
        without_routes(function.map_or(logical_id.clone(), |function| function.operation.clone()))
    };
    functions.map(operation).collect()
}

/// Returns the functions on the dashboard's graph of concurrency.
pub fn on_graph_of_concurrency() -> BTreeSet<String> {
    let template = Template::load(TEMPLATE).expect("template.yaml is readable");
    with_metric(&template, &alarms::graphs(&template), "ConcurrentExecutions").into_keys().collect()
}

/// Returns the statements of each operation's role for which `tests/deploy/calls.py` names a call.
pub fn calls_of_statements() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(CALLS).expect("tests/deploy/calls.py");
    let (_, calls) = text.split_once("CALLS: dict[str, dict[str, Call]] = {\n").expect("CALLS");
    let (calls, _) = calls.split_once("\n}\n").expect("the end of CALLS");
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let mut operation = String::new();
    let parts: Vec<&str> = calls.split('"').collect();
    // Every other part is quoted: an operation if a dictionary follows, the Sid of a statement otherwise.
    for pair in parts[1..].chunks(2) {
        let [quoted, after] = pair else { panic!("an open quote in CALLS") };
        if after.starts_with(": {") {
            (*quoted).clone_into(&mut operation);
            found.entry(operation.clone()).or_default();
        } else {
            found.entry(operation.clone()).or_default().insert((*quoted).to_owned());
        }
    }
    found
}

fn in_deployment_test() -> Operations {
    calls_of_statements().into_keys().map(without_routes).collect()
}

/// Returns the arms of the `match` that makes events. An arm may be for only some requests, such as `update-movie, name`.
fn in_fixtures() -> Operations {
    let text = fs::read_to_string(FIXTURES).expect("bench/src/fixtures.rs");
    let arms = text.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let operation = |arm: &str| arm.split(',').next().unwrap_or_default().to_owned();
    arms.map(|(arm, _)| without_routes(operation(arm))).collect()
}

/// A row may cover only some requests, such as `login, refused`.
fn in_cost_table() -> Operations {
    let rows = table(COSTS, &["operation", "read units", "write units"]);
    let operation = |row: Vec<String>| row[0].split(',').next().unwrap_or_default().to_owned();
    rows.into_iter().map(operation).map(without_routes).collect()
}

fn in_readme() -> Operations {
    let row = |row: Vec<String>| {
        let routes = row[1].split(", ").filter_map(|route| route.split('?').next());
        (row[0].clone(), routes.filter(|route| route.contains(" /")).map(str::to_owned).collect())
    };
    table(README, &["operation", "route"]).into_iter().map(row).collect()
}

fn in_security_md() -> Operations {
    let rows = table("SECURITY.md", &["function", "key"]);
    rows.into_iter().map(|row| without_routes(row[0].clone())).collect()
}

/// Returns the rows of the table in a document whose header begins with these cells, without backquotes.
fn table(path: &str, header: &[&str]) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut lines = text.lines().skip_while(|line| {
        let cells = cells(line);
        !line.starts_with('|')
            || !cells.iter().zip(header).all(|(cell, name)| cell.eq_ignore_ascii_case(name))
    });
    assert!(lines.next().is_some(), "{path} has no table with the columns {header:?}");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// Returns the metadata of the manifests, read by Cargo.
fn cargo_metadata() -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let output = command.output().expect("cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

fn without_routes(operation: String) -> (String, BTreeSet<String>) {
    (operation, BTreeSet::new())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

fn pascal_case(operation: &str) -> String {
    operation.split('-').flat_map(|word| [word[..1].to_uppercase(), word[1..].to_owned()]).collect()
}
