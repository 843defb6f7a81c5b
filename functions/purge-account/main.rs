//! No route: the stream of `AccountDeletions` wakes it, and an hourly schedule. Deletes leaving users with all that is theirs.
//!
//! A record of the stream that fails is reported by its sequence number, so that Lambda delivers it again. Reads and
//! writes `Users`, `Movies` and `AccountDeletions`.

mod event;
mod purge;

use event::{Event, Report};
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use purge::Purge;
use shared::{
    app::{self, App},
    error::chain,
    telemetry::{Completion, Invocation, Reporter, Severity},
};
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::from_env().await?;
    let purge =
        Purge { users: app.users()?, movies: app.movies()?, account_deletions: app.account_deletions()? };
    let reporter = Reporter::new(env!("CARGO_BIN_NAME"));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        let invocation = Invocation::of(&event.context);
        let span = tracing::error_span!("invocation", request_id = invocation.request_id);
        reporter.observe(&invocation, Box::pin(handle(&purge, event)), completion).instrument(span).await
    }))
    .await
}

fn completion(outcome: &Result<Report, Error>) -> Completion {
    let cause = outcome.as_ref().err().map(|error| chain(&**error));
    let level = if cause.is_some() { Severity::Error } else { Severity::Info };
    Completion { level, message: "invocation completed", status: None, code: None, cause }
}

async fn handle(purge: &Purge, event: LambdaEvent<Event>) -> Result<Report, Error> {
    let deadline = app::deadline(&event.context);
    match event.payload {
        Event::Stream { records } => Ok(purge.run_records(&records, deadline).await),
        Event::Schedule {} => {
            purge.run_all(deadline).await?;
            Ok(Report::default())
        }
    }
}
