//! Evaluates alarms as CloudWatch does, as far as `template.yaml` uses it: sums of one metric, or of several metrics,
//! over periods of whole minutes. The rules are in the CloudWatch user guide under "Evaluating an alarm" and
//! "Configuring how CloudWatch alarms treat missing data".

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Watched, text, watched};

/// The sums of each metric by minute. A metric without a value in a minute is missing there.
#[derive(Debug, Clone, Default)]
pub struct Datapoints(BTreeMap<Watched, BTreeMap<usize, f64>>);

impl Datapoints {
    /// Adds to the sum of a metric in a minute. Adding 0 turns a missing value into 0.
    pub fn add(&mut self, metric: Watched, minute: usize, value: f64) {
        *self.0.entry(metric).or_default().entry(minute).or_default() += value;
    }

    /// Returns the last minute that has a value.
    fn end(&self) -> usize {
        self.0.values().filter_map(|minutes| minutes.keys().last()).max().copied().unwrap_or_default()
    }

    /// Returns the sum in the period of this many minutes that ends with `end`, or `None` if every value is missing.
    fn sum(&self, metric: &Watched, end: usize, minutes: usize) -> Option<f64> {
        let values = self.0.get(metric)?;
        let begin = (end + 1).saturating_sub(minutes);
        let mut values = values.range(begin..=end).map(|(_, value)| *value).peekable();
        values.peek().is_some().then(|| values.sum())
    }
}

/// Returns whether an alarm goes off at any time from the first datapoint until an hour after the last one.
pub fn goes_off(alarm: &Value, datapoints: &Datapoints) -> bool {
    (0..=datapoints.end() + 60).any(|now| is_on(alarm, datapoints, now))
}

/// Returns whether an alarm is in the state `ALARM` at the end of this minute.
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
                other => panic!("the test does not support TreatMissingData {other}"),
            },
            Some(value) => match text(&alarm["ComparisonOperator"]).as_str() {
                "GreaterThanThreshold" => value > threshold,
                "GreaterThanOrEqualToThreshold" => value >= threshold,
                "LessThanThreshold" => value < threshold,
                other => panic!("the test does not support {other}"),
            },
        }
    };
    (0..periods).filter(|period| breaching(*period)).count() >= needed
}

/// Returns the value that an alarm compares with its threshold, by the minute in which a period ends, and the length of
/// a period in minutes.
fn value<'a>(alarm: &'a Value, datapoints: &'a Datapoints) -> (impl Fn(usize) -> Option<f64> + 'a, usize) {
    let summed: Vec<(Watched, usize)> = match alarm["Metrics"].as_array() {
        None => {
            assert_eq!(alarm["Statistic"], "Sum", "the test supports only sums");
            vec![(watched(alarm), minutes(alarm))]
        }
        Some(parts) => {
            let (expressions, metrics): (Vec<&Value>, Vec<&Value>) =
                parts.iter().partition(|part| part["Expression"].is_string());
            let [expression] = expressions[..] else { panic!("one expression is needed: {alarm}") };
            assert_eq!(expression["Expression"], "SUM(METRICS())", "the test supports only this expression");
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
    assert!(seconds > 0 && seconds.is_multiple_of(60), "the test does not support periods of {seconds} s");
    seconds / 60
}
