//! Sends the mails of the outbox.
//!
//! 1. Read the row of the mail. If it has ended, another run has taken care of it.
//! 2. Drop the mail if it is outdated. Drop a reset mail if no active user has its email, or if the account has had its
//!    mails of the hour: the row records that it is counted, so that retries do not use up the limit.
//! 3. For a reset mail, store a new token's hash. A token of an earlier attempt was not received, or is as good.
//! 4. Send the mail. If the mail service is unavailable, the row stays, and Lambda delivers its record again.
//! 5. End the row.

use std::time::Duration;

use lambda_runtime::tracing;
use shared::{
    auth::reset_mail_window,
    model::{Clock, IssuedReset, Mail, MailKind, ResetToken, Timestamp},
    runtime::{BatchReport, Letter, MailError, Mailer, StreamRecord},
    store::{CountOutcome, Outbox, PasswordAttempts, PasswordResets, StoreError, Users},
    telemetry::{Metric, SecurityEvent, count, error_chain, measure},
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::letters;

/// The part of a run's time that is reserved for logging and for the response.
const TIME_TO_RESPOND: Duration = Duration::from_millis(500);
/// The age up to which the hourly run leaves a mail to the stream. Otherwise both could send it.
const TIME_OF_THE_STREAM: Duration = Duration::from_mins(1);

/// The parts that send mails.
pub struct Delivery {
    /// The mails.
    pub outbox: Outbox,
    /// The users.
    pub users: Users,
    /// The counters of reset mails.
    pub attempts: PasswordAttempts,
    /// The reset tokens.
    pub resets: PasswordResets,
    /// The page that reset mails link to.
    pub reset_page: Option<String>,
    /// The mail service.
    pub mailer: Mailer,
    /// The clock that is compared with the age of a mail and with the deadline.
    pub clock: Clock,
    /// The source of reset tokens.
    pub new_token: fn() -> ResetToken,
}

/// What a delivery does with a mail.
enum Decision {
    /// Sends it.
    Send {
        letter: Letter,
        /// The user whose password it can reset.
        resets: Option<Uuid>,
    },
    /// Ends its row.
    Drop(Dropped),
}

/// The reason why a mail is not sent at all.
#[derive(Clone, Copy)]
enum Dropped {
    Outdated,
    NoActiveUser,
    LimitReached,
    Refused(&'static str),
}

/// The reason why a mail is still to be sent.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there was no time to send the mail")]
    OutOfTime,
    #[error("another run is sending the mail")]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl Delivery {
    /// Sends the mails of these records. Returns the records that have to be delivered again.
    pub async fn run_records(&self, records: &[StreamRecord], deadline: Timestamp) -> BatchReport {
        let mut report = BatchReport::default();
        for record in records {
            match record.key("id") {
                Some(id) => {
                    if let Err(failure) = self.deliver_in_time(id, deadline).await {
                        report.failed(record, &error_chain(&failure));
                    }
                }
                None => report.failed(record, "the record has no id of a mail"),
            }
        }
        report
    }

    /// Sends all mails that wait, the oldest first, and measures their number and the age of the oldest. One that fails does
    /// not stop the others, until the time is over.
    pub async fn run_all(&self, deadline: Timestamp) -> Result<(), StoreError> {
        let mut mails = self.outbox.all().await?;
        mails.sort_by_key(|mail| mail.created_at);
        let now = self.clock.now();
        let pending = u32::try_from(mails.len()).unwrap_or(u32::MAX);
        let age = mails.first().map_or(Duration::ZERO, |oldest| now.since(oldest.created_at));
        tracing::info!(pending, oldest_seconds = age.as_secs(), "pending mails");
        measure(Metric::PendingMails, pending);
        measure(Metric::OldestMailAge, age.as_secs_f64());
        for mail in mails.iter().filter(|mail| now.since(mail.created_at) > TIME_OF_THE_STREAM) {
            if let Err(failure) = self.deliver_in_time(mail.id, deadline).await {
                tracing::error!(mail_id = %mail.id, cause = error_chain(&failure), "a mail was not sent");
                if matches!(failure, Failure::OutOfTime) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn deliver_in_time(&self, id: Uuid, deadline: Timestamp) -> Result<(), Failure> {
        let time = deadline.since(self.clock.now()).saturating_sub(TIME_TO_RESPOND);
        timeout(time, self.deliver(id)).await.unwrap_or(Err(Failure::OutOfTime))
    }

    async fn deliver(&self, id: Uuid) -> Result<(), Failure> {
        let Some(mail) = self.outbox.find(id).await? else { return Ok(()) };
        match self.decide(&mail).await? {
            Decision::Drop(reason) => log_dropped(id, reason),
            Decision::Send { letter, resets } => match self.mailer.send(&mail.email, letter).await {
                Ok(()) => log_sent(resets),
                Err(MailError::Refused { code }) => log_dropped(id, Dropped::Refused(code)),
                Err(error @ MailError::Unavailable { .. }) => {
                    count(Metric::MailsFailed);
                    return Err(error.into());
                }
            },
        }
        Ok(self.outbox.delete(id).await?)
    }

    /// Takes steps 2 and 3.
    async fn decide(&self, mail: &Mail) -> Result<Decision, Failure> {
        let now = self.clock.now();
        if mail.is_outdated(now) {
            return Ok(Decision::Drop(Dropped::Outdated));
        }
        let MailKind::Reset { counted } = mail.kind else {
            return Ok(Decision::Send { letter: letters::password_changed(mail.created_at), resets: None });
        };
        let Some(user) = self.users.find_active(&mail.email).await? else {
            return Ok(Decision::Drop(Dropped::NoActiveUser));
        };
        if !counted {
            let window = reset_mail_window(user.id, now);
            match self.outbox.count(mail.id, &window, &self.attempts).await? {
                CountOutcome::Counted => {}
                CountOutcome::LimitReached => return Ok(Decision::Drop(Dropped::LimitReached)),
                CountOutcome::Taken => return Err(Failure::Taken),
            }
        }
        let token = (self.new_token)();
        let reset = IssuedReset::new(user.id, user.session_epoch, self.clock.now());
        self.resets.put(&token.hash(), reset).await?;
        let letter = letters::reset(&token, self.reset_page.as_deref());
        Ok(Decision::Send { letter, resets: Some(user.id) })
    }
}

fn log_sent(resets: Option<Uuid>) {
    count(Metric::MailsSent);
    if let Some(user_id) = resets {
        SecurityEvent::ResetMailSent { user_id }.log();
    }
}

/// Logs why a mail is given up. A request for an unknown email and a reached limit are not faults.
fn log_dropped(mail_id: Uuid, dropped: Dropped) {
    let (reason, code) = match dropped {
        Dropped::NoActiveUser => ("no_active_user", None),
        Dropped::LimitReached => ("limit_reached", None),
        Dropped::Outdated => ("outdated", None),
        Dropped::Refused(code) => ("refused", Some(code)),
    };
    match dropped {
        Dropped::NoActiveUser | Dropped::LimitReached => {
            tracing::info!(%mail_id, reason, "a mail was dropped");
        }
        Dropped::Outdated | Dropped::Refused(_) => {
            count(Metric::MailsDropped);
            tracing::error!(%mail_id, reason, code, "a mail was dropped");
        }
    }
}
