//! The record of the invocation at hand: what its handler, the store and the checks of tokens note in passing.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
};

use uuid::Uuid;

use super::Metric;

/// Values by metric, in a fixed order.
pub(super) type Measurements = BTreeMap<Metric, f64>;

/// What has been noted so far. It belongs to the task and not to the process, so that it is right even if a process
/// should one day handle two requests at once.
#[derive(Debug, Default)]
pub(super) struct Record {
    measurements: RefCell<Measurements>,
    user_id: Cell<Option<Uuid>>,
}

tokio::task_local! {
    static RECORD: Record;
}

impl Record {
    /// Runs something with a new record of its own.
    pub(super) async fn around<Output>(inner: impl Future<Output = Output>) -> Output {
        RECORD.scope(Self::default(), inner).await
    }

    /// Takes what has been noted within [`Record::around`]; nothing outside of it.
    pub(super) fn taken() -> (Measurements, Option<Uuid>) {
        RECORD.try_with(|record| (record.measurements.take(), record.user_id.take())).unwrap_or_default()
    }
}

/// Counts something that happened once.
pub fn count(metric: Metric) {
    measure(metric, 1.0);
}

/// Adds a value, in the metric's unit, to what has been measured so far. A metric that is measured is reported even if
/// its value is 0. Outside an invocation there is nobody to report to, and nothing happens.
pub fn measure(metric: Metric, value: impl Into<f64>) {
    let add = |record: &Record| *record.measurements.borrow_mut().entry(metric).or_default() += value.into();
    // The only error is that there is no record.
    let _ = RECORD.try_with(add);
}

/// Notes whom the invocation is about.
pub(crate) fn about(user_id: Uuid) {
    // As above.
    let _ = RECORD.try_with(|record| record.user_id.set(Some(user_id)));
}

#[cfg(test)]
mod tests {
    use super::{Metric, Record, count, measure};

    #[tokio::test]
    async fn what_is_measured_adds_up_in_its_own_record_only() {
        let one = Record::around(async {
            measure(Metric::ReadCapacityUnits, 0.5);
            tokio::task::yield_now().await;
            measure(Metric::ReadCapacityUnits, 1.0);
            measure(Metric::PendingAccountDeletions, 0.0);
            Record::taken().0
        });
        let other = Record::around(async {
            tokio::task::yield_now().await;
            count(Metric::Signups);
            Record::taken().0
        });
        let (one, other) = tokio::join!(one, other);
        assert_eq!(
            Vec::from_iter(one),
            [(Metric::PendingAccountDeletions, 0.0), (Metric::ReadCapacityUnits, 1.5)]
        );
        assert_eq!(Vec::from_iter(other), [(Metric::Signups, 1.0)]);
    }

    #[test]
    fn outside_an_invocation_nothing_happens() {
        count(Metric::Signups);
        assert!(Record::taken().0.is_empty());
    }
}
