//! The mails that tell the owner of an account that its password was changed.

use crate::{
    model::{CanonicalEmail, Clock, IdSource, Mail},
    store::{Notice, Outbox},
};

/// Makes the notices of a deployment, which may send no mails.
#[derive(Debug)]
pub struct Notices {
    outbox: Option<Outbox>,
    clock: Clock,
    ids: IdSource,
}

impl Notices {
    /// Makes notices for this outbox, or none.
    #[must_use]
    pub fn new(outbox: Option<Outbox>, clock: Clock, ids: IdSource) -> Self {
        Self { outbox, clock, ids }
    }

    /// Returns the notice that the password of the account with this email is changed now, for the transaction that changes
    /// it; `None` in a deployment that sends no mails. It contains the email, so that it still arrives if the account is
    /// then deleted.
    #[must_use]
    pub fn of_change(&self, email: CanonicalEmail) -> Option<Notice<'_>> {
        let outbox = self.outbox.as_ref()?;
        Some(outbox.notice(Mail::notice(self.ids.next_id(), email, self.clock.now())))
    }
}
