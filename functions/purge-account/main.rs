//! No route: the stream of `AccountDeletions` and an hourly schedule trigger it. Deletes users whose account deletion is
//! pending, with their movies.
//!
//! A failed record of the stream is reported by its sequence number, so that Lambda delivers it again. Reads and writes
//! `Users`, `Movies` and `AccountDeletions`.

mod purge;

use lambda_runtime::Error;
use purge::Purge;
use shared::{
    model::Timestamp,
    runtime::{self, App, BatchReport, CLOCK, StreamEvent},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::from_env().await?;
    let (users, movies, deletions) = (app.users()?, app.movies()?, app.account_deletions()?);
    let purge = Purge { users, movies, deletions, clock: CLOCK };
    runtime::serve_stream(env!("CARGO_BIN_NAME"), |event, deadline| handle(&purge, event, deadline)).await
}

async fn handle(purge: &Purge, event: StreamEvent, deadline: Timestamp) -> Result<BatchReport, Error> {
    match event {
        StreamEvent::Stream { records } => Ok(purge.run_records(&records, deadline).await),
        StreamEvent::Schedule {} => {
            purge.run_all(deadline).await?;
            Ok(BatchReport::default())
        }
    }
}
