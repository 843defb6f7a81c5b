//! Every metric in the template's alarms and dashboard exists: the functions or an AWS service emit it.

mod evaluation;
mod rollback;

use std::collections::{BTreeMap, BTreeSet};

use local::{
    fault_proxy::{Fault, Rule},
    mail_service,
    runtime_api::Outcome,
    streams::StreamReader,
    template::Template,
};
use serde_json::{Value, json};

use crate::{
    emf, policies,
    test_app::{ACCOUNT_DELETIONS, TestApp, get},
};

/// A metric as CloudWatch identifies it: its namespace, its name, and its dimensions by name.
pub type Watched = (String, String, BTreeMap<String, String>);

const OURS: &str = "MovieBag";

/// The metrics of AWS services that the template uses, with the dimension that identifies each. They are listed in the
/// services' guides under "Working with metrics for HTTP APIs", "Types of metrics for Lambda functions" and "Available
/// CloudWatch metrics for Amazon SQS".
const OF_SERVICES: [(&str, &str, &str); 9] = [
    ("AWS/ApiGateway", "4xx", "ApiId"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
    ("AWS/ApiGateway", "Count", "ApiId"),
    ("AWS/ApiGateway", "IntegrationLatency", "ApiId"),
    ("AWS/ApiGateway", "Latency", "ApiId"),
    ("AWS/Lambda", "ConcurrentExecutions", "FunctionName"),
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
];

#[tokio::test]
async fn every_alarm_and_every_graph_has_a_metric_that_exists() {
    let app = TestApp::start_with_json_logs().await;
    let (alarms, graphs) = (alarms(&app.template), graphs(&app.template));
    assert!(alarms.len() >= 44, "{alarms:#?}");
    emit_everything(&app).await;
    let counted = counted_in_the_access_log(&app.template);
    let emitted: BTreeSet<Watched> = emf::measurements(&emf::documents(&app))
        .into_iter()
        .map(|metric| (metric.namespace, metric.name, metric.dimensions))
        .collect();
    for watched in alarms.iter().chain(&graphs) {
        let (namespace, name, dimensions) = watched;
        if namespace == OURS {
            let exists = emitted.contains(watched) || counted.contains(watched);
            assert!(
                exists,
                "no function emits {watched:?}, and no filter counts it: {emitted:#?} {counted:#?}"
            );
            continue;
        }
        let [(dimension, resource)] = Vec::from_iter(dimensions)[..] else { panic!("{watched:?}") };
        assert!(
            OF_SERVICES.contains(&(namespace, name, dimension)),
            "no service is known to emit {watched:?}"
        );
        let resource = &app.template.document()["Resources"][resource]["Type"];
        let expected = match dimension.as_str() {
            "ApiId" => "AWS::Serverless::HttpApi",
            "FunctionName" => "AWS::Serverless::Function",
            _ => "AWS::SQS::Queue",
        };
        assert_eq!(resource, expected, "{watched:?} names a resource of another type");
    }
    let unseen: Vec<_> = emitted.difference(&graphs).collect();
    assert!(
        unseen.is_empty(),
        "These metrics are paid for, but on no graph: {unseen:#?}\n\
         To fix this: add them to Dashboard in template.yaml."
    );
    let unseen: Vec<_> = counted.iter().filter(|it| !graphs.contains(*it) && !alarms.contains(*it)).collect();
    assert!(unseen.is_empty(), "These metrics are paid for, but on no graph and in no alarm: {unseen:#?}");
}

#[test]
fn the_access_log_is_counted_by_status() {
    let template = Template::load("template.yaml").expect("template.yaml is readable");
    let stage = ("Stage".to_owned(), "local".to_owned());
    let route = ("Route".to_owned(), "PUT /api/movies/{id}".to_owned());
    let metric = |dimensions: Vec<(String, String)>| {
        (OURS.to_owned(), "TooManyRequests".to_owned(), BTreeMap::from_iter(dimensions))
    };
    let expected = BTreeSet::from([metric(vec![stage.clone()]), metric(vec![stage, route])]);
    assert_eq!(counted(&template, "PUT /api/movies/{id}", 429), expected);
    for status in [200, 400, 404, 500, 503, 4_290] {
        assert_eq!(counted(&template, "PUT /api/movies/{id}", status), BTreeSet::new(), "{status}");
    }
}

/// Returns the metrics that the filters of the access log emit for requests with 429, at every route.
fn counted_in_the_access_log(template: &Template) -> BTreeSet<Watched> {
    let routes = template.functions().iter().flat_map(|function| &function.routes);
    routes.flat_map(|route| counted(template, &format!("{} {}", route.method, route.path), 429)).collect()
}

/// Returns the metrics that the filters of the access log emit for one request. Of CloudWatch's filter patterns, only
/// the comparison of one field with a text is supported.
fn counted(template: &Template, route: &str, status: u16) -> BTreeSet<Watched> {
    let api = of_type(template, "AWS::Serverless::HttpApi").next().expect("an API");
    let format = text(&api["AccessLogSettings"]["Format"]["Fn::Sub"]);
    let line = format
        .replace("${Stage}", "local")
        .replace("$context.routeKey", route)
        .replace("$context.status", &status.to_string());
    let line: Value = serde_json::from_str(&line).expect("a line of the log is JSON");
    let field =
        |path: &str| text(&line[path.strip_prefix("$.").unwrap_or_else(|| panic!("{path} is not a field"))]);
    let mut counted = BTreeSet::new();
    for filter in of_type(template, "AWS::Logs::MetricFilter") {
        assert_eq!(filter["LogGroupName"], json!({"Ref": "AccessLogs"}));
        let pattern = text(&filter["FilterPattern"]);
        let comparison = pattern.strip_prefix("{ ").and_then(|rest| rest.strip_suffix("\" }"));
        let (path, sought) = comparison.and_then(|rest| rest.split_once(" = \"")).expect("a comparison");
        if field(path) != sought {
            continue;
        }
        let [metric] = filter["MetricTransformations"].as_array().expect("metrics").as_slice() else {
            panic!("a filter has exactly one metric: {filter}")
        };
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.map(|it| (text(&it["Key"]), field(&text(&it["Value"])))).collect();
        counted.insert((text(&metric["MetricNamespace"]), text(&metric["MetricName"]), dimensions));
    }
    counted
}

/// Makes the functions emit every metric at least once.
async fn emit_everything(app: &TestApp) {
    policies::make_every_call(app).await;
    let ann = app.create_owner("ann").await;
    // One more than the number of free failures.
    for _ in 0..6 {
        app.log_in(&ann.user.email, "not the password").await;
    }
    app.proxy.inject(Rule::once(Fault::AccessDenied).on("GetItem"));
    assert_eq!(app.send(get(&ann.movie_path())).await.status, 500);
    let records =
        StreamReader::new(&app.database, ACCOUNT_DELETIONS).and_then(|mut reader| reader.next_records());
    let records = json!({"Records": records.expect("records")});
    let purge = app.function("purge-account").await;
    // The scheduled run comes first, while an account deletion is pending.
    for event in [json!({}), records] {
        assert_eq!(purge.invoke(&event).await, Outcome::Response(json!({"batchItemFailures": []})));
    }
    let refused = mail_service::Fault::Refuse("MessageRejected");
    for fault in [mail_service::Fault::AccessDenied, refused] {
        app.mail_service.inject(mail_service::Rule::once(fault));
    }
    assert_eq!(app.deliver_mails().await.len(), 1);
    app.send_mails().await;
    app.send_mails_on_schedule().await;
    app.wait_for_log_with(&["PendingAccountDeletions"]).await;
    app.wait_for_log_with(&["PendingMails"]).await;
    app.wait_for_log_with(&["LoginsThrottled"]).await;
}

/// Returns the metrics of all alarms.
pub fn alarms(template: &Template) -> BTreeSet<Watched> {
    let mut found = BTreeSet::new();
    for alarm in of_type(template, "AWS::CloudWatch::Alarm") {
        let several = alarm["Metrics"].as_array().into_iter().flatten();
        let several =
            several.map(|metric| &metric["MetricStat"]["Metric"]).filter(|metric| !metric.is_null());
        let several: Vec<&Value> = several.collect();
        let metrics = if several.is_empty() { vec![alarm] } else { several };
        found.extend(metrics.into_iter().map(watched));
    }
    found
}

/// Returns the metric of an alarm, or of one term of an alarm's sum.
fn watched(metric: &Value) -> Watched {
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    let dimensions = dimensions.map(|dimension| (text(&dimension["Name"]), meaning(&dimension["Value"])));
    (text(&metric["Namespace"]), text(&metric["MetricName"]), dimensions.collect())
}

/// Returns the metrics of all graphs on the dashboard.
pub fn graphs(template: &Template) -> BTreeSet<Watched> {
    let mut found = BTreeSet::new();
    for dashboard in of_type(template, "AWS::CloudWatch::Dashboard") {
        let body = text(&dashboard["DashboardBody"]["Fn::Sub"]);
        let body: Value = serde_json::from_str(&body).expect("the dashboard's body is JSON");
        for widget in body["widgets"].as_array().into_iter().flatten() {
            for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
                // Namespace, name, and pairs of a dimension's name and value. The last element says how the graph
                // looks.
                let words = metric.as_array().into_iter().flatten().filter_map(Value::as_str);
                let words: Vec<String> = words
                    .map(|word| match word.strip_prefix("${").and_then(|word| word.strip_suffix('}')) {
                        Some(name) => named(name),
                        None => word.to_owned(),
                    })
                    .collect();
                let dimensions = words[2..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
                found.insert((words[0].clone(), words[1].clone(), dimensions.collect()));
            }
        }
    }
    found
}

fn of_type<'a>(template: &'a Template, kind: &str) -> impl Iterator<Item = &'a Value> {
    let resources = template.document()["Resources"].as_object().into_iter().flatten();
    resources
        .map(|(_, resource)| resource)
        .filter(move |resource| resource["Type"] == kind)
        .map(|it| &it["Properties"])
}

/// Returns the value of a dimension in an alarm.
fn meaning(value: &Value) -> String {
    let name = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str());
    named(name.unwrap_or_else(|| panic!("{value} is neither a parameter nor a resource")))
}

/// Returns what a reference stands for in tests: the stage `local`, or the name of the resource.
fn named(reference: &str) -> String {
    if reference == "Stage" { "local" } else { reference.trim_end_matches(".QueueName") }.to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
