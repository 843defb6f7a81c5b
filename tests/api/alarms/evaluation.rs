//! Evaluates alarms as CloudWatch does, as far as `template.yaml` uses it: sums of a metric, or of the sum of several,
//! over periods of whole minutes; "Evaluating an alarm" and "Configuring how CloudWatch alarms treat missing data" in
//! the CloudWatch user guide.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Watched, text, watched};

/// Sums by metric and minute. A minute in which a metric has no value is missing.
#[derive(Debug, Clone, Default)]
pub struct Datapoints(BTreeMap<Watched, BTreeMap<usize, f64>>);

impl Datapoints {
    /// Adds to the sum of a metric in a minute. Adding 0 makes a value of what was missing.
    pub fn add(&mut self, metric: Watched, minute: usize, value: f64) {
        *self.0.entry(metric).or_default().entry(minute).or_default() += value;
    }

    /// The last minute that has a value.
    fn end(&self) -> usize {
        self.0.values().filter_map(|minutes| minutes.keys().last()).max().copied().unwrap_or_default()
    }

    /// The sum in the period of so many minutes that ends with this one; `None` if all of it is missing.
    fn sum(&self, metric: &Watched, end: usize, minutes: usize) -> Option<f64> {
        let values = self.0.get(metric)?;
        let begin = (end + 1).saturating_sub(minutes);
        let mut values = values.range(begin..=end).map(|(_, value)| *value).peekable();
        values.peek().is_some().then(|| values.sum())
    }
}

/// Whether an alarm goes off at any time from the first datapoint until an hour after the last.
pub fn goes_off(alarm: &Value, datapoints: &Datapoints) -> bool {
    (0..=datapoints.end() + 60).any(|now| is_on(alarm, datapoints, now))
}

/// Whether an alarm is on when this minute is over.
pub fn is_on(alarm: &Value, datapoints: &Datapoints, now: usize) -> bool {
    let number = |name: &str| alarm[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let periods = number("EvaluationPeriods").expect("a number of periods");
    let needed = number("DatapointsToAlarm").unwrap_or(periods);
    let (value_at, minutes) = value(alarm, datapoints);
    let threshold = alarm["Threshold"].as_f64().expect("a threshold");
    let breaching = |period: usize| {
        let end = now.checked_sub(period * minutes);
        match end.and_then(&value_at) {
            None => match text(&alarm["TreatMissingData"]).as_str() {
                "notBreaching" => false,
                "breaching" => true,
                other => panic!("missing data that is {other} is not evaluated here"),
            },
            Some(value) => match text(&alarm["ComparisonOperator"]).as_str() {
                "GreaterThanThreshold" => value > threshold,
                "GreaterThanOrEqualToThreshold" => value >= threshold,
                "LessThanThreshold" => value < threshold,
                other => panic!("{other} is not evaluated here"),
            },
        }
    };
    (0..periods).filter(|period| breaching(*period)).count() >= needed
}

/// What an alarm compares with its threshold, by the minute in which a period ends; and the length of a period.
fn value<'a>(alarm: &'a Value, datapoints: &'a Datapoints) -> (impl Fn(usize) -> Option<f64> + 'a, usize) {
    let summed: Vec<(Watched, usize)> = match alarm["Metrics"].as_array() {
        None => {
            assert_eq!(alarm["Statistic"], "Sum", "only sums are evaluated here");
            vec![(watched(alarm), minutes(alarm))]
        }
        Some(parts) => {
            let (expressions, metrics): (Vec<&Value>, Vec<&Value>) =
                parts.iter().partition(|part| part["Expression"].is_string());
            let [expression] = expressions[..] else { panic!("one expression is needed: {alarm}") };
            assert_eq!(expression["Expression"], "SUM(METRICS())", "only this is evaluated here");
            assert!(metrics.len() <= 10, "an alarm takes ten metrics at most");
            let part = |part: &&Value| {
                assert_eq!(
                    (&part["ReturnData"], &part["MetricStat"]["Stat"]),
                    (&false.into(), &"Sum".into())
                );
                (watched(&part["MetricStat"]["Metric"]), minutes(&part["MetricStat"]))
            };
            metrics.iter().map(part).collect()
        }
    };
    let minutes = summed[0].1;
    assert!(summed.iter().all(|(_, other)| *other == minutes), "the periods differ: {alarm}");
    let value = move |end: usize| {
        let present = summed.iter().filter_map(|(metric, minutes)| datapoints.sum(metric, end, *minutes));
        present.reduce(|sum, value| sum + value)
    };
    (value, minutes)
}

fn minutes(period_of: &Value) -> usize {
    let seconds = period_of["Period"].as_u64().and_then(|seconds| usize::try_from(seconds).ok());
    let seconds = seconds.expect("a period");
    assert!(seconds > 0 && seconds.is_multiple_of(60), "{seconds} s are not evaluated here");
    seconds / 60
}
