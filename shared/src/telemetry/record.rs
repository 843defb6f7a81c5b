//! The record of the current invocation, to which every layer above adds measurements.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
};

use uuid::Uuid;

use super::Metric;

/// Values by metric, in a fixed order.
pub(super) type Measurements = BTreeMap<Metric, f64>;

/// The measurements and the user of an invocation. The record belongs to the task and not to the process, so it stays
/// correct if a process handles two requests at once.
#[derive(Debug, Default)]
pub(super) struct Record {
    measurements: RefCell<Measurements>,
    user_id: Cell<Option<Uuid>>,
}

tokio::task_local! {
    static RECORD: Record;
}

impl Record {
    /// Runs a future with a new record.
    pub(super) async fn around<Output>(inner: impl Future<Output = Output>) -> Output {
        RECORD.scope(Self::default(), inner).await
    }

    /// Takes the contents of the current record; empty outside [`Record::around`].
    pub(super) fn taken() -> (Measurements, Option<Uuid>) {
        RECORD.try_with(|record| (record.measurements.take(), record.user_id.take())).unwrap_or_default()
    }
}

/// Adds 1 to a metric.
pub fn count(metric: Metric) {
    measure(metric, 1.0);
}

/// Adds a value, in the metric's unit, to a metric of the current invocation. A measured metric is reported even if its
/// value is 0. Outside an invocation, this does nothing.
pub fn measure(metric: Metric, value: impl Into<f64>) {
    let add = |record: &Record| *record.measurements.borrow_mut().entry(metric).or_default() += value.into();
    // The only error is that there is no record.
    let _ = RECORD.try_with(add);
}

/// Sets the user of the current invocation, in its completion line and in its other log lines.
pub fn identify(user_id: Uuid) {
    tracing::Span::current().record("user_id", tracing::field::display(user_id));
    // The only error is that there is no record.
    let _ = RECORD.try_with(|record| record.user_id.set(Some(user_id)));
}

#[cfg(test)]
mod tests {
    use super::{Metric, Record, count, measure};

    #[tokio::test]
    async fn measurements_add_up_in_their_own_record_only() {
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
    fn measuring_outside_an_invocation_does_nothing() {
        count(Metric::Signups);
        assert!(Record::taken().0.is_empty());
    }
}
