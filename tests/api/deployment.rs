//! What an operator relies on in `template.yaml`. `tests/deploy` deploys it.

use std::time::Duration;

use local::template::{FunctionDefinition, Template};
use serde_json::{Value, json};

fn template() -> Template {
    Template::load("template.yaml").expect("template.yaml is readable")
}

fn properties<'a>(template: &'a Template, logical_id: &str) -> &'a Value {
    &template.document()["Resources"][logical_id]["Properties"]
}

fn of_type<'a>(template: &'a Template, kind: &str) -> Vec<(&'a String, &'a Value)> {
    let resources = template.document()["Resources"].as_object().expect("resources");
    resources.iter().filter(|(_, resource)| resource["Type"] == kind).collect()
}

fn hashes(function: &FunctionDefinition) -> bool {
    function.environment.contains_key("BCRYPT_COST")
}

#[test]
fn hashing_cannot_starve_the_rest() {
    let template = template();
    let parameters = &template.document()["Parameters"];
    let usual_rate = parameters["RequestsPerSecond"]["Default"].as_u64().expect("a rate");
    assert_eq!(parameters["HashingConcurrency"]["Default"], 0, "a small account may reserve nothing");
    let api = properties(&template, "Api");
    assert_eq!(api["DefaultRouteSettings"]["ThrottlingRateLimit"], json!({"Ref": "RequestsPerSecond"}));
    for function in template.functions() {
        let name = &function.operation;
        let defined = properties(&template, &function.logical_id);
        if !hashes(function) {
            assert_eq!(defined["MemorySize"], Value::Null, "{name} has what all have");
            continue;
        }
        assert_eq!(defined["MemorySize"], json!({"Ref": "HashingMemorySize"}), "{name}");
        let limit = &defined["ReservedConcurrentExecutions"]["Fn::If"];
        let expected = json!(["LimitsHashing", {"Ref": "HashingConcurrency"}, {"Ref": "AWS::NoValue"}]);
        assert_eq!(*limit, expected, "{name}");
        for route in &function.routes {
            let settings = &api["RouteSettings"][format!("{} {}", route.method, route.path)];
            let rate = settings["ThrottlingRateLimit"].as_u64();
            assert!(rate.is_some_and(|rate| rate * 10 <= usual_rate), "{name}: {settings}");
        }
    }
    assert_eq!(template.functions().iter().filter(|function| hashes(function)).count(), 3);
}

#[test]
fn the_database_gives_up_before_the_function_and_the_function_before_the_api() {
    for function in template().functions().iter().filter(|function| !function.routes.is_empty()) {
        // The SDK's six seconds for an operation are less, as the tests of faults show; API Gateway waits for thirty.
        let timeout = function.timeout;
        assert!(Duration::from_secs(6) < timeout && timeout < Duration::from_secs(30), "{timeout:?}");
    }
}

#[test]
fn no_table_is_lost_with_its_stack_or_by_a_slip() {
    let template = template();
    let tables = of_type(&template, "AWS::DynamoDB::Table");
    assert_eq!(tables.len(), template.tables().len());
    for (name, table) in tables {
        assert_eq!([&table["DeletionPolicy"], &table["UpdateReplacePolicy"]], ["Retain", "Retain"], "{name}");
        let properties = &table["Properties"];
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{name}");
        assert_eq!(
            properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true,
            "{name}"
        );
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
        assert_eq!(properties["TableName"], Value::Null, "{name} would be in the way of the next stack");
    }
}

#[test]
fn a_release_is_published_everywhere_and_watched() {
    let template = template();
    let globals = &template.document()["Globals"]["Function"];
    assert_eq!(globals["AutoPublishAlias"], "live");
    assert_eq!(globals["Environment"]["Variables"]["RELEASE"], json!({"Ref": "Release"}));
    let watched = &globals["DeploymentPreference"]["Alarms"]["Fn::If"][1][0];
    let alarm = &properties(&template, "ServerErrorsAlarm")["AlarmName"];
    assert!(!alarm.is_null() && watched == alarm, "{watched} is not the alarm {alarm}");
    for function in template.functions() {
        let release = &properties(&template, &function.logical_id)["AutoPublishCodeSha256"];
        assert_eq!(*release, json!({"Ref": "Release"}), "{}", function.operation);
    }
    let parameter = &template.document()["Parameters"]["Release"];
    assert_eq!(
        parameter["Default"],
        Value::Null,
        "a release that is forgotten must not go unnoticed at first"
    );
    assert_eq!(parameter["AllowedPattern"], "[0-9A-Za-z]{10}", "SAM looks at ten characters");
}

#[test]
fn logs_end_some_day() {
    let template = template();
    let groups = of_type(&template, "AWS::Logs::LogGroup");
    assert_eq!(groups.len(), 2);
    for (name, group) in groups {
        assert_eq!(group["Properties"]["RetentionInDays"], json!({"Ref": "LogRetention"}), "{name}");
    }
    // Nothing that a client sends as a secret: no header, no query, no body.
    let format = properties(&template, "Api")["AccessLogSettings"]["Format"].as_str().expect("a format");
    let fields: Value = serde_json::from_str(format).expect("JSON");
    for field in fields.as_object().expect("an object").values() {
        let field = field.as_str().expect("a text");
        assert!(field.starts_with("$context.") && !field.contains("authorizer"), "{field}");
        assert!(!field.contains("path") && !field.contains("domain"), "{field}");
    }
}
