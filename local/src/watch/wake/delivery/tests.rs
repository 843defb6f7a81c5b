//! Deliveries to a stand-in for `cargo lambda watch`.

use super::{
    super::super::endpoint::tests::{Calls, stand_in},
    *,
};
use crate::template::Template;

const FAILS: (u16, &str) = (500, r#"{"errorType": "Refusal", "errorMessage": "no"}"#);
const DONE: (u16, &str) = (200, r#"{"batchItemFailures": []}"#);

pub fn template() -> Template {
    Template::parse(
        r#"
Resources:
  AccountDeletionsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: user_id, AttributeType: S}]
      KeySchema: [{AttributeName: user_id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  PurgeAccountFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/purge-account/
      Events: {Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}}
  AccountDeletions:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt AccountDeletionsTable.StreamArn
      FunctionName: !Ref PurgeAccountFunction
      BatchSize: 4
      BisectBatchOnFunctionError: true
      MaximumRetryAttempts: 2
      FunctionResponseTypes: [ReportBatchItemFailures]
      FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT", "MODIFY"]}'}]}
"#,
    )
    .expect("a valid template")
}

/// Delivers records of these numbers with the template's mapping, changed by `change`. Gives the numbers of each call
/// and the lines about what was given up.
async fn deliver(
    numbers: &[&str],
    answers: Vec<(u16, &'static str)>,
    change: impl Fn(&mut StreamMapping),
) -> (Vec<String>, Vec<String>) {
    let template = template();
    let (functions, calls, _server) = stand_in(answers).await;
    let mut mapping = template.stream_mappings()[0].clone();
    change(&mut mapping);
    let delivery = Delivery { first_pause: Duration::from_millis(1), ..Delivery::new(mapping, functions) };
    let given_up = delivery.deliver(numbers.iter().map(|number| record(number, "INSERT")).collect()).await;
    (told(&calls), given_up)
}

fn record(number: &str, name: &str) -> Value {
    json!({"eventName": name, "dynamodb": {"SequenceNumber": number}})
}

fn told(calls: &Calls) -> Vec<String> {
    let calls = calls.lock().expect("the calls");
    let numbers = |event: &Value| {
        let records = event["Records"].as_array().expect("records").iter();
        records.map(|record| sequence_number(record).to_owned()).collect::<Vec<_>>().join(" ")
    };
    calls.iter().map(|(name, event)| format!("{name} {}", numbers(event))).collect()
}

fn unchanged(_: &mut StreamMapping) {}

#[tokio::test]
async fn records_are_delivered_in_order_and_in_batches() {
    let (calls, given_up) = deliver(&["1", "2", "3", "4", "5"], vec![DONE], unchanged).await;
    assert_eq!(calls, ["purge-account 1 2 3 4", "purge-account 5"]);
    assert!(given_up.is_empty());
}

#[tokio::test]
async fn what_the_filter_keeps_back_wakes_nobody() {
    let template = template();
    let (functions, calls, _server) = stand_in(Vec::new()).await;
    let delivery = Delivery::new(template.stream_mappings()[0].clone(), functions);
    assert!(delivery.deliver(vec![record("1", "REMOVE")]).await.is_empty());
    assert!(told(&calls).is_empty());
    delivery.deliver(vec![record("2", "REMOVE"), record("3", "MODIFY")]).await;
    assert_eq!(told(&calls), ["purge-account 3"]);
}

#[tokio::test]
async fn only_what_comes_from_the_first_reported_failure_on_is_tried_again() {
    let reported = r#"{"batchItemFailures": [{"itemIdentifier": "4"}, {"itemIdentifier": "3"}]}"#;
    let (calls, given_up) = deliver(&["1", "2", "3", "4"], vec![(200, reported)], unchanged).await;
    assert_eq!(calls, ["purge-account 1 2 3 4", "purge-account 3", "purge-account 4"]);
    assert!(given_up.is_empty());
}

#[tokio::test]
async fn a_batch_that_fails_is_halved_and_the_others_go_on() {
    // 1 2 3 4, then 1 2, then 1 three times, then 2 and 3 4.
    let answers = vec![FAILS; 5];
    let (calls, given_up) = deliver(&["1", "2", "3", "4"], answers, unchanged).await;
    let expected = ["1 2 3 4", "1 2", "1", "1", "1", "2", "3 4"].map(|call| format!("purge-account {call}"));
    assert_eq!(calls, expected);
    assert_eq!(
        given_up,
        ["Gave up on the record 1 of AccountDeletionsTable: purge-account failed 3 times (Refusal: no). \
          It is delivered again when `cargo local` starts anew."]
    );
}

#[tokio::test]
async fn without_halving_a_batch_is_given_up_as_a_whole() {
    let (calls, given_up) = deliver(&["1", "2"], vec![FAILS; 3], |mapping| mapping.bisects = false).await;
    assert_eq!(calls, ["purge-account 1 2"; 3]);
    assert_eq!(given_up.len(), 2);
}

#[tokio::test]
async fn without_a_limit_it_is_tried_until_it_succeeds() {
    let (calls, given_up) = deliver(&["1"], vec![FAILS; 8], |mapping| mapping.retries = None).await;
    assert_eq!((calls.len(), given_up.len()), (9, 0));
}

#[tokio::test]
async fn an_answer_that_names_no_record_is_a_failure_of_all() {
    for answer in [
        r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
        r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
        r#"{"batchItemFailures": [{"itemIdentifier": "7"}]}"#,
        r#"{"batchItemFailures": [{}]}"#,
        r#"{"batchItemFailures": "1"}"#,
    ] {
        let (calls, _) = deliver(&["1", "2"], vec![(200, answer)], unchanged).await;
        assert_eq!(calls, ["purge-account 1 2", "purge-account 1", "purge-account 2"], "{answer}");
    }
}

#[tokio::test]
async fn a_mapping_that_asks_for_no_reports_ignores_them() {
    let reported = r#"{"batchItemFailures": [{"itemIdentifier": "1"}]}"#;
    let (calls, _) = deliver(&["1"], vec![(200, reported)], |mapping| mapping.reports_failures = false).await;
    assert_eq!(calls, ["purge-account 1"]);
}
