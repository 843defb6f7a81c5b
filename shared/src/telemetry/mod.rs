//! What operators see of the functions: one line for each invocation, which CloudWatch also reads as metrics, and one for
//! each security event.
//!
//! While a function handles an invocation, measurements and the user's id go into the invocation's record. When the
//! invocation ends, a [`Reporter`] writes the record together with the outcome.

mod emf;
mod line;
mod metric;
mod record;
mod reporter;
mod security_log;

use std::error::Error;

pub use line::{LogFormat, Severity};
pub use metric::Metric;
pub use record::{count, identify, measure};
pub use reporter::{Completion, Invocation, Reporter, ReporterSettings};
pub use security_log::SecurityEvent;

/// Returns an error's text followed by its sources', separated by `: `.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
