//! Why an invocation has no response of its function.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{gateway::HttpResponse, watch::log::FunctionLine};

/// An invocation that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The function {function} {reason}")]
pub struct Failure {
    /// The function's name.
    pub function: String,
    /// What happened to the function.
    pub reason: Reason,
}

/// What happened to a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its code has changed, and it is not ready yet.
    #[error("is being rebuilt")]
    Rebuilding,
    /// Its code was changed while it handled the request.
    #[error("was stopped to be rebuilt while it handled the request")]
    Stopped,
    /// It does not build, with the first error of the compiler.
    #[error("does not build: {0}")]
    NotBuilt(String),
    /// Its process ended before it requested its first event.
    #[error("ended at start ({status}){}", after_colon(last_output))]
    EndedAtStart { status: String, last_output: String },
    /// Its process ended while it handled the request.
    #[error("ended while it handled the request ({status}){}", after_colon(last_output))]
    Ended { status: String, last_output: String },
    /// All processes were busy, and none has taken the event in time.
    #[error("did not take the request in time")]
    NotTaken,
    /// It has not responded within the timeout in the template.
    #[error("did not respond in time")]
    TimedOut,
    /// It reported an error.
    #[error("failed: {0}")]
    Error(String),
}

impl Reason {
    /// Returns the reason of a process that ended while it handled a request, with its last lines.
    pub fn ended(status: String, logs: &str) -> Self {
        Self::Ended { status, last_output: readable(logs) }
    }

    /// Returns the reason of a process that ended before it requested its first event, with its last lines.
    pub fn ended_at_start(status: String, logs: &str) -> Self {
        Self::EndedAtStart { status, last_output: readable(logs) }
    }

    /// Returns the reason for a place that shows the lines of the function, too.
    pub fn without_output(&self) -> String {
        match self {
            Self::Ended { status, .. } => Self::ended(status.clone(), "").to_string(),
            _ => self.to_string(),
        }
    }

    /// Returns the status of the response, and the `code` of its problem document.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Rebuilding => (StatusCode::SERVICE_UNAVAILABLE, "function_rebuilding"),
            Self::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "function_stopped"),
            Self::NotBuilt(_) => (StatusCode::BAD_GATEWAY, "function_not_built"),
            Self::EndedAtStart { .. } => (StatusCode::BAD_GATEWAY, "function_ended_at_start"),
            Self::Ended { .. } => (StatusCode::BAD_GATEWAY, "function_ended"),
            Self::NotTaken => (StatusCode::SERVICE_UNAVAILABLE, "function_busy"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "function_timed_out"),
            Self::Error(_) => (StatusCode::INTERNAL_SERVER_ERROR, "function_error"),
        }
    }
}

/// Returns lines of a function as a person reads them.
fn readable(logs: &str) -> String {
    let lines = FunctionLine::read_all(logs.lines());
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn after_colon(last_output: &str) -> String {
    if last_output.is_empty() { String::new() } else { format!(": {last_output}") }
}

impl Failure {
    /// Returns the response to the request of this event. An error that the function reported is API Gateway's own 500; a
    /// failure that only happens on this machine is a problem document that names it.
    pub fn response(&self, event: &Value) -> HttpResponse {
        let Self { reason, .. } = self;
        if let Reason::Error(_) = reason {
            return HttpResponse::from_answer(&Value::Null);
        }
        let ((status, code), detail) = (reason.status_and_code(), self.to_string());
        let (title, status) = (status.canonical_reason(), status.as_u16());
        let problem = json!({
            "title": title, "status": status, "code": code, "detail": detail, "error": detail,
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
