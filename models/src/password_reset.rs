//! Sessions, reset tokens and the outbox.
//!
//! A reset of a user's password is requested. Two runs of `send-mail` deliver the mail at once, each with its own token.
//! Then either clients submit the tokens, one of them twice, while the user changes the password and logs out. Or another
//! reset is requested and delivered, while the user changes the password and requests the deletion of the account.
//!
//! Once, an hour passes: tokens expire, reset mails are outdated, and the next window begins.

use stateright::Property;

use crate::system::{Protocol, Request, State, System};

/// `MAX_MAILS` in `auth/reset_limits.rs`.
const MAX_MAILS: u8 = 1;
/// The reset mails, by position in `Tables::outbox`. The other positions have the notices.
const RESET_MAILS: usize = 2;
/// The mails: reset mails, the notice of the change, and those of the resets.
const MAILS: usize = 6;
/// The notice of the change of the password.
const NOTICE_OF_CHANGE: usize = 2;
/// The runs of `send-mail`, and so the reset tokens. The last one is the hourly run.
const RUNS: usize = 4;
/// The epoch of the session in which the user acts.
const SESSION: u8 = 0;

/// The model, and how it is broken.
#[derive(Debug, Clone)]
pub struct PasswordReset {
    /// The defect, if any.
    pub flaw: Option<Flaw>,
    /// What happens after the delivery of the first mail.
    pub part: Part,
}

/// What happens after the delivery of the first mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The tokens are used.
    Tokens,
    /// Another mail is delivered.
    Mails,
}

/// A defect of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// `reset_password` does not delete the token, and does not compare the epoch.
    TokenStays,
    /// `reset_password` does not require that the session of the token is current.
    ResetIgnoresSession,
    /// The notice is put by a request of its own.
    NoticePutLater,
    /// `log_out` increments the epoch without a condition.
    LogoutHasNoCondition,
    /// `send_on_condition` does not recognize an earlier attempt.
    OwnLogoutUnknown,
    /// The row of a mail is deleted before the mail is sent.
    RowDeletedFirst,
    /// `count` does not require that the window is below its limit.
    LimitIgnored,
    /// `count` does not mark the row.
    RowNotMarked,
    /// A row that is counted is left to the run that has counted it.
    CountedRowIsTaken,
}

/// The items of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tables {
    /// The user: whether the account is active, and `session_epoch`.
    active: bool,
    session_epoch: u8,
    /// `PasswordResets`, by the run that made the token.
    tokens: [Option<Token>; RUNS],
    /// `Outbox`, by mail.
    outbox: [Option<Row>; MAILS],
    /// The account's window of reset mails, by hour.
    windows: [u8; 2],
    /// The hour.
    now: u8,
    /// Which mails the mail service has accepted, and which tokens these contain.
    sent: [bool; MAILS],
    received: [bool; RUNS],
    /// How often the row of a mail was put, how often it was counted, and whether it was dropped for a reason.
    put: [u8; MAILS],
    counted: [u8; MAILS],
    dropped: [bool; MAILS],
    /// How often each token has set a password.
    used: [u8; RUNS],
    /// Which notices belong to a password that was set.
    changed: [bool; MAILS],
    /// How often the logout has ended sessions; `last_logout` if it has.
    logouts: u8,
    /// Whether the logout was refused.
    logout_refused: bool,
    /// Whether a reset has committed after another request ended the sessions of its token.
    session_ignored: bool,
}

/// What a reset token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    session_epoch: u8,
    issued: u8,
}

/// The row of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    counted: bool,
    created: u8,
}

/// The delivery of a mail by a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery {
    mail: usize,
    run: usize,
}

/// The next request of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `functions/forgot-password/main.rs::handle`, which reads the clock.
    Forgot(usize),
    /// `shared/src/store/outbox.rs::put`.
    PutMail(usize, Row),
    /// `shared/src/store/users/password.rs::change_password`, with its notice.
    ChangePassword,
    /// `shared/src/store/users/sessions.rs::log_out`.
    LogOut,
    /// `shared/src/store/users/sessions.rs::send_on_condition`, the read after a failed condition.
    ReadLogout,
    /// `shared/src/store/users/deletion.rs::request_deletion`.
    RequestDeletion,
    /// `shared/src/store/password_resets.rs::find`, with the token and the notice.
    FindToken(usize, usize),
    /// `shared/src/store/users/sessions.rs::find_by_session`.
    FindUser(usize, usize, Token),
    /// `shared/src/store/users/password.rs::reset_password`.
    Reset(usize, usize, Token),
    /// `shared/src/store/outbox.rs::notice`, a request of its own in [`Flaw::NoticePutLater`] only.
    PutNotice(usize),
    /// `shared/src/store/outbox.rs::find`.
    FindMail(Delivery),
    /// `shared/src/store/users/mod.rs::find_active`.
    FindActive(Delivery, Row),
    /// `shared/src/store/outbox.rs::count`, with the epoch that was read.
    Count(Delivery, u8),
    /// `shared/src/store/password_resets.rs::put`, with the epoch that was read.
    PutToken(Delivery, u8),
    /// `shared/src/runtime/ses.rs::send`. The mail service accepts the mail.
    Send(Delivery),
    /// `shared/src/store/outbox.rs::delete`.
    DeleteRow(Delivery),
}

type Reached = State<Tables, Step>;

/// A change that no request causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An hour passes.
    HourPasses,
}

impl Tables {
    /// Returns whether a session is current; `CURRENT` in `store/users/sessions.rs`.
    fn is_current(&self, epoch: u8) -> bool {
        self.active && self.session_epoch == epoch
    }

    fn put_row(&mut self, mail: usize, row: Row) {
        self.outbox[mail] = Some(row);
        self.put[mail] = (self.put[mail] + 1).min(2);
    }

    fn put_notice(&mut self, mail: usize) {
        self.put_row(mail, Row { counted: false, created: self.now });
    }
}

impl PasswordReset {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// `set_password` in `store/users/password.rs`, with the notice.
    fn set_password(&self, tables: &mut Tables, epoch: u8, notice: usize) -> Option<Step> {
        tables.session_epoch = epoch + 1;
        tables.changed[notice] = true;
        if self.has(Flaw::NoticePutLater) {
            return Some(Step::PutNotice(notice));
        }
        tables.put_notice(notice);
        None
    }

    fn reset(&self, tables: &mut Tables, token: usize, notice: usize, found: Token) -> Option<Step> {
        let current = tables.is_current(found.session_epoch);
        let stays = self.has(Flaw::TokenStays);
        let permitted = current || tables.active && (self.has(Flaw::ResetIgnoresSession) || stays);
        if !permitted || tables.tokens[token].is_none() {
            return None;
        }
        tables.session_ignored |= !current;
        tables.used[token] += 1;
        if !stays {
            tables.tokens[token] = None;
        }
        self.set_password(tables, found.session_epoch.max(tables.session_epoch), notice)
    }

    fn log_out(&self, tables: &mut Tables) -> Option<Step> {
        if tables.is_current(SESSION) || self.has(Flaw::LogoutHasNoCondition) {
            tables.session_epoch += 1;
            tables.logouts += 1;
            return None;
        }
        Some(Step::ReadLogout)
    }

    /// Takes step 2 of `functions/send-mail/delivery.rs` as far as it needs no request.
    fn decide(tables: &mut Tables, delivery: Delivery, row: Row) -> Step {
        if delivery.mail >= RESET_MAILS {
            return Step::Send(delivery);
        }
        if tables.now > row.created {
            tables.dropped[delivery.mail] = true;
            return Step::DeleteRow(delivery);
        }
        Step::FindActive(delivery, row)
    }

    fn count(&self, tables: &mut Tables, delivery: Delivery, epoch: u8) -> Option<Step> {
        let hour = usize::from(tables.now);
        let row = tables.outbox[delivery.mail].as_mut().filter(|row| !row.counted)?;
        if tables.windows[hour] >= MAX_MAILS && !self.has(Flaw::LimitIgnored) {
            tables.dropped[delivery.mail] = true;
            return Some(Step::DeleteRow(delivery));
        }
        row.counted = !self.has(Flaw::RowNotMarked);
        tables.windows[hour] += 1;
        tables.counted[delivery.mail] += 1;
        Some(Step::PutToken(delivery, epoch))
    }

    fn find_active(&self, tables: &mut Tables, delivery: Delivery, row: Row) -> Option<Step> {
        if !tables.active {
            tables.dropped[delivery.mail] = true;
            return Some(Step::DeleteRow(delivery));
        }
        if row.counted {
            let taken = self.has(Flaw::CountedRowIsTaken);
            return (!taken).then_some(Step::PutToken(delivery, tables.session_epoch));
        }
        Some(Step::Count(delivery, tables.session_epoch))
    }

    fn send(tables: &mut Tables, delivery: Delivery) {
        tables.sent[delivery.mail] = true;
        if delivery.mail < RESET_MAILS {
            tables.received[delivery.run] = true;
        }
    }
}

impl Protocol for PasswordReset {
    type Tables = Tables;
    type Step = Step;
    type Event = Event;

    fn tables(&self) -> Tables {
        Tables {
            active: true,
            session_epoch: SESSION,
            tokens: [None; RUNS],
            outbox: [None; MAILS],
            windows: [0; 2],
            now: 0,
            sent: [false; MAILS],
            received: [false; RUNS],
            put: [0; MAILS],
            counted: [0; MAILS],
            dropped: [false; MAILS],
            used: [0; RUNS],
            changed: [false; MAILS],
            logouts: 0,
            logout_refused: false,
            session_ignored: false,
        }
    }

    fn programs(&self) -> Vec<Step> {
        let [first, second, third] = [(0, 0), (0, 1), (1, 2)].map(|(mail, run)| Delivery { mail, run });
        let mut programs =
            vec![Step::Forgot(0), Step::FindMail(first), Step::FindMail(second), Step::ChangePassword];
        programs.extend(match self.part {
            Part::Tokens => {
                vec![Step::FindToken(0, 3), Step::FindToken(0, 4), Step::FindToken(1, 5), Step::LogOut]
            }
            Part::Mails => vec![Step::Forgot(1), Step::FindMail(third), Step::RequestDeletion],
        });
        programs
    }

    fn may_start(&self, tables: &Tables, first: Step, again: bool) -> bool {
        match first {
            Step::FindToken(token, _) => !again && tables.received[token],
            Step::FindMail(delivery) => !again && tables.put[delivery.mail] > 0,
            _ => !again,
        }
    }

    fn request(step: Step) -> Request {
        match step {
            Step::Forgot(_)
            | Step::ReadLogout
            | Step::FindToken(..)
            | Step::FindUser(..)
            | Step::FindMail(_)
            | Step::FindActive(..) => Request::Read,
            Step::PutMail(..)
            | Step::LogOut
            | Step::PutNotice(_)
            | Step::PutToken(..)
            | Step::Send(_)
            | Step::DeleteRow(_) => Request::Write,
            Step::ChangePassword | Step::RequestDeletion | Step::Reset(..) | Step::Count(..) => {
                Request::Transaction
            }
        }
    }

    fn take(&self, tables: &mut Tables, step: Step) -> Option<Step> {
        match step {
            Step::Forgot(mail) => Some(Step::PutMail(mail, Row { counted: false, created: tables.now })),
            Step::PutMail(mail, row) => {
                tables.put_row(mail, row);
                None
            }
            Step::ChangePassword if tables.is_current(SESSION) => {
                self.set_password(tables, SESSION, NOTICE_OF_CHANGE)
            }
            Step::LogOut => self.log_out(tables),
            Step::ReadLogout => {
                tables.logout_refused = tables.logouts == 0 || self.has(Flaw::OwnLogoutUnknown);
                None
            }
            Step::RequestDeletion if tables.is_current(SESSION) => {
                (tables.active, tables.session_epoch) = (false, SESSION + 1);
                None
            }
            Step::ChangePassword | Step::RequestDeletion => None,
            Step::FindToken(token, notice) => {
                let found = tables.tokens[token].filter(|found| found.issued == tables.now)?;
                Some(Step::FindUser(token, notice, found))
            }
            Step::FindUser(token, notice, found) => {
                tables.is_current(found.session_epoch).then_some(Step::Reset(token, notice, found))
            }
            Step::Reset(token, notice, found) => self.reset(tables, token, notice, found),
            Step::PutNotice(notice) => {
                tables.put_notice(notice);
                None
            }
            Step::FindMail(delivery) => {
                let row = tables.outbox[delivery.mail]?;
                Some(Self::decide(tables, delivery, row))
            }
            Step::FindActive(delivery, row) => self.find_active(tables, delivery, row),
            Step::Count(delivery, epoch) => self.count(tables, delivery, epoch),
            Step::PutToken(delivery, session_epoch) => {
                tables.tokens[delivery.run] = Some(Token { session_epoch, issued: tables.now });
                if self.has(Flaw::RowDeletedFirst) {
                    tables.outbox[delivery.mail] = None;
                }
                Some(Step::Send(delivery))
            }
            Step::Send(delivery) => {
                Self::send(tables, delivery);
                Some(Step::DeleteRow(delivery))
            }
            Step::DeleteRow(delivery) => {
                tables.outbox[delivery.mail] = None;
                None
            }
        }
    }

    fn events(&self, tables: &Tables) -> Vec<Event> {
        if tables.now == 0 { vec![Event::HourPasses] } else { Vec::new() }
    }

    fn occur(&self, tables: &mut Tables, Event::HourPasses: Event) {
        tables.now += 1;
    }

    fn properties() -> Vec<Property<System<Self>>> {
        vec![
            Property::always("a reset token sets one password at most", |_, state: &Reached| {
                state.tables.used.iter().all(|used| *used <= 1)
            }),
            Property::always(
                "a reset token sets no password after its session has ended",
                |_, state: &Reached| !state.tables.session_ignored,
            ),
            Property::always("a notice exists exactly if its password was set", |_, state: &Reached| {
                let Tables { put, changed, .. } = &state.tables;
                (RESET_MAILS..MAILS).all(|mail| (put[mail] > 0) == changed[mail])
            }),
            Property::always("a logout ends sessions once at most", |_, state: &Reached| {
                state.tables.logouts <= 1
            }),
            Property::always("a logout that has ended sessions is not refused", |_, state: &Reached| {
                state.tables.logouts == 0 || !state.tables.logout_refused
            }),
            Property::always("a row ends only when its mail is sent or dropped", |_, state: &Reached| {
                let Tables { put, outbox, sent, dropped, .. } = &state.tables;
                (0..MAILS).all(|mail| put[mail] == 0 || outbox[mail].is_some() || sent[mail] || dropped[mail])
            }),
            Property::always(
                "an account gets no more reset mails in an hour than the limit",
                |_, state: &Reached| {
                    let Tables { sent, now, .. } = &state.tables;
                    let mails = sent[..RESET_MAILS].iter().filter(|sent| **sent).count();
                    mails <= usize::from(MAX_MAILS) * usize::from(now + 1)
                },
            ),
            Property::always("a mail is counted once each time its row is put", |_, state: &Reached| {
                let Tables { put, counted, .. } = &state.tables;
                (0..RESET_MAILS).all(|mail| counted[mail] <= put[mail])
            }),
            Property::always("the hourly run sends or drops every mail", finishes),
        ]
    }
}

/// Returns whether the hourly run sends or drops every mail, although every running process was killed.
fn finishes(model: &System<PasswordReset>, state: &Reached) -> bool {
    let mut tables = state.tables.clone();
    for mail in 0..MAILS {
        if tables.outbox[mail].is_some() {
            model.protocol.run(&mut tables, Step::FindMail(Delivery { mail, run: RUNS - 1 }));
        }
    }
    tables.outbox == [None; MAILS]
        && (0..MAILS).all(|mail| tables.put[mail] == 0 || tables.sent[mail] || tables.dropped[mail])
}
