//! Wakes the functions that no request calls, as deployed: by the streams of tables, and by the clock.

mod delivery;
mod schedule;

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::Value;
use tokio::task::JoinSet;

use super::say;
use crate::{database::EmbeddedDatabase, streams::StreamReader, template::Template};
use delivery::Delivery;

/// How often to look for new records.
const INTERVAL: Duration = Duration::from_millis(200);

/// What can be called.
pub trait Invoke: Send + Sync + 'static {
    /// Hands an event to a function and gives its answer. That the function has failed is an error.
    fn invoke(&self, function: &str, event: &Value) -> impl Future<Output = Result<Value>> + Send;
}

/// Begins to wake functions, until the result is dropped. Records of an earlier run are delivered too, and every schedule
/// begins with a call now.
pub fn functions(
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
            tasks.spawn(schedule::call(schedule, function, Arc::clone(functions)));
        }
    }
    Ok(tasks)
}

/// What does not happen when only the database is served, if there is something.
pub fn missing_without(template: &Template) -> Option<String> {
    let missing = template
        .stream_mappings()
        .iter()
        .map(|mapping| format!("the stream of {} does not wake {}", mapping.table, mapping.operation));
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| format!("Nothing is delivered meanwhile: {}.", missing.join(", ")))
}

async fn deliver(mut reader: StreamReader, delivery: Delivery<impl Invoke>) {
    loop {
        match reader.next_records() {
            Ok(records) => {
                for given_up in delivery.deliver(records).await {
                    say(given_up);
                }
            }
            Err(error) => {
                let operation = delivery.operation();
                return say(format!(
                    "Nothing wakes {operation} any more; a stream is not readable: {error:#}"
                ));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_mapping_nothing_is_missing() {
        let template = Template::parse("Resources: {}").expect("a valid template");
        assert_eq!(missing_without(&template), None);
    }

    #[test]
    fn what_is_not_delivered_is_named() {
        let template = delivery::tests::template();
        assert_eq!(
            missing_without(&template).as_deref(),
            Some(
                "Nothing is delivered meanwhile: the stream of AccountDeletionsTable does not wake purge-account."
            )
        );
    }
}
