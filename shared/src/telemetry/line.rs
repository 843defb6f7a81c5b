//! The log line that reports how an invocation ended.

use std::io::{self, Write};

use serde::Serialize;
use uuid::Uuid;

use super::{emf::Embedded, metric::Metric, record::Measurements};

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for CloudWatch.
    Json,
    /// Text for a person at a terminal.
    Text,
}

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The invocation succeeded, or the client made an error.
    Info,
    /// A failure that may pass without intervention.
    Warn,
    /// A failure that an operator has to look at.
    Error,
}

/// The members of a line. None of them contains text that a client sent, except for the key of a corrupt item.
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
    /// Writes the line as one JSON object, at every `AWS_LAMBDA_LOG_LEVEL`: it carries the metrics, and alarms must keep
    /// working when an operator reduces the log. (Lambda itself drops lines by their `level` before they reach
    /// CloudWatch, so an `ApplicationLogLevel` above INFO still loses the metrics.)
    ///
    /// A line that cannot be written is lost: it must not turn a response into an error. `println!` would panic.
    pub(super) fn write_json(&self) {
        let Ok(mut text) = serde_json::to_string(self) else { return };
        text.push('\n');
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Logs a short form of the line for a person at a terminal. The span around it identifies the request.
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
