//! Deleting leaving users' movies, and then the users.
//!
//! Every step can be done twice, by two runs at once, or not to its end: what is left is in the tables, and the next
//! run goes on from there. That is why a run may be cut off anywhere.
//!
//! A run works in rounds, so that no account deletion can keep the others from their turn:
//!
//! 1. In each round every account deletion gets a look, in the order given, and a fair share of the time that is left.
//! 2. A look deletes every movie that the index names, and then the user, unless more movies are counted.
//! 3. An account deletion whose look was cut off, or whose index may lag, is in the next round. Waiting for the index happens
//!    between rounds, once for all.
//! 4. An account deletion whose looks keep finding nothing is stuck. It is logged and left to the hourly run.
//! 5. When the time is over, each account deletion that the run has begun wakes a next run.

use std::{collections::BTreeMap, error::Error, time::Duration};

use lambda_runtime::tracing;
use shared::{
    app, audit,
    error::chain,
    model::Timestamp,
    store::{AccountDeletions, DeletionStep, Movies, StoreError, Users},
    telemetry::{Metric, measure},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::event::{NoUserId, Record, Report};

/// What is kept of a run's time to wake the next one. DynamoDB may fail to answer one attempt, which takes 2 s, and
/// still answer the next.
const TIME_TO_RETRIGGER: Duration = Duration::from_secs(5);
/// What is kept of that to log and to answer.
const TIME_TO_ANSWER: Duration = Duration::from_millis(500);
/// The least time for a look while there is any. In a smaller share a slow request would be cut off each time, and
/// nothing would ever get done.
const LEAST_SHARE: Duration = Duration::from_secs(2);
/// How long to wait for an index that does not show yet what the table has. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// So many looks in a row may find nothing, with waits of 3.1 s in all between them. An index lags well below a second
/// as a rule, and a user who leaves gets no more movies, so what they last added has been in the table for longer.
const MOST_FRUITLESS_LOOKS: u32 = 6;

/// Everything the purge works on.
pub struct Purge {
    /// Where the users are.
    pub users: Users,
    /// Where their movies are.
    pub movies: Movies,
    /// Who is leaving.
    pub account_deletions: AccountDeletions,
}

/// An account deletion that a run works on.
struct Job {
    user_id: Uuid,
    /// Whether the run has seen the account deletion, so that this pass counts.
    begun: bool,
    /// How many looks in a row have deleted nothing.
    fruitless_looks: u32,
}

/// Why an account deletion cannot be worked off at present.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    /// Either `movie_count` is wrong, or the index lags for unusually long.
    #[error("{0} movies are counted but none is found")]
    NoneFound(u64),
    #[error("{0} movies are found that change before they can be deleted")]
    Changing(usize),
}

/// Why nothing else will work an account deletion off soon: its record has to be delivered again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there was no time for it")]
    NoTime,
    #[error("there was no time to trigger the next run")]
    NotRetriggered,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Purge {
    /// Works off the account deletions that records name. Returns the records that have to be delivered again.
    pub async fn run_records(&self, records: &[Record], deadline: Timestamp) -> Report {
        let named: Vec<Result<Uuid, NoUserId>> = records.iter().map(Record::user_id).collect();
        let mut users: Vec<Uuid> = Vec::new();
        for user_id in named.iter().flatten() {
            // An account deletion can be in a batch twice: new, and woken again.
            if !users.contains(user_id) {
                users.push(*user_id);
            }
        }
        let failures = self.work_off(users, deadline).await;
        let mut report = Report::default();
        for (record, named) in records.iter().zip(named) {
            let cause = match named.as_ref().map(|user_id| failures.get(user_id)) {
                Ok(None) => continue,
                Ok(Some(failure)) => chain(failure),
                Err(names_nobody) => chain(names_nobody),
            };
            tracing::error!(sequence_number = record.sequence_number(), cause, "a record failed");
            report.failed(record);
        }
        report
    }

    /// Works off every account deletion that is left, and tells how old the oldest is. One that fails does not stop the others.
    pub async fn run_all(&self, deadline: Timestamp) -> Result<(), StoreError> {
        let mut account_deletions = self.account_deletions.all().await?;
        account_deletions.sort_by_key(|deletion| deletion.requested_at);
        let backlog = u32::try_from(account_deletions.len()).unwrap_or(u32::MAX);
        let age =
            account_deletions.first().map_or(Duration::ZERO, |oldest| app::now().since(oldest.requested_at));
        tracing::info!(
            account_deletions = backlog,
            oldest_seconds = age.as_secs(),
            "account_deletions that are left"
        );
        measure(Metric::PendingAccountDeletions, backlog);
        measure(Metric::OldestAccountDeletionAge, age.as_secs_f64());
        let users = account_deletions.into_iter().map(|account_deletion| account_deletion.user_id).collect();
        for (user_id, failure) in self.work_off(users, deadline).await {
            log_left(user_id, &failure);
        }
        Ok(())
    }

    /// Works off account deletions in rounds, or as much of them as there is time for. Returns those that failed.
    ///
    /// An account deletion that is stuck is no failure. If its record were reported, Lambda would deliver it and every later
    /// record again, so that the others wait for it, and trying again soon does not put a count right. The hourly run
    /// tries it again, the log names the user, and the age of the oldest account deletion goes on rising.
    async fn work_off(&self, users: Vec<Uuid>, deadline: Timestamp) -> BTreeMap<Uuid, Failure> {
        let mut failures = BTreeMap::new();
        let mut round: Vec<Job> = users.into_iter().map(Job::new).collect();
        while !round.is_empty() && !time_until(deadline, TIME_TO_RETRIGGER).is_zero() {
            let mut next_round = Vec::new();
            for (waiting, mut job) in (1..=round.len()).rev().zip(round) {
                let time = time_until(deadline, TIME_TO_RETRIGGER);
                let share = fair_share(time, waiting).max(LEAST_SHARE).min(time);
                match timeout(share, self.look(&mut job)).await {
                    Ok(Ok(None)) => {}
                    Ok(Ok(Some(stuck))) if job.is_stuck() => log_left(job.user_id, &stuck),
                    Ok(Ok(Some(_))) | Err(_) => next_round.push(job),
                    Ok(Err(error)) => {
                        failures.insert(job.user_id, error.into());
                    }
                }
            }
            round = next_round;
            if let Some(wait) = round.iter().map(Job::wait).min() {
                sleep(wait.min(time_until(deadline, TIME_TO_RETRIGGER))).await;
            }
        }
        failures.extend(self.retrigger(round, deadline).await);
        failures
    }

    /// Wakes a next run for each account deletion that was begun. Where nothing was tried, no pass is counted, because there
    /// are few of them. Returns those for which no run is woken.
    async fn retrigger(&self, unfinished: Vec<Job>, deadline: Timestamp) -> Vec<(Uuid, Failure)> {
        let mut failures = Vec::new();
        for (waiting, job) in (1..=unfinished.len()).rev().zip(unfinished) {
            if !job.begun {
                failures.push((job.user_id, Failure::NoTime));
                continue;
            }
            let share = fair_share(time_until(deadline, TIME_TO_ANSWER), waiting);
            match timeout(share, self.account_deletions.retrigger(job.user_id)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push((job.user_id, error.into())),
                Err(_) => failures.push((job.user_id, Failure::NotRetriggered)),
            }
        }
        failures
    }

    /// Deletes what is found of an account deletion. `None` if nothing is left of it, otherwise why there may be more.
    async fn look(&self, job: &mut Job) -> Result<Option<Stuck>, StoreError> {
        if !self.account_deletions.contains(job.user_id).await? {
            return Ok(None);
        }
        job.begun = true;
        let changing = self.delete_movies(job).await?;
        let counted = match self.users.finish_deletion(job.user_id, &self.account_deletions).await? {
            DeletionStep::Finished => {
                audit::account_deletion_progress(job.user_id, 0, true);
                return Ok(None);
            }
            DeletionStep::MoviesLeft(counted) => counted,
        };
        job.fruitless_looks += 1;
        Ok(Some(if changing > 0 { Stuck::Changing(changing) } else { Stuck::NoneFound(counted) }))
    }

    /// Deletes the movies that the index shows. Returns how many were not deleted, because some of them changed.
    async fn delete_movies(&self, job: &mut Job) -> Result<usize, StoreError> {
        let mut changing = 0;
        let mut candidates = self.movies.candidates(job.user_id, None).await?;
        while let Some(batch) = candidates {
            // The index may name movies that are gone or have changed. The table decides.
            let movies = self.movies.owned(job.user_id, &batch).await?;
            if !movies.is_empty() {
                if self.movies.delete_owned(&movies, job.user_id, &self.users).await? {
                    job.fruitless_looks = 0;
                    audit::account_deletion_progress(job.user_id, movies.len(), false);
                } else {
                    changing += movies.len();
                }
            }
            candidates = self.movies.candidates(job.user_id, Some(batch)).await?;
        }
        Ok(changing)
    }
}

impl Job {
    fn new(user_id: Uuid) -> Self {
        Self { user_id, begun: false, fruitless_looks: 0 }
    }

    fn is_stuck(&self) -> bool {
        self.fruitless_looks >= MOST_FRUITLESS_LOOKS
    }

    /// How long to wait before the next look.
    fn wait(&self) -> Duration {
        self.fruitless_looks.checked_sub(1).map_or(Duration::ZERO, |before| FIRST_WAIT * 2_u32.pow(before))
    }
}

/// The time until so long before the deadline; none if that is over.
fn time_until(deadline: Timestamp, before: Duration) -> Duration {
    deadline.since(app::now()).saturating_sub(before)
}

fn fair_share(time: Duration, waiting: usize) -> Duration {
    time / u32::try_from(waiting).unwrap_or(u32::MAX)
}

fn log_left(user_id: Uuid, why: &(dyn Error + 'static)) {
    tracing::error!(%user_id, cause = chain(why), "an account deletion was not worked off");
}
