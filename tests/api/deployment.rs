//! The settings of `template.yaml` that operators rely on. `tests/deploy` deploys it.

use std::{collections::BTreeSet, time::Duration};

use local::template::{FunctionDefinition, Template};
use serde_json::{Value, json};

use crate::operations;

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
    let default = template();
    let limited = default
        .with_parameters(&[
            ("HashingConcurrency", "20"),
            ("HashingMemorySize", "1024"),
            ("MemorySize", "512"),
        ])
        .expect("good parameters");
    let names = limited.functions().iter().filter(|it| hashes(it)).map(|it| it.operation.as_str());
    assert_eq!(names.collect::<BTreeSet<_>>(), operations::hashing());
    for (function, by_default) in limited.functions().iter().zip(default.functions()) {
        let (limit, memory) = if hashes(function) { (Some(20), 1024) } else { (None, 512) };
        assert_eq!(
            (function.reserved_concurrency, function.memory_megabytes),
            (limit, memory),
            "{}",
            function.operation
        );
        assert_eq!(by_default.reserved_concurrency, None, "a small account may reserve nothing");
    }
}

/// Functions that hash without a token have a tighter route limit. Functions that need a token have none that clients
/// without a token could exhaust: there, the hourly limits of an account and an address bound the hashing
/// (`tests/api/throttle/bounds.rs`).
#[test]
fn route_limits_bound_hashing_but_no_route_with_a_token() {
    let template = template();
    let usual = template.document()["Parameters"]["RequestsPerSecond"]["Default"].as_u64().expect("a rate");
    let api = properties(&template, "Api");
    assert_eq!(api["DefaultRouteSettings"]["ThrottlingRateLimit"], json!({"Ref": "RequestsPerSecond"}));
    for function in template.functions() {
        let needs_a_token =
            function.environment.contains_key("JWT_SECRET_KEY") && function.operation != "login";
        for route in &function.routes {
            let route = format!("{} {}", route.method, route.path);
            let limit = api["RouteSettings"][&route]["ThrottlingRateLimit"].as_u64();
            if needs_a_token {
                assert_eq!(limit, None, "{route} has a tighter limit than the other routes");
            } else if hashes(function) {
                assert!(limit.is_some_and(|limit| limit * 10 <= usual), "{route}: {limit:?}");
            }
        }
    }
}

#[test]
fn a_ceiling_below_the_cost_is_refused_before_a_deployment() {
    let template = template();
    for ceiling in [0, 10, 11, 12, 13, 14, 15] {
        for cost in 10..=15 {
            let values = [("BcryptCost", &*cost.to_string()), ("BcryptCostCeiling", &*ceiling.to_string())];
            let accepted = template.with_parameters(&values).is_ok();
            assert_eq!(accepted, ceiling == 0 || ceiling >= cost, "cost {cost}, ceiling {ceiling}");
        }
    }
    let allowed = &template.document()["Parameters"]["BcryptCostCeiling"]["AllowedValues"];
    assert_eq!(*allowed, json!([0, 10, 11, 12, 13, 14, 15]));
}

#[test]
fn time_limits_nest() {
    for function in template().functions().iter().filter(|function| !function.routes.is_empty()) {
        // The SDK's limit of six seconds for an operation is shorter, as the fault tests show. API Gateway waits for
        // thirty seconds.
        let timeout = function.timeout;
        assert!(Duration::from_secs(6) < timeout && timeout < Duration::from_secs(30), "{timeout:?}");
    }
}

/// Lambda ends a function at its time limit, without a 503. Changing a password hashes twice, and so does a login that
/// renews a hash.
#[test]
fn two_hashes_fit_into_the_time_limit() {
    const SECONDS_AT_COST_12: f64 = 0.19;
    const SECONDS_OF_THE_DATABASE: f64 = 1.0;
    const SECONDS_TO_SPARE: f64 = 0.5;
    const MEGABYTES_OF_A_CORE: f64 = 1769.0;
    let template = template();
    let parameters = template.document()["Parameters"].as_object().expect("parameters");
    let memory = parameters["HashingMemorySize"]["MinValue"].as_f64().expect("a lowest memory size");
    let stretched = MEGABYTES_OF_A_CORE / memory.min(MEGABYTES_OF_A_CORE);
    let costs = parameters.iter().filter(|(name, _)| name.starts_with("BcryptCost"));
    let costs: Vec<_> = costs.map(|(name, parameter)| (name, highest(parameter))).collect();
    assert!(!costs.is_empty(), "a parameter sets the cost of a hash");
    for function in template.functions().iter().filter(|function| hashes(function)) {
        for (name, cost) in &costs {
            let hash = SECONDS_AT_COST_12 * (cost - 12.0).exp2() * stretched;
            let taken = 2.0 * hash + SECONDS_OF_THE_DATABASE;
            let limit = function.timeout.as_secs_f64() - SECONDS_TO_SPARE;
            assert!(taken <= limit, "{}: {name} lets it take {taken:.1} of {limit:.1} s", function.operation);
        }
    }
}

/// Returns the highest number that a parameter can have.
fn highest(parameter: &Value) -> f64 {
    let values = parameter["AllowedValues"].as_array().cloned().unwrap_or_default();
    let bounds = values.iter().chain([&parameter["MaxValue"]]);
    bounds.filter_map(Value::as_f64).reduce(f64::max).expect("an upper bound")
}

#[test]
fn tables_with_data_are_retained_and_protected() {
    let template = template();
    let tables = of_type(&template, "AWS::DynamoDB::Table");
    assert_eq!(tables.len(), template.tables().len());
    for (name, table) in tables {
        if EPHEMERAL.contains(&name.as_str()) {
            // It holds no data: see `tables_of_ephemeral_items_are_deleted_with_their_stack`.
            continue;
        }
        assert_eq!([&table["DeletionPolicy"], &table["UpdateReplacePolicy"]], ["Retain", "Retain"], "{name}");
        let properties = &table["Properties"];
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{name}");
        assert_eq!(
            properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true,
            "{name}"
        );
        let key = &properties["SSESpecification"]["SSEEnabled"];
        assert_eq!(*key, json!({"Fn::If": ["HasManagedTableKey", true, false]}), "{name}");
        assert_eq!(properties["TableName"], Value::Null, "{name} would collide with the next stack");
    }
}

/// The tables whose items are obsolete within a day.
const EPHEMERAL: [&str; 3] = ["PasswordAttemptsTable", "OutboxTable", "PasswordResetsTable"];

/// If they were retained, an operator would have to delete them. Restored counters would count expired failures, and
/// restored mails would be sent again.
#[test]
fn tables_of_ephemeral_items_are_deleted_with_their_stack() {
    let template = template();
    for name in EPHEMERAL {
        let table = &template.document()["Resources"][name];
        assert_eq!([&table["DeletionPolicy"], &table["UpdateReplacePolicy"]], ["Delete", "Delete"], "{name}");
        let properties = properties(&template, name);
        let expiry = json!({"AttributeName": "expires_at", "Enabled": true});
        // A mail ends when it is sent.
        let expiry = if name == "OutboxTable" { Value::Null } else { expiry };
        assert_eq!(properties["TimeToLiveSpecification"], expiry, "{name}");
        for absent in ["DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "TableName"] {
            assert_eq!(properties[absent], Value::Null, "{name} {absent}");
        }
        let encryption = &template.document()["Resources"]["UsersTable"]["Properties"]["SSESpecification"];
        assert_eq!(properties["SSESpecification"], *encryption, "{name} is encrypted like the others");
    }
}

/// The reference of an existing resource to an optional one would fail where it does not exist.
#[test]
fn without_mail_from_nothing_of_the_mails_exists() {
    let with = template();
    let without = with.with_parameters(&[("MailFrom", "")]).expect("good parameters");
    assert_eq!(with.document()["Parameters"]["MailFrom"]["Default"], "", "mails are off by default");
    let names = |template: &Template| -> BTreeSet<String> {
        template.functions().iter().map(|function| function.operation.clone()).collect()
    };
    let optional = ["forgot-password", "reset-password", "send-mail"].map(str::to_owned);
    let off: BTreeSet<String> = names(&with).difference(&names(&without)).cloned().collect();
    assert_eq!(off, BTreeSet::from(optional));
    let change = without.function("change-password").expect("the function");
    assert!(!change.environment.contains_key("OUTBOX_TABLE"));
    assert!(change.statements.iter().all(|statement| !statement.to_string().contains("Outbox")));

    let resources = with.document()["Resources"].as_object().expect("resources");
    let (optional, always): (Vec<_>, Vec<_>) =
        resources.iter().partition(|(_, resource)| resource["Condition"] == "SendsMail");
    assert!(optional.len() >= 18, "{:?}", optional.iter().map(|(name, _)| name).collect::<Vec<_>>());
    let referred = |text: &str, name: &str| {
        let forms = [format!("\"{name}\""), format!("${{{name}}}"), format!("${{{name}.")];
        forms.iter().any(|form| text.contains(form))
    };
    for (name, resource) in always {
        // Only a branch of the condition may refer to them.
        let text = without_branches(resource).to_string();
        let found = optional.iter().find(|(optional, _)| referred(&text, optional));
        assert!(found.is_none(), "{name} refers to {:?}", found.map(|(optional, _)| optional));
    }
    // A stack that turns mails off could not be updated if a route that ends had settings.
    let settings = properties(&with, "Api")["RouteSettings"].to_string();
    assert!(!settings.contains("/api/auth/forgot") && !settings.contains("/api/auth/reset"));
    for (name, resource) in optional.iter().filter(|(_, it)| it["Type"] == "AWS::Serverless::Function") {
        // Without it, SAM creates the deployment group of a function that does not exist.
        let preference = &resource["Properties"]["DeploymentPreference"];
        assert_eq!(preference["PassthroughCondition"], true, "{name}");
    }
}

/// Returns a value with what it is without mails in place of each choice.
fn without_branches(value: &Value) -> Value {
    match value {
        Value::Object(entries) => match entries.get("Fn::If").and_then(Value::as_array) {
            Some(choice) if choice[0] == "SendsMail" => without_branches(&choice[2]),
            _ => entries.iter().map(|(name, entry)| (name.clone(), without_branches(entry))).collect(),
        },
        Value::Array(items) => items.iter().map(without_branches).collect(),
        scalar => scalar.clone(),
    }
}

#[test]
fn features_billed_by_the_request_are_off_by_default() {
    let template = template();
    let parameters = &template.document()["Parameters"];
    let default = |name: &str| parameters[name]["Default"].as_str().expect("a default").to_owned();
    assert_eq!(default("Tracing"), "PassThrough");
    assert_eq!(default("TableEncryptionKey"), "AWS_OWNED");
    assert_eq!(default("EnvironmentKmsKeyArn"), "");
    let globals = &template.document()["Globals"]["Function"];
    assert_eq!(globals["Tracing"], json!({"Ref": "Tracing"}));
    let key = json!(["HasEnvironmentKey", {"Ref": "EnvironmentKmsKeyArn"}, {"Ref": "AWS::NoValue"}]);
    assert_eq!(globals["KmsKeyArn"]["Fn::If"], key);
}

#[test]
fn a_release_is_published_everywhere_and_watched() {
    let template = template();
    let globals = &template.document()["Globals"]["Function"];
    assert_eq!(globals["AutoPublishAlias"], "live");
    assert_eq!(globals["Environment"]["Variables"]["RELEASE"], json!({"Ref": "Release"}));
    let preference = &globals["DeploymentPreference"];
    assert_eq!(preference["Type"], json!({"Ref": "Rollout"}));
    assert!(preference["Alarms"].is_array(), "tests/api/alarms/rollback.rs shows which");
    for function in template.functions() {
        let release = &properties(&template, &function.logical_id)["AutoPublishCodeSha256"];
        assert_eq!(*release, json!({"Ref": "Release"}), "{}", function.operation);
    }
    let rollouts = &template.document()["Parameters"]["Rollout"]["AllowedValues"];
    let gradual = template.document()["Mappings"]["Rollouts"].as_object().expect("a mapping");
    for rollout in rollouts.as_array().expect("rollouts") {
        let rollout = rollout.as_str().expect("a name");
        assert_eq!(gradual[rollout]["Gradual"], rollout != "AllAtOnce", "{rollout}");
    }
    let parameter = &template.document()["Parameters"]["Release"];
    assert_eq!(parameter["Default"], Value::Null, "a deployment without a release must fail");
    assert_eq!(parameter["AllowedPattern"], "[0-9A-Za-z]{10}", "SAM reads only ten characters");
}

#[test]
fn logs_expire_and_hold_no_secrets() {
    let template = template();
    let groups = of_type(&template, "AWS::Logs::LogGroup");
    assert_eq!(groups.len(), 2);
    for (name, group) in groups {
        assert_eq!(group["Properties"]["RetentionInDays"], json!({"Ref": "LogRetention"}), "{name}");
    }
    // The access log holds no secret of a client: no header, no query, no body.
    let format = properties(&template, "Api")["AccessLogSettings"]["Format"]["Fn::Sub"].as_str();
    let mut fields: Value = serde_json::from_str(format.expect("a format")).expect("JSON");
    assert_eq!(fields["stage"].take(), "${Stage}");
    for field in fields.as_object().expect("an object").values().filter(|field| !field.is_null()) {
        let field = field.as_str().expect("a text");
        assert!(field.starts_with("$context.") && !field.contains("authorizer"), "{field}");
        assert!(!field.contains("path") && !field.contains("domain"), "{field}");
    }
    // `$context.integrationStatus` is Lambda's own status: 200 for every function that responds.
    assert_eq!(fields["function_status"], "$context.integration.status");
}
