//! The line that tells how an invocation ended.

use std::io::{self, Write};

use lambda_http::tracing;
use serde::Serialize;
use uuid::Uuid;

use super::{embedded::Embedded, metric::Metric, record::Measurements};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// All is as it should be.
    Info,
    /// Something failed that may be well again by itself.
    Warn,
    /// Somebody has to look at it.
    Error,
}

/// Everything that is told of an invocation. What a client sent is no part of it.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub timestamp: String,
    pub level: Severity,
    pub message: &'static str,
    pub operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    pub milliseconds: i64,
    pub cold_start: bool,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
    #[serde(flatten)]
    pub metrics: Option<Embedded<'a>>,
}

impl Line<'_> {
    /// Writes the line as one JSON object, whatever `AWS_LAMBDA_LOG_LEVEL` is: it carries the metrics, and alarms must
    /// not fall silent because somebody wants fewer lines. (Lambda itself drops lines by their `level` before they
    /// reach CloudWatch, so an `ApplicationLogLevel` above INFO would cost the metrics nevertheless.)
    ///
    /// A line that cannot be written is lost: there is nowhere else to tell of it, and no client should get an error
    /// because of it. `println!` would panic.
    pub(super) fn write_json(&self) {
        let Ok(mut text) = serde_json::to_string(self) else { return };
        text.push('\n');
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Logs the line in short, for a person who reads along. The span around it says which request it is.
    pub(super) fn log_text(&self, measured: &Measurements) {
        let Self { message, status, code, cause, milliseconds, .. } = self;
        let read_units = measured.get(&Metric::ReadCapacityUnits);
        let write_units = measured.get(&Metric::WriteCapacityUnits);
        macro_rules! log_at {
            ($level:ident) => {
                tracing::$level!(status, code, milliseconds, read_units, write_units, cause, "{message}")
            };
        }
        match self.level {
            Severity::Info => log_at!(info),
            Severity::Warn => log_at!(warn),
            Severity::Error => log_at!(error),
        }
    }
}
