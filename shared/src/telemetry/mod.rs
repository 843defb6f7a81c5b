//! What operators see of the functions: one line for each invocation, which CloudWatch also reads as metrics.
//!
//! While an invocation is handled, everything that is counted goes into its record; when it ends, a [`Reporter`] writes
//! the record with the outcome. Security events and unexpected faults are lines of their own: see [`crate::audit`].

mod embedded;
mod line;
mod metric;
mod record;
mod reporter;

pub use line::Severity;
pub use metric::Metric;
pub use record::{count, measure};
pub use reporter::{Completion, Invocation, Reporter};

pub(crate) use metric::outcomes;
pub(crate) use record::about;
