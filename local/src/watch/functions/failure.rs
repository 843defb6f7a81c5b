//! Why an invocation has no response of its function.

use std::fmt;

use serde_json::{Value, json};

use crate::gateway::HttpResponse;

/// An invocation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The function's name.
    pub function: String,
    /// What happened to the function.
    pub reason: Reason,
}

/// What happened to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its code has changed, and it is not ready yet.
    Rebuilding,
    /// Its code was changed while it handled the request.
    Stopped,
    /// It does not build, with the first error of the compiler.
    NotBuilt(String),
    /// Its process ended before it requested its first event.
    EndedAtStart { status: String, last_output: String },
    /// Its process ended while it handled the request.
    Ended { status: String, last_output: String },
    /// All processes were busy, and none has taken the event in time.
    NotTaken,
    /// It has not responded within the timeout in the template.
    TimedOut,
    /// It reported an error.
    Error(String),
}

impl Reason {
    fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Rebuilding | Self::Stopped | Self::NotTaken => (503, "Service Unavailable"),
            Self::NotBuilt(_) | Self::EndedAtStart { .. } | Self::Ended { .. } => (502, "Bad Gateway"),
            Self::TimedOut => (504, "Gateway Timeout"),
            Self::Error(_) => (500, "Internal Server Error"),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Rebuilding => "function_rebuilding",
            Self::Stopped => "function_stopped",
            Self::NotBuilt(_) => "function_not_built",
            Self::EndedAtStart { .. } => "function_ended_at_start",
            Self::Ended { .. } => "function_ended",
            Self::NotTaken => "function_busy",
            Self::TimedOut => "function_timed_out",
            Self::Error(_) => "function_error",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, reason } = self;
        match reason {
            Reason::Rebuilding => write!(formatter, "The function {function} is being rebuilt"),
            Reason::Stopped => {
                let what = "was stopped to be rebuilt while it handled the request";
                write!(formatter, "The function {function} {what}")
            }
            Reason::NotBuilt(error) => write!(formatter, "The function {function} does not build: {error}"),
            Reason::EndedAtStart { status, last_output } => {
                write!(formatter, "The function {function} ended at start ({status})")?;
                write_output(formatter, last_output)
            }
            Reason::Ended { status, last_output } => {
                write!(formatter, "The function {function} ended while it handled the request ({status})")?;
                write_output(formatter, last_output)
            }
            Reason::NotTaken => write!(formatter, "The function {function} did not take the request in time"),
            Reason::TimedOut => write!(formatter, "The function {function} did not respond in time"),
            Reason::Error(error) => write!(formatter, "The function {function} failed: {error}"),
        }
    }
}

fn write_output(formatter: &mut fmt::Formatter<'_>, last_output: &str) -> fmt::Result {
    if last_output.is_empty() { Ok(()) } else { write!(formatter, ": {last_output}") }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Returns the response to the request of this event. An error that the function reported is API Gateway's own 500; a
    /// failure that only happens on this machine is a problem document that names it.
    pub fn response(&self, event: &Value) -> HttpResponse {
        let Self { reason, .. } = self;
        if let Reason::Error(_) = reason {
            return HttpResponse::from_answer(&Value::Null);
        }
        let ((status, title), detail) = (reason.status(), self.to_string());
        let problem = json!({
            "title": title, "status": status, "code": reason.code(), "detail": detail, "error": detail,
            "request_id": event["requestContext"]["requestId"],
        });
        HttpResponse::from_answer(&json!({
            "statusCode": status,
            "headers": {"content-type": "application/problem+json", "cache-control": "no-store"},
            "body": problem.to_string(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_learns_which_function_failed_and_why() {
        let reason =
            Reason::EndedAtStart { status: "exit status: 1".into(), last_output: "set A_KEY".into() };
        let failure = Failure { function: "login".to_owned(), reason };
        let response = failure.response(&json!({"requestContext": {"requestId": "r1"}}));
        let detail = "The function login ended at start (exit status: 1): set A_KEY";
        let expected = json!({
            "title": "Bad Gateway", "status": 502, "code": "function_ended_at_start", "detail": detail,
            "error": detail, "request_id": "r1",
        });
        assert_eq!((response.status, response.json()), (502, expected));
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
    }

    #[test]
    fn an_error_of_the_function_is_the_gateways_own() {
        let failure = Failure { function: "login".to_owned(), reason: Reason::Error("secret".to_owned()) };
        let response = failure.response(&Value::Null);
        assert_eq!((response.status, response.json()), (500, json!({"message": "Internal Server Error"})));
    }
}
