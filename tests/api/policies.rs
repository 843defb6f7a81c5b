//! Least privilege: a function's role allows exactly the requests that the function makes of DynamoDB.
//!
//! [`assert_allowed`] checks at the end of every test that a role allows enough. [`crate::access`] does the same for
//! kinds of items and for attributes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use local::{
    fault_proxy::{Fault, RecordedCall, Rule},
    runtime_api::{Function, FunctionOptions, Outcome},
    streams::StreamReader,
    template::{FunctionDefinition, Template},
};
use serde_json::{Value, json};

use crate::{
    operations,
    test_app::{ACCOUNT_DELETIONS, Owner, PASSWORD, TestApp, post},
};

/// An IAM action with the table or index that it applies to.
type Permission = (String, String);

#[tokio::test]
async fn every_role_allows_exactly_the_requests_of_its_function() {
    let mut app = TestApp::start().await;
    use_everything(&mut app).await;
    for function in app.template.functions() {
        let used: BTreeSet<Permission> =
            app.proxy.calls_of(&function.operation).iter().flat_map(permissions).collect();
        assert_eq!(granted(function), used, "{}: left is granted, right is used", function.operation);
    }
}

#[test]
fn beside_data_a_role_allows_only_its_log() {
    let attribute = |resource: &str, name: &str| json!({"Fn::GetAtt": [resource, name]}).to_string();
    let logs = attribute("FunctionLogs", "Arn");
    // The statement has a condition, too: see `send_mail_sends_from_its_own_address_only`.
    let ses = |resource| format!("arn:aws:ses:eu-west-1:123456789012:{resource}/*");
    let identities = json!([ses("identity"), ses("configuration-set")]).to_string();
    // IAM has no narrower resource for the list of streams, which contains no stored data.
    let everything = json!("*").to_string();
    let of_all = [("logs:CreateLogStream", logs.clone()), ("logs:PutLogEvents", logs)];
    // Lambda reads the stream and writes to the queue with the role of the function that it triggers.
    let of_stream = |table: &str, queue: &str| {
        let (stream, queue) = (attribute(table, "StreamArn"), attribute(queue, "Arn"));
        vec![
            ("dynamodb:DescribeStream", stream.clone()),
            ("dynamodb:GetRecords", stream.clone()),
            ("dynamodb:GetShardIterator", stream),
            ("dynamodb:ListStreams", everything.clone()),
            ("sqs:SendMessage", queue),
        ]
    };
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    for function in template.functions() {
        let mut expected = of_all.to_vec();
        match function.operation.as_str() {
            "purge-account" => expected.extend(of_stream("AccountDeletionsTable", "PurgeDeadLetters")),
            "send-mail" => {
                expected.extend(of_stream("OutboxTable", "MailDeadLetters"));
                expected.push(("ses:SendEmail", identities.clone()));
            }
            _ => {}
        }
        let expected: BTreeSet<Permission> =
            expected.into_iter().map(|(action, resource)| (action.to_owned(), resource)).collect();
        let others = function.statements.iter().filter(|statement| table_or_index(statement).is_none());
        let granted: BTreeSet<Permission> = others
            .flat_map(|statement| {
                actions(statement).map(|action| (action, statement["Resource"].to_string()))
            })
            .collect();
        assert_eq!(granted, expected, "{}", function.operation);
    }
}

#[test]
fn send_mail_sends_from_its_own_address_only() {
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let with_condition = |function: &FunctionDefinition| {
        let conditions = function.statements.iter().map(|statement| statement["Condition"].clone());
        let conditions: Vec<Value> = conditions.filter(|condition| !condition.is_null()).collect();
        (!conditions.is_empty()).then(|| (function.operation.clone(), conditions))
    };
    let conditions: Vec<_> = template.functions().iter().filter_map(with_condition).collect();
    let expected = json!({"StringEquals": {"ses:FromAddress": local::template::MAIL_FROM}});
    assert_eq!(conditions, [("send-mail".to_owned(), vec![expected])]);
}

#[test]
fn traces_and_a_kms_key_add_the_actions_they_need() {
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let policy = &template.document()["Resources"]["LogAndTracePolicy"]["Properties"]["PolicyDocument"];
    let statements = policy["Statement"].as_array().expect("statements");
    let nothing = json!({"Ref": "AWS::NoValue"});
    let optional = statements.iter().filter_map(|statement| statement["Fn::If"].as_array()).map(|choice| {
        assert_eq!(choice[2], nothing);
        (choice[0].clone(), actions(&choice[1]).collect::<Vec<_>>(), choice[1]["Resource"].clone())
    });
    let expected = [
        (
            json!("TracesRequests"),
            ["xray:PutTelemetryRecords", "xray:PutTraceSegments"].as_slice(),
            json!("*"),
        ),
        (json!("HasEnvironmentKey"), &["kms:Decrypt"], json!({"Ref": "EnvironmentKmsKeyArn"})),
    ];
    let expected = expected.map(|(condition, actions, resource)| {
        (condition, actions.iter().map(|action| (*action).to_owned()).collect(), resource)
    });
    assert_eq!(optional.collect::<Vec<_>>(), expected);
}

#[test]
fn security_md_says_what_each_role_allows() {
    let document = std::fs::read_to_string("SECURITY.md").expect("SECURITY.md is readable");
    let mut lines = document.lines().skip_while(|line| !line.starts_with("| function | key |"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let tables = cells(lines.next().expect("the table of functions"));
    let said: BTreeMap<String, Vec<String>> = lines
        .skip(1)
        .map_while(|line| line.starts_with('|').then(|| cells(line)))
        .map(|row| (row[0].clone(), row[1..row.len() - 1].to_vec()))
        .collect();
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let words = [
        ("get", ["GetItem", "BatchGetItem"]),
        ("list", ["Query", "Scan"]),
        ("put", ["PutItem"; 2]),
        ("update", ["UpdateItem"; 2]),
        ("delete", ["DeleteItem"; 2]),
    ];
    let holds = |function: &FunctionDefinition| {
        let granted = granted(function);
        let key = function.environment.contains_key("JWT_SECRET_KEY");
        let mut row = vec![if key { "yes" } else { "" }.to_owned()];
        for table in &tables[2..tables.len() - 1] {
            let of_table = |action: &&str| {
                granted.iter().any(|(granted, place)| {
                    granted == action && place.split('/').next() == Some(&format!("{table}Table"))
                })
            };
            let allowed = words.iter().filter(|(_, actions)| actions.iter().any(&of_table));
            row.push(allowed.map(|(word, _)| *word).collect::<Vec<_>>().join(", "));
        }
        (function.operation.clone(), row)
    };
    let columns: BTreeSet<String> =
        tables[2..tables.len() - 1].iter().map(|name| format!("{name}Table")).collect();
    let all: BTreeSet<String> = template.tables().iter().map(|table| table.logical_id.clone()).collect();
    assert_eq!(columns, all);
    assert_eq!(said, template.functions().iter().map(holds).collect());
}

/// Panics if a function made a request that its role does not allow.
pub fn assert_allowed(template: &Template, calls: &[RecordedCall]) {
    let granted: BTreeMap<&str, BTreeSet<Permission>> =
        template.functions().iter().map(|function| (&*function.operation, granted(function))).collect();
    for call in calls {
        // A test may make requests of its own. Their caller is not a function.
        let Some(granted) = granted.get(&*call.caller) else { continue };
        let forbidden = permissions(call).into_iter().find(|permission| !granted.contains(permission));
        assert_eq!(forbidden, None, "{} makes a request that its role does not allow", call.caller);
    }
}

/// Makes every call of every operation, and everything else that makes different requests to DynamoDB.
pub async fn use_everything(app: &mut TestApp) {
    make_every_call(app).await;
    // A wrong password counts.
    let ann = app.create_user("ann").await;
    assert_eq!(app.log_in(&ann.email, "a wrong password").await.status, 401);
    // A login renews a hash of another cost.
    app.redeploy(&["login"], &[("BCRYPT_COST", "5")]).await;
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 200);
    purge(app).await;
    app.send_mails().await;
    app.send_mails_on_schedule().await;
}

/// Makes every call of every operation, and calls that are refused because the session has ended.
pub async fn make_every_call(app: &TestApp) {
    operations::for_every_call(app, async |operation, _, request| {
        let response = app.send(request).await;
        assert_eq!(response.status, operation.success(), "{}: {}", operation.name, response.body);
    })
    .await;
    // A failed condition is followed by a read.
    let Owner { user, movie_id, .. } = app.create_owner("ended").await;
    app.proxy.inject(Rule::once(Fault::LoseResponse).from("logout").on("UpdateItem"));
    assert_eq!(app.send(post("/api/auth/logout", &json!({})).bearer(&user.token)).await.status, 200);
    for operation in operations::with_token() {
        let response = app.send(operation.example_request(&movie_id).bearer(&user.token)).await;
        assert_eq!(response.status, 401, "{}: {}", operation.name, response.body);
    }
}

/// Carries out the account deletions: first with too little time, then from the stream, and once on schedule.
async fn purge(app: &TestApp) {
    let mut reader = StreamReader::new(&app.database, ACCOUNT_DELETIONS).expect("a stream");
    let records = json!({"Records": reader.next_records().expect("records")});
    let hurried = FunctionOptions { timeout: Duration::from_millis(5_500), ..app.options("purge-account") };
    let hurried = Function::start(hurried).await.expect("the function starts");
    app.proxy.inject(Rule::once(Fault::Stall).from("purge-account").on("Query"));
    let usual = app.function("purge-account").await;
    for (function, event) in [(&hurried, &records), (&*usual, &records), (&*usual, &json!({}))] {
        let nothing_failed = Outcome::Response(json!({"batchItemFailures": []}));
        assert_eq!(function.invoke(event).await, nothing_failed);
    }
    assert_eq!(
        app.database.items(ACCOUNT_DELETIONS).expect("items"),
        [Value::Null; 0],
        "every account deletion is finished"
    );
}

/// Returns the permissions that a call needs. IAM has none for a transaction, only for its items.
fn permissions(call: &RecordedCall) -> Vec<Permission> {
    if call.transaction_items.is_empty() {
        let index = call.index.as_ref().map(|index| format!("/index/{index}")).unwrap_or_default();
        let resources = call.tables.iter().map(|table| format!("{table}{index}"));
        return resources.map(|resource| (call.operation.clone(), resource)).collect();
    }
    let items = call.transaction_items.iter();
    items.map(|(action, table)| (format!("{action}Item"), table.clone())).collect()
}

/// Returns the permissions of a function's role on tables and indexes.
fn granted(function: &FunctionDefinition) -> BTreeSet<Permission> {
    let mut permissions = BTreeSet::new();
    for statement in &function.statements {
        let Some(resource) = table_or_index(statement) else { continue };
        permissions.extend(actions(statement).map(|action| {
            let action = action.strip_prefix("dynamodb:");
            let action =
                action.unwrap_or_else(|| panic!("{statement} names a table, but no action of DynamoDB"));
            (action.to_owned(), resource.clone())
        }));
    }
    permissions
}

/// Returns the actions of a statement. Panics if one is a pattern.
fn actions(statement: &Value) -> impl Iterator<Item = String> {
    assert_eq!(statement["Effect"], "Allow");
    let written = &statement["Action"];
    let actions = written.as_array().map_or_else(|| std::slice::from_ref(written), Vec::as_slice);
    actions.iter().map(|action| {
        let action = action.as_str().filter(|action| !action.contains(['*', '?']));
        action.expect("an action without a wildcard").to_owned()
    })
}

fn table_or_index(statement: &Value) -> Option<String> {
    let resource = &statement["Resource"];
    if let [table, attribute] = resource["Fn::GetAtt"].as_array().map(Vec::as_slice).unwrap_or_default() {
        return (attribute == "Arn")
            .then(|| table.as_str().map(str::to_owned))
            .flatten()
            .filter(|name| is_table(name));
    }
    let (table, index) = resource["Fn::Sub"].as_str()?.strip_prefix("${")?.split_once(".Arn}")?;
    is_table(table).then(|| format!("{table}{index}"))
}

fn is_table(logical_id: &str) -> bool {
    logical_id.ends_with("Table")
}
