//! No route: the stream of `AccountDeletions` and an hourly schedule trigger it. Deletes users whose account deletion is
//! pending, with their movies.
//!
//! A failed record of the stream is reported by its sequence number, so that Lambda delivers it again. Reads and writes
//! `Users`, `Movies` and `AccountDeletions`.

mod event;
mod purge;

use event::{Event, Report};
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use purge::Purge;
use shared::{
    runtime::{self, App, CLOCK},
    telemetry::{Completion, Invocation, Severity, error_chain},
};
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::from_env().await?;
    let (users, movies, deletions) = (app.users()?, app.movies()?, app.account_deletions()?);
    let purge = Purge { users, movies, deletions, clock: CLOCK };
    let reporter = runtime::reporter(env!("CARGO_BIN_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        let invocation = Invocation::of(&event.context);
        let span = tracing::error_span!("invocation", request_id = invocation.request_id);
        reporter.observe(&invocation, Box::pin(handle(&purge, event)), completion).instrument(span).await
    }))
    .await
}

async fn handle(purge: &Purge, event: LambdaEvent<Event>) -> Result<Report, Error> {
    let deadline = runtime::deadline(&event.context, purge.clock.now());
    match event.payload {
        Event::Stream { records } => Ok(purge.run_records(&records, deadline).await),
        Event::Schedule {} => {
            purge.run_all(deadline).await?;
            Ok(Report::default())
        }
    }
}

fn completion(outcome: &Result<Report, Error>) -> Completion {
    let cause = outcome.as_ref().err().map(|error| error_chain(&**error));
    let level = if cause.is_some() { Severity::Error } else { Severity::Info };
    Completion { level, message: "invocation completed", status: None, code: None, cause }
}
