//! Sets up the log.

use std::panic;

use lambda_runtime::tracing::{
    Level,
    subscriber::{self, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt},
};

use super::environment::optional;
use crate::telemetry::LogFormat;

/// Returns JSON if `AWS_LAMBDA_LOG_FORMAT` says so, as Lambda sets it, and text otherwise.
pub(super) fn format() -> LogFormat {
    match optional("AWS_LAMBDA_LOG_FORMAT") {
        Some(format) if format.eq_ignore_ascii_case("json") => LogFormat::Json,
        _ => LogFormat::Text,
    }
}

/// Starts logging to the standard output, at the level `AWS_LAMBDA_LOG_LEVEL`. Other crates log warnings only, because some
/// of them log whole requests at lower levels. [`App::from_env`](super::App::from_env) also does this.
///
/// # Panics
///
/// Panics if logging has started already.
pub fn start() {
    let level = optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    let targets = Targets::new()
        .with_default(Level::WARN)
        .with_target("shared", level)
        .with_target("purge_account", level)
        .with_target("send_mail", level);
    let registry = subscriber::registry().with(targets);
    // A line that cannot be written is lost. Reporting it on the standard error would panic if that is closed, too.
    let lines = subscriber::fmt::layer().log_internal_errors(false);
    match format() {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(lines).init();
        }
        LogFormat::Text => registry.with(lines.with_target(false).without_time().with_ansi(false)).init(),
    }
    // The message of a panic can contain text that a client sent, so CloudWatch gets only the place. Every deployment has a
    // stage; without one, the log is for the developer who sent the request.
    let shows_message = optional("STAGE").is_none();
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().filter(|_| shows_message);
        tracing::error!(place, panic = message, "panic");
    }));
}
