//! The loop around every handler: each event becomes an answer, each answer one log line.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use lambda_http::{
    Adapter, Context, LambdaEvent, RequestExt, Service,
    http::{HeaderValue, StatusCode, header},
    request::RequestContext as GatewayContext,
    service_fn,
    tracing::{self, Instrument, field::Empty},
};

use super::{Body, Error, HandlerResult, Request, Response, sanitize::SanitizedEvent};
use crate::{
    app, audit,
    error::{ApiError, Cause, chain},
    store::StoreError,
    telemetry::{self, Completion, Invocation, Metric, Reporter, Severity},
};

/// What is kept of a function's time to tell the client that it ran out.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);

/// A handler that did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("the function ran out of time")]
struct OutOfTime;

/// Answers events with `handler` until Lambda ends the process. An error, a panic and running out of time become
/// answers, too, and leave the process alive. `operation` is the function's name: `env!("CARGO_BIN_NAME")`.
pub async fn serve<Handler, Handling>(operation: &'static str, handler: Handler) -> Result<(), Error>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = HandlerResult> + Send,
{
    let reporter = &Reporter::new(operation);
    let mut adapter = Adapter::from(service_fn(|request: Request| answer(reporter, &handler, request)));
    let sanitized = service_fn(move |event: LambdaEvent<SanitizedEvent>| {
        let (SanitizedEvent(request), context) = event.into_parts();
        adapter.call(LambdaEvent::new(request, context))
    });
    lambda_http::lambda_runtime::run(sanitized).await
}

fn answer<'a, Handler, Handling>(
    reporter: &'a Reporter,
    handler: &Handler,
    request: Request,
) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'a, Handler, Handling>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = HandlerResult> + Send + 'a,
{
    let call = RequestContext::of(&request);
    // Of the highest level, so that whatever is logged says which request it is about.
    let (route, request_id) = (&call.invocation.route, &call.invocation.request_id);
    let span = tracing::error_span!("request", route, request_id, user_id = Empty);
    let time_left = call.time_left;
    // Boxed: it is as large as the requests that it makes, and would be copied into each of the layers around it.
    let handling = AssertUnwindSafe(handler(request)).catch_unwind().boxed();
    let handling = async move {
        let answer = match tokio::time::timeout(time_left, handling).await {
            Ok(Ok(answer)) => answer,
            // Its message can hold what the client sent. The panic hook logs its place.
            Ok(Err(_panic)) => Err(ApiError::Internal("the handler panicked".into())),
            Err(_) => Err(ApiError::Unavailable(OutOfTime.into())),
        };
        answer.inspect_err(audit::refused)
    };
    async move {
        let completion = |answer: &HandlerResult| completion(reporter.operation(), answer);
        let answer = reporter.observe(&call.invocation, handling, completion).await;
        Ok(call.response(answer))
    }
    .instrument(span)
}

/// What is known of a call before its handler runs.
struct RequestContext {
    invocation: Invocation,
    time_left: Duration,
}

impl RequestContext {
    fn of(request: &Request) -> Self {
        let unknown = Context::default();
        let lambda = request.lambda_context_ref().unwrap_or(&unknown);
        let mut invocation = Invocation::of(lambda);
        if let Some(GatewayContext::ApiGatewayV2(context)) = request.request_context_ref() {
            invocation.route.clone_from(&context.route_key);
            if let Some(request_id) = &context.request_id {
                // The one that the client gets, too.
                invocation.request_id.clone_from(request_id);
            }
        }
        let milliseconds = app::deadline(lambda).unix_milliseconds() - app::now().unix_milliseconds();
        let time_left = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
        Self { invocation, time_left: time_left.saturating_sub(TIME_TO_ANSWER) }
    }

    fn response(&self, answer: HandlerResult) -> Response<Body> {
        let mut response = answer.unwrap_or_else(|error| error.into_response(&self.invocation.request_id));
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Without it a cache may keep some answers by a rule of thumb, a 404 for example (RFC 9111 section 4.2.2).
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

/// How a request ended, as its line tells it. Counts what the answer counts as.
fn completion(operation: &str, answer: &HandlerResult) -> Completion {
    let status = answer.as_ref().map_or_else(ApiError::status, Response::status);
    let error = answer.as_ref().err();
    let cause = error.and_then(ApiError::cause);
    telemetry::outcomes(operation, status.as_u16()).for_each(telemetry::count);
    if status.is_server_error() && cause.is_some_and(is_of_database) {
        telemetry::count(Metric::DatabaseErrors);
    }
    let level = match status {
        StatusCode::INTERNAL_SERVER_ERROR => Severity::Error,
        StatusCode::SERVICE_UNAVAILABLE => Severity::Warn,
        _ => Severity::Info,
    };
    Completion {
        level,
        message: "request completed",
        status: Some(status.as_u16()),
        code: error.map(ApiError::code),
        cause: cause.map(|cause| chain(&**cause)),
    }
}

/// Whether the database is the reason. There is nothing else that a handler waits for, so running out of time is its
/// doing, too.
fn is_of_database(cause: &Cause) -> bool {
    cause.is::<StoreError>() || cause.is::<OutOfTime>()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lambda_http::{Context, RequestExt};
    use serde_json::Value;

    use super::{Body, Error, HandlerResult, Reporter, Request, Response, answer};

    async fn answered<Handling>(handler: impl Fn(Request) -> Handling) -> (u16, Value)
    where
        Handling: Future<Output = HandlerResult> + Send + 'static,
    {
        let mut context = Context::default();
        // Half a second is kept for the answer, so the handler gets a hundredth of a second.
        context.deadline = crate::app::now().unix_milliseconds().unsigned_abs() + 510;
        let request = Request::new(Body::Empty).with_lambda_context(context);
        let response: Result<Response<Body>, Error> = answer(&Reporter::new("test"), &handler, request).await;
        let response = response.expect("an answer");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        (response.status().as_u16(), serde_json::from_slice(response.body()).expect("a problem"))
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer_that_tells_nothing_of_it() {
        let (status, problem) = answered(|_| async { panic!("what a client sent") }).await;
        assert_eq!((status, &problem["code"]), (500, &Value::from("internal")));
        assert!(!problem.to_string().contains("what a client sent"));
    }

    #[tokio::test]
    async fn a_handler_that_never_ends_becomes_an_answer() {
        let (status, problem) = answered(|_| pending()).await;
        assert_eq!((status, &problem["code"]), (503, &Value::from("unavailable")));
    }
}
