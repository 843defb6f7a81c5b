//! Order statistics, which a single disturbed measurement hardly moves.

/// A summary of many measurements: their 10th, 50th, 90th and 99th percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub low: f64,
    pub median: f64,
    pub high: f64,
    pub highest: f64,
}

impl Summary {
    /// Summarizes measurements; `None` if there are none.
    pub fn of(measurements: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent| quantile(&sorted, percent);
        Some(Self { low: at(10)?, median: median(&sorted)?, high: at(90)?, highest: at(99)? })
    }
}

/// Returns the median of measurements; `None` if there are none.
pub fn median_of(measurements: impl IntoIterator<Item = f64>) -> Option<f64> {
    Summary::of(measurements).map(|summary| summary.median)
}

/// Returns a percentile by the nearest-rank method.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// Converts a count.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts up to 2⁵³ are exact, and no program has that many bytes"
)]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Formats a count with a comma before each group of three digits.
pub fn thousands(count: u64) -> String {
    if count < 1_000 {
        return count.to_string();
    }
    format!("{},{:03}", thousands(count / 1_000), count % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 1_020_304].map(thousands), ["0", "999", "1,000", "1,020,304"]);
    }

    #[test]
    fn measurements_are_summarized_by_rank() {
        let summary = Summary::of((1..=100).rev().map(f64::from)).expect("a summary");
        assert_eq!(summary, Summary { low: 10.0, median: 50.5, high: 90.0, highest: 99.0 });
        let summary = Summary::of([7.0]).expect("a summary");
        assert_eq!(summary, Summary { low: 7.0, median: 7.0, high: 7.0, highest: 7.0 });
        assert_eq!(Summary::of([]), None);
    }
}
