//! Carrying out account deletions: deleting the user's movies, and then the user.
//!
//! Every step is idempotent, can run concurrently with itself, and can be cut off anywhere: what is left is in the tables,
//! and the next run continues from there.
//!
//! A run works in rounds, so that no account deletion delays the others:
//!
//! 1. In each round, every account deletion takes one step, in the given order, within a fair share of the time left.
//! 2. A step deletes every movie that the index lists, and then the user, unless `movie_count` is still positive.
//! 3. An account deletion whose step was cut off, or whose index may lag, is in the next round. The run waits for the index
//!    between rounds, once for all.
//! 4. An account deletion whose steps keep deleting nothing is stuck. The run logs it and leaves it to the hourly run.
//! 5. When the time is up, the run triggers another run for each account deletion that it has started.

use std::{collections::BTreeMap, error::Error, time::Duration};

use lambda_runtime::tracing;
use shared::{
    model::{Clock, Timestamp},
    runtime::{BatchReport, StreamRecord},
    store::{AccountDeletions, FinishDeletionOutcome, Movies, StoreError, Users},
    telemetry::{Metric, SecurityEvent, error_chain, measure},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The part of a run's time that is reserved for triggering the next run. DynamoDB may not respond to one attempt, which
/// takes 2 s, and still respond to the next.
const TIME_TO_RETRIGGER: Duration = Duration::from_secs(5);
/// The part of that time that is reserved for logging and for the response.
const TIME_TO_RESPOND: Duration = Duration::from_millis(500);
/// The minimum duration of a step, as long as the run has that much time left. A smaller share would cut off a slow
/// request every time, and the account deletion would make no progress.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// The first wait for an index that lags behind the table. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The number of steps in a row that may delete nothing, with waits of 3.1 s between them in total. An index usually lags
/// by less than a second, and a user whose account is being deleted gets no new movies.
const MAX_FRUITLESS_STEPS: u32 = 6;

/// The parts that carry out account deletions.
pub struct Purge {
    /// The users.
    pub users: Users,
    /// Their movies.
    pub movies: Movies,
    /// The pending account deletions.
    pub deletions: AccountDeletions,
    /// The clock that is compared with the deadline.
    pub clock: Clock,
}

/// An account deletion in a run.
struct Job {
    user_id: Uuid,
    /// Whether the run has started it and may therefore trigger another run for it.
    started: bool,
    /// How many steps have ended with movies left since the last one was deleted.
    fruitless_steps: u32,
}

/// The reason why an account deletion does not make progress.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    /// `movie_count` is wrong, or the index lags for unusually long.
    #[error("{0} movies are counted but none is found")]
    NoneFound(u64),
    #[error("{0} movies change before they can be deleted")]
    Changing(usize),
}

/// The reason why Lambda has to deliver the record of an account deletion again: nothing else continues it soon.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there was no time to start it")]
    NotStarted,
    #[error("there was no time to trigger the next run")]
    NotRetriggered,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Purge {
    /// Carries out the account deletions of these records. Returns the records that have to be delivered again.
    pub async fn run_records(&self, records: &[StreamRecord], deadline: Timestamp) -> BatchReport {
        let ids: Vec<Option<Uuid>> = records.iter().map(|record| record.key("user_id")).collect();
        let mut users: Vec<Uuid> = Vec::new();
        for user_id in ids.iter().flatten() {
            // A batch can contain an account deletion twice: new, and retriggered.
            if !users.contains(user_id) {
                users.push(*user_id);
            }
        }
        let failures = self.run(users, deadline).await;
        let mut report = BatchReport::default();
        for (record, id) in records.iter().zip(ids) {
            match id.map(|user_id| failures.get(&user_id)) {
                Some(None) => {}
                Some(Some(failure)) => report.failed(record, &error_chain(failure)),
                None => report.failed(record, "the record has no user id"),
            }
        }
        report
    }

    /// Carries out all pending account deletions, the oldest first, and measures their number and the age of the oldest.
    /// One that fails does not stop the others.
    pub async fn run_all(&self, deadline: Timestamp) -> Result<(), StoreError> {
        let mut deletions = self.deletions.all().await?;
        deletions.sort_by_key(|deletion| deletion.requested_at);
        let pending = u32::try_from(deletions.len()).unwrap_or(u32::MAX);
        let oldest = deletions.first();
        let age = oldest.map_or(Duration::ZERO, |oldest| self.clock.now().since(oldest.requested_at));
        tracing::info!(pending, oldest_seconds = age.as_secs(), "pending account deletions");
        measure(Metric::PendingAccountDeletions, pending);
        measure(Metric::OldestAccountDeletionAge, age.as_secs_f64());
        let users = deletions.into_iter().map(|deletion| deletion.user_id).collect();
        for (user_id, failure) in self.run(users, deadline).await {
            log_unfinished(user_id, &failure);
        }
        Ok(())
    }

    /// Carries out account deletions in rounds, as far as the time permits. Returns those that failed.
    ///
    /// An account deletion that is stuck is not a failure. If its record were reported, Lambda would deliver it and every
    /// later record again and so delay other users, and a retry does not correct a wrong count. The hourly run tries again,
    /// the log has the user's id, and the age of the oldest account deletion keeps rising.
    async fn run(&self, users: Vec<Uuid>, deadline: Timestamp) -> BTreeMap<Uuid, Failure> {
        let mut failures = BTreeMap::new();
        let mut round: Vec<Job> = users.into_iter().map(Job::new).collect();
        while !round.is_empty() && !self.time_until(deadline, TIME_TO_RETRIGGER).is_zero() {
            let mut next_round = Vec::new();
            for (waiting, mut job) in (1..=round.len()).rev().zip(round) {
                let time = self.time_until(deadline, TIME_TO_RETRIGGER);
                let share = fair_share(time, waiting).max(LEAST_SHARE).min(time);
                match timeout(share, self.step(&mut job)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(stuck))) if job.is_stuck() => log_unfinished(job.user_id, &stuck),
                    Ok(Ok(Some(_))) | Err(_) => next_round.push(job),
                    Ok(Err(error)) => {
                        failures.insert(job.user_id, error.into());
                    }
                }
            }
            round = next_round;
            if let Some(wait) = round.iter().map(Job::wait).min() {
                sleep(wait.min(self.time_until(deadline, TIME_TO_RETRIGGER))).await;
            }
        }
        failures.extend(self.retrigger(round, deadline).await);
        failures
    }

    /// Takes a step of an account deletion. Returns `None` if it is finished, and otherwise why movies may be left.
    async fn step(&self, job: &mut Job) -> Result<Option<Stuck>, StoreError> {
        if !self.deletions.contains(job.user_id).await? {
            return Ok(None);
        }
        job.started = true;
        let changing = self.delete_movies(job).await?;
        let left = match self.users.finish_deletion(job.user_id, &self.deletions).await? {
            FinishDeletionOutcome::Finished => {
                log_progress(job.user_id, 0, true);
                return Ok(None);
            }
            FinishDeletionOutcome::MoviesLeft(left) => left,
        };
        job.fruitless_steps += 1;
        Ok(Some(if changing > 0 { Stuck::Changing(changing) } else { Stuck::NoneFound(left) }))
    }

    /// Deletes the movies that the index lists. Returns how many were not deleted because they had changed.
    async fn delete_movies(&self, job: &mut Job) -> Result<usize, StoreError> {
        let mut changing = 0;
        let mut candidates = self.movies.candidates(job.user_id, None).await?;
        while let Some(batch) = candidates {
            // The index may list movies that were deleted or have changed, so the table is read.
            let movies = self.movies.owned(job.user_id, &batch).await?;
            if !movies.is_empty() {
                if self.movies.delete_owned(&movies, job.user_id, &self.users).await? {
                    job.fruitless_steps = 0;
                    log_progress(job.user_id, movies.len(), false);
                } else {
                    changing += movies.len();
                }
            }
            candidates = self.movies.candidates(job.user_id, Some(batch)).await?;
        }
        Ok(changing)
    }

    /// Triggers another run for each unfinished account deletion that was started. One that was not started fails instead,
    /// because each may trigger only a limited number of runs. Returns those that no run was triggered for.
    async fn retrigger(&self, unfinished: Vec<Job>, deadline: Timestamp) -> Vec<(Uuid, Failure)> {
        let mut failures = Vec::new();
        for (waiting, job) in (1..=unfinished.len()).rev().zip(unfinished) {
            if !job.started {
                failures.push((job.user_id, Failure::NotStarted));
                continue;
            }
            let share = fair_share(self.time_until(deadline, TIME_TO_RESPOND), waiting);
            match timeout(share, self.deletions.retrigger(job.user_id)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push((job.user_id, error.into())),
                Err(_) => failures.push((job.user_id, Failure::NotRetriggered)),
            }
        }
        failures
    }

    /// Returns the time left until `reserved` before the deadline.
    fn time_until(&self, deadline: Timestamp, reserved: Duration) -> Duration {
        deadline.since(self.clock.now()).saturating_sub(reserved)
    }
}

impl Job {
    fn new(user_id: Uuid) -> Self {
        Self { user_id, started: false, fruitless_steps: 0 }
    }

    fn is_stuck(&self) -> bool {
        self.fruitless_steps >= MAX_FRUITLESS_STEPS
    }

    /// Returns the wait before the next step.
    fn wait(&self) -> Duration {
        self.fruitless_steps.checked_sub(1).map_or(Duration::ZERO, |before| FIRST_WAIT * 2_u32.pow(before))
    }
}

fn fair_share(time: Duration, waiting: usize) -> Duration {
    time / u32::try_from(waiting).unwrap_or(u32::MAX)
}

fn log_progress(user_id: Uuid, movies: usize, finished: bool) {
    SecurityEvent::AccountDeletionProgress { user_id, movies, finished }.log();
}

fn log_unfinished(user_id: Uuid, why: &(dyn Error + 'static)) {
    tracing::error!(%user_id, cause = error_chain(why), "an account deletion was not finished");
}
