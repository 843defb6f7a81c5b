//! When functions are called without anybody asking.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::intrinsics::{Place, Resolver};

/// One `Schedule` or `ScheduleV2` event of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The event's name in the template.
    pub name: String,
    /// The time from one call to the next.
    pub every: Duration,
    /// What the function gets instead of the service's own event.
    pub input: Option<Value>,
}

/// The schedules of a function's events that are not switched off.
pub(super) fn read(
    resolver: &Resolver,
    properties: &Map<String, Value>,
    place: &Place,
) -> Result<Vec<Schedule>> {
    let mut schedules = Vec::new();
    let events = properties.get("Events").and_then(Value::as_object).into_iter().flatten();
    for (name, event) in events {
        let expression = match event["Type"].as_str() {
            Some("Schedule") => "Schedule",
            Some("ScheduleV2") => "ScheduleExpression",
            _ => continue,
        };
        let place = place.at("Events").at(name).at("Properties");
        let setting = |name: &str| resolver.resolve(&event["Properties"][name], &place.at(name));
        if setting("Enabled")? == false || setting("State")? == "DISABLED" {
            continue;
        }
        let written = setting(expression)?;
        let every = written.as_str().and_then(rate);
        let every = every.with_context(|| {
            format!("{place}.{expression}: {written} is not a rate, such as \"rate(1 hour)\"")
        })?;
        let input = setting("Input")?;
        let input = input.as_str().map(serde_json::from_str).transpose();
        let input = input.with_context(|| format!("{place}.Input: JSON is needed"))?;
        schedules.push(Schedule { name: name.clone(), every, input });
    }
    Ok(schedules)
}

fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit.trim_end_matches('s') {
        "minute" => Duration::from_mins(1),
        "hour" => Duration::from_hours(1),
        "day" => Duration::from_hours(24),
        _ => return None,
    };
    Some(unit * number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Template;

    fn template(events: &str) -> Result<Template> {
        Template::parse(&format!(
            "Parameters: {{Rate: {{Type: String, Default: rate(1 hour)}}}}
Resources:
  PurgeAccountFunction:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: target/lambda/purge-account/, Events: {events}}}
"
        ))
    }

    #[test]
    fn schedules_are_read_and_those_switched_off_are_not() {
        let template = template(
            "{A: {Type: Schedule, Properties: {Schedule: !Ref Rate}},
              B: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(5 minutes), Input: '{\"a\": 1}'}},
              C: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}},
              D: {Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 * * * ? *), State: DISABLED}},
              E: {Type: HttpApi, Properties: {Method: GET, Path: /}}}",
        )
        .expect("a valid template");
        let schedule = |name: &str, every, input| Schedule { name: name.to_owned(), every, input };
        let expected = [
            schedule("A", Duration::from_hours(1), None),
            schedule("B", Duration::from_mins(5), Some(json!({"a": 1}))),
        ];
        assert_eq!(template.function("purge-account").expect("the function").schedules, expected);
    }

    #[test]
    fn a_schedule_that_is_no_rate_is_refused_with_its_place() {
        for expression in ["cron(0 * * * ? *)", "rate(0 hours)", "rate(1 week)", "hourly"] {
            let events = format!("{{A: {{Type: Schedule, Properties: {{Schedule: {expression}}}}}}}");
            let error = template(&events).expect_err(expression).to_string();
            let place = "Resources.PurgeAccountFunction.Properties.Events.A.Properties.Schedule";
            assert_eq!(error, format!("{place}: \"{expression}\" is not a rate, such as \"rate(1 hour)\""));
        }
    }
}
