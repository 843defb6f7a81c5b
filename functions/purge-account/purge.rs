//! Deleting a leaving user's movies, and then the user.
//!
//! Every step can be done twice, by two runs at once, or not to its end: what is left is in the tables, and the next
//! run goes on from there.

use std::{error::Error, time::Duration};

use lambda_runtime::tracing;
use shared::{
    app, audit,
    error::chain,
    model::Timestamp,
    store::{Departures, Farewell, Movies, StoreError, Users},
    telemetry::{Metric, measure},
};
use uuid::Uuid;

use crate::event::Record;

/// What is kept of a run's time to wake the next one.
const TIME_TO_WAKE: Duration = Duration::from_secs(5);
/// How long to wait for an index that does not show yet what the table has.
const INDEX_LAG: Duration = Duration::from_millis(200);

/// Everything the purge works on.
pub struct Purge {
    /// Where the users are.
    pub users: Users,
    /// Where their movies are.
    pub movies: Movies,
    /// Who is leaving.
    pub departures: Departures,
}

impl Purge {
    /// Works off the departure that a record names.
    pub async fn run_record(&self, record: &Record, deadline: Timestamp) -> Result<(), Box<dyn Error>> {
        Ok(self.run(record.user_id()?, deadline).await?)
    }

    /// Works off every departure that is left, the oldest first, and tells how old it is. One that fails does not stop
    /// the others.
    pub async fn run_all(&self, deadline: Timestamp) -> Result<(), StoreError> {
        let mut departures = self.departures.all().await?;
        departures.sort_by_key(|departure| departure.since);
        let backlog = u32::try_from(departures.len()).unwrap_or(u32::MAX);
        let age = departures.first().map_or(Duration::ZERO, |oldest| app::now().since(oldest.since));
        tracing::info!(departures = backlog, oldest_seconds = age.as_secs(), "departures that are left");
        measure(Metric::PurgeBacklog, backlog);
        measure(Metric::OldestDepartureAge, age.as_secs_f64());
        for departure in departures {
            if let Err(error) = self.run(departure.user_id, deadline).await {
                let cause = chain(&error);
                tracing::error!(user_id = %departure.user_id, cause, "a departure was not worked off");
            }
        }
        Ok(())
    }

    /// Works off one departure, or as much of it as there is time for: then it wakes the next run.
    async fn run(&self, user_id: Uuid, deadline: Timestamp) -> Result<(), StoreError> {
        while self.departures.contains(user_id).await? {
            if !self.delete_movies(user_id, deadline).await? {
                return self.departures.wake(user_id).await;
            }
            match self.users.finish_leaving(user_id, &self.departures).await? {
                Farewell::Done => {
                    audit::purge_progress(user_id, 0, true);
                    return Ok(());
                }
                // The index has not caught up with the table.
                Farewell::MoviesLeft(_) => tokio::time::sleep(INDEX_LAG).await,
            }
        }
        Ok(())
    }

    /// Deletes the movies that the index shows. `false` if time ran out before it was through.
    async fn delete_movies(&self, user_id: Uuid, deadline: Timestamp) -> Result<bool, StoreError> {
        let mut candidates = self.movies.candidates(user_id, None).await?;
        while let Some(batch) = candidates {
            if app::now() + TIME_TO_WAKE > deadline {
                return Ok(false);
            }
            // The index may name movies that are gone or have changed. The table decides.
            let movies = self.movies.owned(user_id, &batch).await?;
            if !movies.is_empty() && self.movies.delete_owned(&movies, user_id, &self.users).await? {
                audit::purge_progress(user_id, movies.len(), false);
            }
            candidates = self.movies.candidates(user_id, Some(batch)).await?;
        }
        Ok(true)
    }
}
