//! Order statistics: they do not care how far off the one measurement is during which the machine did something else.

/// What many measurements come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// A tenth is below it.
    pub low: f64,
    /// Half is below it.
    pub median: f64,
    /// Nine tenths are below it.
    pub high: f64,
    /// All but a hundredth is below it.
    pub highest: f64,
}

impl Summary {
    /// Sums measurements up; `None` if there are none.
    #[must_use]
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent| quantile(&sorted, percent);
        Some(Self { low: at(10)?, median: median(&sorted)?, high: at(90)?, highest: at(99)? })
    }
}

/// The median of measurements; `None` if there are none.
#[must_use]
pub fn median_of(measurements: impl IntoIterator<Item = f64>) -> Option<f64> {
    Summary::of(measurements).map(|summary| summary.median)
}

/// The smallest measurement that so many percent are not above ("nearest rank").
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_measurements_are_summed_up_by_rank() {
        let summary = Summary::of((1..=100).rev().map(f64::from)).expect("a summary");
        assert_eq!(summary, Summary { low: 10.0, median: 50.5, high: 90.0, highest: 99.0 });
    }

    #[test]
    fn one_measurement_is_all_there_is_to_say() {
        let summary = Summary::of([7.0]).expect("a summary");
        assert_eq!(summary, Summary { low: 7.0, median: 7.0, high: 7.0, highest: 7.0 });
        assert_eq!(Summary::of([]), None);
    }
}
