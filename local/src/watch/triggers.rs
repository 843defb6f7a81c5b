//! Invokes functions as their triggers do when deployed: the streams of tables, and schedules. Its modules, each of which
//! uses only those before it: `invoke`, `delivery`, `schedule`.

mod delivery;
mod invoke;
mod schedule;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::{database::EmbeddedDatabase, streams::StreamReader, template::Template, watch::output::print};
use delivery::Delivery;
pub use invoke::Invoke;

/// How often to look for new records.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs the triggers until the result is dropped. Records of an earlier run are delivered too, and every schedule begins
/// with an invocation now.
pub fn run(
    template: &Template,
    database: &EmbeddedDatabase,
    functions: &Arc<impl Invoke>,
) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for mapping in template.stream_mappings() {
        let reader = StreamReader::new(database, &mapping.table)?;
        tasks.spawn(deliver(reader, Delivery::new(mapping.clone(), Arc::clone(functions))));
    }
    for function in template.functions() {
        for schedule in &function.schedules {
            let (schedule, function) = (schedule.clone(), function.clone());
            tasks.spawn(schedule::run(schedule, function, Arc::clone(functions)));
        }
    }
    Ok(tasks)
}

/// Returns a message about the streams that trigger nothing while only the database is served, if there are any.
pub fn idle_message(template: &Template) -> Option<String> {
    let streams = template.stream_mappings().iter();
    let streams = streams
        .map(|mapping| format!("the stream of {} does not trigger {}", mapping.table, mapping.operation));
    let streams: Vec<String> = streams.collect();
    (!streams.is_empty()).then(|| format!("Meanwhile, {}.", streams.join(", and ")))
}

async fn deliver(mut reader: StreamReader, delivery: Delivery<impl Invoke>) {
    loop {
        match reader.next_records() {
            Ok(records) => delivery.deliver(records).await.into_iter().for_each(print),
            Err(error) => {
                let operation = delivery.operation();
                return print(format!(
                    "A stream cannot be read and no longer triggers {operation}: {error:#}"
                ));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{invoke::tests::Recorder, *};
    use crate::database::Storage;

    /// Two tables, each with a stream that triggers a function of its own.
    fn template() -> Template {
        let stream = |name: &str| {
            format!(
                "
  {name}Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
      StreamSpecification: {{StreamViewType: KEYS_ONLY}}
  {name}Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/{name}/
      Events: {{Hourly: {{Type: Schedule, Properties: {{Schedule: rate(1 hour), Input: '\"{name} by schedule\"'}}}}}}
  {name}Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{EventSourceArn: !GetAtt {name}Table.StreamArn, FunctionName: !Ref {name}Function.Alias}}"
            )
        };
        let text = format!("Resources:{}{}", stream("Deletion"), stream("Outbox"));
        Template::parse(&text).expect("a valid template")
    }

    #[tokio::test]
    async fn each_stream_and_schedule_triggers_its_own_function() {
        let template = template();
        let database = EmbeddedDatabase::start(Storage::Memory, 0).await.expect("a database");
        database.create_tables(template.tables()).expect("tables");
        for table in ["OutboxTable", "DeletionTable"] {
            database.put_item(table, json!({"id": {"S": table}})).expect("an item");
        }
        let functions = Arc::new(Recorder::default());
        let _triggers = run(&template, &database, &functions).expect("triggers");
        let invocations = || functions.invocations.lock().expect("the invocations").clone();
        let all = async {
            while invocations().len() < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("four invocations");
        let key = |event: &Value| event["Records"][0]["dynamodb"]["Keys"]["id"]["S"].clone();
        let events = invocations().into_iter().map(|(function, event)| match event {
            Value::String(input) => (function, input),
            event => (function, key(&event).as_str().unwrap_or_default().to_owned()),
        });
        let mut events: Vec<_> = events.collect();
        events.sort();
        let pair = |function: &str, event: &str| (function.to_owned(), event.to_owned());
        let expected = [
            pair("Deletion", "Deletion by schedule"),
            pair("Deletion", "DeletionTable"),
            pair("Outbox", "Outbox by schedule"),
            pair("Outbox", "OutboxTable"),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn streams_that_trigger_nothing_are_named() {
        let expected = "Meanwhile, the stream of DeletionTable does not trigger Deletion, \
                        and the stream of OutboxTable does not trigger Outbox.";
        assert_eq!(idle_message(&template()).as_deref(), Some(expected));
        let none = Template::parse("Resources: {}").expect("a valid template");
        assert_eq!(idle_message(&none), None);
    }
}
