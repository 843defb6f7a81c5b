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
    (!streams.is_empty()).then(|| format!("Meanwhile {}.", streams.join(", ")))
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
    use super::*;
    use crate::fixture;

    #[test]
    fn streams_that_trigger_nothing_are_named() {
        let template = fixture::template();
        let mapping = &template.stream_mappings()[0];
        let expected = format!("Meanwhile the stream of {} does not trigger purge-account.", mapping.table);
        assert_eq!(idle_message(&template), Some(expected));
        let none = Template::parse("Resources: {}").expect("a valid template");
        assert_eq!(idle_message(&none), None);
    }
}
