//! The loop around every handler: each event becomes an answer, each answer one log line.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use lambda_http::{
    Adapter, LambdaEvent, RequestExt, Service,
    http::{HeaderValue, header},
    request::RequestContext,
    service_fn,
    tracing::{self, Instrument, field::Empty},
};

use super::{Answer, Body, Error, Request, Response, screen::ScreenedEvent};
use crate::{
    app, audit,
    error::{ApiError, chain},
};

/// What is kept of a function's time to tell the client that it ran out.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);

/// Answers events with `handler` until Lambda ends the process. An error, a panic and running out of time become
/// answers, too, and leave the process alive.
pub async fn serve<Handler, Handling>(handler: Handler) -> Result<(), Error>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = Answer> + Send,
{
    let mut adapter = Adapter::from(service_fn(|request: Request| answer(&handler, request)));
    let screened = service_fn(move |event: LambdaEvent<ScreenedEvent>| {
        let (ScreenedEvent(request), context) = event.into_parts();
        adapter.call(LambdaEvent::new(request, context))
    });
    lambda_http::lambda_runtime::run(screened).await
}

fn answer<'a, Handler, Handling>(
    handler: &Handler,
    request: Request,
) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'a, Handler, Handling>
where
    Handler: Fn(Request) -> Handling,
    Handling: Future<Output = Answer> + Send + 'a,
{
    let started = app::now();
    let call = Call::of(&request);
    // Of the highest level, so that whatever is logged says which request it is about.
    let span =
        tracing::error_span!("request", route = call.route, request_id = call.request_id, user_id = Empty);
    let time_left = call.time_left;
    let handling = AssertUnwindSafe(handler(request)).catch_unwind();
    async move {
        let answer = match tokio::time::timeout(time_left, handling).await {
            Ok(Ok(answer)) => answer,
            // Its message can hold what the client sent. The panic hook logs its place.
            Ok(Err(_panic)) => Err(ApiError::Internal("the handler panicked".into())),
            Err(_) => Err(ApiError::Unavailable("the function ran out of time".into())),
        };
        let milliseconds = app::now().unix_milliseconds() - started.unix_milliseconds();
        Ok(call.finish(answer, milliseconds))
    }
    .instrument(span)
}

/// What is known of a call before its handler runs.
struct Call {
    request_id: String,
    route: String,
    time_left: Duration,
    /// Whether the answer may hold what no cache should keep: accounts and tokens.
    private: bool,
}

impl Call {
    fn of(request: &Request) -> Self {
        let lambda = request.lambda_context_ref();
        let (request_id, route) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                (context.request_id.clone(), context.route_key.clone())
            }
            _ => (None, None),
        };
        // A domain of one's own can put something in front of the path, but never of the route.
        let path_of_route = route.as_deref().and_then(|route| route.split_once(' ')).map(|(_, path)| path);
        let paths = [request.raw_http_path(), path_of_route.unwrap_or_default()];
        let private = paths.iter().any(|path| path.starts_with("/api/auth/"));
        let deadline = lambda.map_or_else(app::now, app::deadline);
        let milliseconds = deadline.unix_milliseconds() - app::now().unix_milliseconds();
        let time_left = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
        Self {
            request_id: request_id
                .or_else(|| lambda.map(|context| context.request_id.clone()))
                .unwrap_or_default(),
            route: route.unwrap_or_default(),
            time_left: time_left.saturating_sub(TIME_TO_ANSWER),
            private,
        }
    }

    fn finish(&self, answer: Answer, milliseconds: i64) -> Response<Body> {
        let mut response = match answer {
            Ok(response) => {
                tracing::info!(status = response.status().as_u16(), milliseconds, "request completed");
                response
            }
            Err(error) => {
                log(&error, milliseconds);
                error.into_response(&self.request_id)
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if self.private {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

fn log(error: &ApiError, milliseconds: i64) {
    let (status, code) = (error.status().as_u16(), error.code());
    audit::refused(error);
    if let ApiError::Internal(cause) = error {
        tracing::error!(status, code, milliseconds, cause = chain(&**cause), "request completed");
    } else if let ApiError::Unavailable(cause) = error {
        tracing::warn!(status, code, milliseconds, cause = chain(&**cause), "request completed");
    } else {
        tracing::info!(status, code, milliseconds, "request completed");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use lambda_http::{Context, RequestExt};
    use serde_json::Value;

    use super::{Answer, Body, Error, Request, Response, answer};

    async fn answered<Handling>(handler: impl Fn(Request) -> Handling) -> (u16, Value)
    where
        Handling: Future<Output = Answer> + Send + 'static,
    {
        let mut context = Context::default();
        // Half a second is kept for the answer, so the handler gets a hundredth of a second.
        context.deadline = crate::app::now().unix_milliseconds().unsigned_abs() + 510;
        let request = Request::new(Body::Empty).with_lambda_context(context);
        let response: Result<Response<Body>, Error> = answer(&handler, request).await;
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
