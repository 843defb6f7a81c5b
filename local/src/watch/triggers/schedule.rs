//! Invokes a function on a schedule, with the event of `EventBridge`.

use std::sync::Arc;

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};
use uuid::Uuid;

use super::invoke::Invoke;
use crate::{
    clock,
    template::{ACCOUNT, FunctionDefinition, REGION, Schedule},
    watch::output::print,
};

/// Invokes the function now, and then at the schedule's rate forever.
pub async fn run(schedule: Schedule, function: FunctionDefinition, functions: Arc<impl Invoke>) {
    let mut ticks = tokio::time::interval(schedule.every);
    loop {
        ticks.tick().await;
        let event = schedule.input.clone().unwrap_or_else(|| event(&schedule, &function, clock::now()));
        if let Err(error) = functions.invoke(&function.operation, &event).await {
            print(format!("The scheduled invocation of {} failed: {error:#}", function.operation));
        }
    }
}

fn event(schedule: &Schedule, function: &FunctionDefinition, now: OffsetDateTime) -> Value {
    let time = now.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"));
    let rule = format!("{}{}", function.logical_id, schedule.name);
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": time.unwrap_or_default(),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::{super::invoke::tests::Recorder, *};
    use crate::fixture::template;

    #[test]
    fn the_event_has_the_form_of_eventbridge() {
        let template = template();
        let function = template.function("purge-account").expect("the function");
        let mut event = event(&function.schedules[0], function, datetime!(2026-07-01 08:09:10.5 UTC));
        assert_eq!(event["id"].take().as_str().map(str::len), Some(36));
        let expected = json!({
            "version": "0", "id": null, "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": "2026-07-01T08:09:10Z", "region": "eu-west-1",
            "resources": ["arn:aws:events:eu-west-1:123456789012:rule/PurgeAccountFunctionHourly"],
            "detail": {},
        });
        assert_eq!(event, expected);
    }

    #[tokio::test]
    async fn a_function_is_invoked_at_once_and_at_the_rate_even_if_it_fails() {
        let functions = Arc::new(Recorder::default());
        functions.responses.lock().expect("the responses").push_back(Err("no"));
        let function = template().function("purge-account").expect("the function").clone();
        let (every, input) = (Duration::from_millis(20), Some(json!({"mine": true})));
        let schedule = Schedule { every, input, ..function.schedules[0].clone() };
        let invocations = || functions.invocations.lock().expect("the invocations").clone();
        let three = async {
            while invocations().len() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = run(schedule, function, Arc::clone(&functions)) => {}
            () = three => {}
        }
        assert_eq!(invocations()[0], ("purge-account".to_owned(), json!({"mine": true})));
    }
}
