//! The loop around every handler: each event gets a response, and each response a log line.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use lambda_http::{
    Adapter, Context, LambdaEvent, RequestExt, Service,
    http::{HeaderValue, header},
    request::RequestContext as GatewayContext,
    service_fn,
    tracing::{Instrument, field::Empty},
};

use super::{
    ApiError, Body, Error, HandlerResult, Request, Response,
    completion::{self, OutOfTime},
    sanitize::SanitizedEvent,
};
use crate::{
    model::Timestamp,
    runtime,
    telemetry::{Invocation, Reporter},
};

/// The part of a function's time that is reserved for the response to a client whose request ran out of time.
const TIME_TO_RESPOND: Duration = Duration::from_millis(500);

/// Handles events with `handler` until Lambda ends the process. `operation` is the name of the function:
/// `env!("CARGO_BIN_NAME")`.
///
/// An error, a panic (500) and a timeout (503) become responses, too; the process continues.
pub async fn serve<Handler, Handling>(operation: &'static str, handler: Handler) -> Result<(), Error>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = HandlerResult> + Send,
{
    let reporter = &runtime::reporter(operation);
    let mut adapter = Adapter::from(service_fn(|request: Request| respond(reporter, &handler, request)));
    let sanitized = service_fn(move |event: LambdaEvent<SanitizedEvent>| {
        let (SanitizedEvent(request), context) = event.into_parts();
        adapter.call(LambdaEvent::new(request, context))
    });
    lambda_http::lambda_runtime::run(sanitized).await
}

fn respond<'a, Handler, Handling>(
    reporter: &'a Reporter,
    handler: &Handler,
    request: Request,
) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'a, Handler, Handling>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = HandlerResult> + Send + 'a,
{
    let context = ReceivedRequest::of(&request, runtime::CLOCK.now());
    // The span has the highest level, so that every line identifies its request.
    let (route, request_id) = (&context.invocation.route, &context.invocation.request_id);
    let span = tracing::error_span!("request", route, request_id, user_id = Empty);
    let time_left = context.time_left;
    // Boxed, because the future contains the requests to DynamoDB and each layer around it would copy it.
    let handling = AssertUnwindSafe(handler(request)).catch_unwind().boxed();
    let handling = async move {
        let result = match tokio::time::timeout(time_left, handling).await {
            Ok(Ok(result)) => result,
            // The message can contain text that the client sent. The panic hook logs the place.
            Ok(Err(_panic)) => Err(ApiError::Internal("the handler panicked".into())),
            Err(_) => Err(ApiError::Unavailable(OutOfTime.into())),
        };
        if let Some(event) = result.as_ref().err().and_then(ApiError::security_event) {
            event.log();
        }
        result
    };
    async move {
        let completion = |result: &HandlerResult| completion::of(reporter.operation(), result);
        let result = reporter.observe(&context.invocation, handling, completion).await;
        Ok(context.response(result))
    }
    .instrument(span)
}

/// What is known about a request before its handler runs.
struct ReceivedRequest {
    invocation: Invocation,
    time_left: Duration,
}

impl ReceivedRequest {
    fn of(request: &Request, now: Timestamp) -> Self {
        let unknown = Context::default();
        let lambda = request.lambda_context_ref().unwrap_or(&unknown);
        let mut invocation = Invocation::of(lambda);
        if let Some(GatewayContext::ApiGatewayV2(context)) = request.request_context_ref() {
            invocation.route.clone_from(&context.route_key);
            if let Some(request_id) = &context.request_id {
                // The client gets this id, too.
                invocation.request_id.clone_from(request_id);
            }
        }
        let time = runtime::deadline(lambda, now).since(now);
        Self { invocation, time_left: time.saturating_sub(TIME_TO_RESPOND) }
    }

    fn response(&self, result: HandlerResult) -> Response<Body> {
        let mut response = result.unwrap_or_else(|error| error.into_response(&self.invocation.request_id));
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Without this header, a cache may store some responses heuristically, such as a 404 (RFC 9111 section 4.2.2).
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lambda_http::{Context, RequestExt};
    use serde_json::Value;

    use super::{Body, Error, HandlerResult, Reporter, Request, Response, respond};
    use crate::{
        runtime::CLOCK,
        telemetry::{LogFormat, ReporterSettings},
    };

    async fn problem<Handling>(handler: impl Fn(Request) -> Handling) -> (u16, Value)
    where
        Handling: Future<Output = HandlerResult> + Send + 'static,
    {
        let mut context = Context::default();
        // Half a second is reserved for the response, so the handler gets 10 ms.
        context.deadline = CLOCK.now().unix_milliseconds().unsigned_abs() + 510;
        let request = Request::new(Body::Empty).with_lambda_context(context);
        let settings = ReporterSettings { stage: "test".to_owned(), release: None, format: LogFormat::Text };
        let reporter = Reporter::new("test", settings, CLOCK);
        let response: Result<Response<Body>, Error> = respond(&reporter, &handler, request).await;
        let response = response.expect("a response");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        (response.status().as_u16(), serde_json::from_slice(response.body()).expect("a problem"))
    }

    #[tokio::test]
    async fn a_panic_becomes_a_500_that_does_not_show_its_message() {
        let (status, problem) = problem(|_| async { panic!("text of a client") }).await;
        assert_eq!((status, &problem["code"]), (500, &Value::from("internal")));
        assert!(!problem.to_string().contains("text of a client"));
    }

    #[tokio::test]
    async fn a_handler_that_never_ends_becomes_a_503() {
        let (status, problem) = problem(|_| pending()).await;
        assert_eq!((status, &problem["code"]), (503, &Value::from("unavailable")));
    }
}
