//! Reports how each invocation of a function ends.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use lambda_runtime::Context;

use super::{
    emf::Embedded,
    line::{Line, LogFormat, Severity},
    record::Record,
};
use crate::model::{Clock, Timestamp};

/// Reports how each invocation of one function ends.
#[derive(Debug)]
pub struct Reporter {
    operation: &'static str,
    settings: ReporterSettings,
    clock: Clock,
    /// Whether the process has handled an invocation before.
    warm: AtomicBool,
}

/// The settings of a reporter, which are the same for every function of a deployment.
#[derive(Debug, Clone)]
pub struct ReporterSettings {
    /// The deployment, a dimension of every metric.
    pub stage: String,
    /// The release, if one is set.
    pub release: Option<String>,
    /// The format of the line.
    pub format: LogFormat,
}

/// What is known about an invocation before it is handled.
#[derive(Debug)]
pub struct Invocation {
    /// The id that identifies its log lines.
    pub request_id: String,
    /// The id of its X-Ray trace, if there is one.
    pub trace_id: Option<String>,
    /// API Gateway's `routeKey`, for a request from API Gateway.
    pub route: Option<String>,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Completion {
    /// The severity of its line.
    pub level: Severity,
    /// The message of its line.
    pub message: &'static str,
    /// The HTTP status, for a request.
    pub status: Option<u16>,
    /// The `code` of the error that the client got, if any.
    pub code: Option<&'static str>,
    /// The internal reason of a failure.
    pub cause: Option<String>,
}

impl Invocation {
    /// Reads the ids from the context that Lambda passes.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        // `Root=1-67891233-abcdef012345678912345678;Parent=…;Sampled=…`: X-Ray finds a trace by its root.
        let header = context.xray_trace_id.as_deref().unwrap_or_default();
        let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root="));
        Self { request_id: context.request_id.clone(), trace_id: root.map(str::to_owned), route: None }
    }
}

impl Reporter {
    /// Creates the reporter of the function `operation`.
    #[must_use]
    pub fn new(operation: &'static str, settings: ReporterSettings, clock: Clock) -> Self {
        Self { operation, settings, clock, warm: AtomicBool::new(false) }
    }

    /// Returns the name of the function.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Runs the handling of an invocation and writes its line. `completion` derives from the outcome how the invocation
    /// ended, and may add measurements.
    pub async fn observe<Outcome>(
        &self,
        invocation: &Invocation,
        handling: impl Future<Output = Outcome>,
        completion: impl FnOnce(&Outcome) -> Completion,
    ) -> Outcome {
        let started = self.clock.now();
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        Record::around(async {
            let outcome = handling.await;
            self.report(invocation, &completion(&outcome), started, cold_start);
            outcome
        })
        .await
    }

    fn report(&self, invocation: &Invocation, completion: &Completion, started: Timestamp, cold_start: bool) {
        let now = self.clock.now();
        let (measured, user_id) = Record::taken();
        let line = Line {
            timestamp: now.to_string(),
            level: completion.level,
            message: completion.message,
            operation: self.operation,
            release: self.settings.release.as_deref(),
            route: invocation.route.as_deref(),
            status: completion.status,
            code: completion.code,
            milliseconds: now.unix_milliseconds() - started.unix_milliseconds(),
            cold_start,
            request_id: &invocation.request_id,
            trace_id: invocation.trace_id.as_deref(),
            user_id,
            cause: completion.cause.as_deref(),
            metrics: Embedded::new(now, &self.settings.stage, self.operation, &measured),
        };
        match self.settings.format {
            LogFormat::Json => line.write_json(),
            LogFormat::Text => line.log_text(&measured),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_runtime::Context;

    use super::Invocation;

    #[test]
    fn the_trace_id_is_the_root_of_the_header() {
        let root = "1-67891233-abcdef012345678912345678";
        for (header, expected) in [
            (Some(format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0")), Some(root)),
            (Some(format!("Self=1-67891234-12456789abcdef012345678; Root={root}")), Some(root)),
            (Some("Sampled=0".to_owned()), None),
            (Some(String::new()), None),
            (None, None),
        ] {
            let mut context = Context::default();
            context.xray_trace_id.clone_from(&header);
            assert_eq!(Invocation::of(&context).trace_id.as_deref(), expected, "{header:?}");
        }
    }
}
