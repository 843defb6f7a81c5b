//! Reports how each invocation of a function ends.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use lambda_http::Context;

use super::{
    embedded::Embedded,
    line::{Line, Severity},
    record::Record,
};
use crate::{
    app::{self, LogFormat},
    model::Timestamp,
};

/// Reports how each invocation of one function ends.
#[derive(Debug)]
pub struct Reporter {
    operation: &'static str,
    stage: String,
    release: Option<String>,
    format: LogFormat,
    /// Whether the process has had an invocation before.
    warm: AtomicBool,
}

/// What is known of an invocation before it is handled.
#[derive(Debug)]
pub struct Invocation {
    /// The id under which its log lines are found.
    pub request_id: String,
    /// The id under which X-Ray knows it, if it does.
    pub trace_id: Option<String>,
    /// API Gateway's `routeKey`, if it comes from there.
    pub route: Option<String>,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Completion {
    /// How much it matters.
    pub level: Severity,
    /// What is over.
    pub message: &'static str,
    /// The HTTP status, if it was a request.
    pub status: Option<u16>,
    /// The name of the error, if a client was told of one.
    pub code: Option<&'static str>,
    /// The private reason of a fault.
    pub cause: Option<String>,
}

impl Invocation {
    /// What Lambda says of an invocation.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        // `Root=1-67891233-abcdef012345678912345678;Parent=…;Sampled=…`: the root is what X-Ray finds a trace by.
        let header = context.xray_trace_id.as_deref().unwrap_or_default();
        let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root="));
        Self { request_id: context.request_id.clone(), trace_id: root.map(str::to_owned), route: None }
    }
}

impl Reporter {
    /// Reports for a function, which is named as in `template.yaml`, on the stage and in the format that the
    /// environment says.
    #[must_use]
    pub fn new(operation: &'static str) -> Self {
        Self {
            operation,
            stage: app::stage(),
            release: app::release(),
            format: app::log_format(),
            warm: AtomicBool::new(false),
        }
    }

    /// The function.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Lets an invocation be handled and reports it, with everything that was noted on the way. `completion` tells from
    /// the outcome how it ended, and may still count something.
    pub async fn observe<Outcome>(
        &self,
        invocation: &Invocation,
        handling: impl Future<Output = Outcome>,
        completion: impl FnOnce(&Outcome) -> Completion,
    ) -> Outcome {
        let started = app::now();
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        Record::around(async {
            let outcome = handling.await;
            self.report(invocation, &completion(&outcome), started, cold_start);
            outcome
        })
        .await
    }

    fn report(&self, invocation: &Invocation, completion: &Completion, started: Timestamp, cold_start: bool) {
        let now = app::now();
        let (measured, user_id) = Record::taken();
        let line = Line {
            timestamp: now.to_string(),
            level: completion.level,
            message: completion.message,
            operation: self.operation,
            release: self.release.as_deref(),
            route: invocation.route.as_deref(),
            status: completion.status,
            code: completion.code,
            milliseconds: now.unix_milliseconds() - started.unix_milliseconds(),
            cold_start,
            request_id: &invocation.request_id,
            trace_id: invocation.trace_id.as_deref(),
            user_id,
            cause: completion.cause.as_deref(),
            metrics: Embedded::new(now, &self.stage, self.operation, &measured),
        };
        match self.format {
            LogFormat::Json => line.write_json(),
            LogFormat::Text => line.log_text(&measured),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Context;

    use super::Invocation;

    #[test]
    fn a_trace_is_named_by_its_root() {
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
