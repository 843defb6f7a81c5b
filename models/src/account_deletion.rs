//! Movies, their names, and the deletion of an account with its movies.
//!
//! Ann has a movie and renames it, deletes it, creates another one, logs out and deletes her account, all at once, while two
//! runs of `purge-account` start as often as records of the stream and the hourly schedule can trigger them. Bob waits
//! for her email, signs up with it and creates a movie with a name of hers.
//!
//! The bounds of the code are smaller here: a page of candidates and a transaction of the purge have one movie instead of 49.

use stateright::Property;

use crate::system::{Protocol, Request, State, System};

/// `MAX_WRITE_ATTEMPTS` in `store/movies/mod.rs`.
const MAX_WRITE_ATTEMPTS: u8 = 2;
/// `MAX_FRUITLESS_STEPS` in `functions/purge-account/purge.rs`.
const MAX_FRUITLESS_STEPS: u8 = 2;
/// `MAX_RUNS` in `store/account_deletions.rs`.
const MAX_RUNS: u8 = 1;

/// A user, by position in `Tables::users`.
pub type UserId = usize;
/// A movie, by position in `Tables::movies`.
pub type MovieId = usize;
/// A canonical name, by position in `Tables::names`.
pub type Name = usize;

const ANN: UserId = 0;
const BOB: UserId = 1;

/// The model, and how it is broken.
#[derive(Debug, Clone, Default)]
pub struct AccountDeletion {
    /// The defect, if any.
    pub flaw: Option<Flaw>,
    /// By how much Ann's `movie_count` is wrong at the beginning.
    pub count_error: i8,
}

/// A defect of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// `add_to_movie_count` does not require a current session.
    CreateIgnoresSession,
    /// `subtract_from_movie_count` does not require a current session.
    DeleteIgnoresSession,
    /// `put_claim` does not require that the name is free.
    NameTakenAnyway,
    /// `rename` does not require that the movie is unchanged, and an update puts an item that does not exist.
    RenameIgnoresChanges,
    /// `rename` leaves the old claim.
    OldClaimStays,
    /// `delete_owned` does not require that the movies are unchanged, so a repetition counts them twice.
    PurgeIgnoresChanges,
    /// `finish_deletion` trusts the index instead of `movie_count`.
    IndexDecides,
    /// The deletion of the email's claim is the first request of a run.
    EmailFreedFirst,
    /// `request_deletion` puts the row with a request of its own.
    RowPutLater,
    /// `retrigger` has no condition, and an update puts a row that does not exist.
    RetriggerPutsRow,
}

/// The items of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tables {
    /// `user#<id>`.
    users: [Option<User>; 2],
    /// `email#<canonical email>` of the only email: `user_id`.
    email: Option<UserId>,
    /// `movie#<id>`.
    movies: [Option<Movie>; 3],
    /// `name#<name_key>`: `movie_id`.
    names: [Option<MovieId>; 2],
    /// The index `owner`, which catches up movie by movie.
    index: [Option<(UserId, Name)>; 3],
    /// `AccountDeletions`: `run_count`.
    deletions: [Option<u8>; 2],
    /// Whether the stream has had a record of the user. It may be delivered again at any time.
    recorded: [bool; 2],
    /// Whether a create or delete has committed after its session ended.
    session_ignored: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct User {
    active: bool,
    session_epoch: u8,
    movie_count: i8,
}

/// A movie, as far as the protocols read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Movie {
    added_by: UserId,
    name: Name,
    version: u8,
}

/// A session, as the token names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    user: UserId,
    epoch: u8,
}

/// A run of `purge-account` for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    user: UserId,
    fruitless_steps: u8,
}

/// The position of a candidate in the index.
type Position = (Name, MovieId);

/// The next request of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `shared/src/store/users/mod.rs::create`. Bob then creates a movie.
    SignUp(UserId),
    /// `shared/src/store/movies/create.rs::create`.
    Create(MovieId, Name, Session),
    /// `shared/src/store/movies/mod.rs::find`, the first request of a deletion.
    FindToDelete(MovieId, Session),
    /// `shared/src/store/movies/delete.rs::delete`, the transaction with the name that was read.
    Delete(MovieId, Name, Session),
    /// `shared/src/store/movies/update.rs::find_with_session`, with the number of the attempt.
    FindToRename(MovieId, Name, Session, u8),
    /// `shared/src/store/movies/update.rs::rename`, with the movie that was read.
    Rename(MovieId, Movie, Name, Session, u8),
    /// `shared/src/store/users/sessions.rs::log_out`.
    LogOut(Session),
    /// `shared/src/store/users/deletion.rs::request_deletion`.
    RequestDeletion(Session),
    /// `shared/src/store/account_deletions.rs::put`, a request of its own in [`Flaw::RowPutLater`] only.
    PutRow(UserId),
    /// `shared/src/store/account_deletions.rs::contains`, the beginning of `functions/purge-account/purge.rs::step`.
    Contains(Job),
    /// `shared/src/store/users/deletion.rs::finish_deletion`, its part in [`Flaw::EmailFreedFirst`] only.
    FreeEmail(Job),
    /// `shared/src/store/movies/purge.rs::candidates`, after this position.
    Candidates(Job, Option<Position>),
    /// `shared/src/store/movies/purge.rs::owned`.
    Owned(Job, Position),
    /// `shared/src/store/movies/purge.rs::delete_owned`, with the name that was read.
    DeleteOwned(Job, Position, Name),
    /// `shared/src/store/users/deletion.rs::finish_deletion`, the read of the user.
    ReadUser(Job),
    /// `shared/src/store/users/deletion.rs::finish_deletion`, the transaction.
    Finish(Job),
    /// `shared/src/store/account_deletions.rs::retrigger`.
    Retrigger(UserId),
}

type Reached = State<Tables, Step>;

/// A change that no request causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The index shows the present state of a movie.
    IndexCatchesUp(MovieId),
}

impl Tables {
    /// Returns whether a session is current; `CURRENT` in `store/users/sessions.rs`.
    fn is_current(&self, session: Session) -> bool {
        self.users[session.user].is_some_and(|user| user.active && user.session_epoch == session.epoch)
    }

    /// Returns whether a movie still has the owner and the name that were read; `delete_unchanged` in
    /// `store/movies/mod.rs`.
    fn is_unchanged(&self, movie: MovieId, owner: UserId, name: Name) -> bool {
        self.movies[movie].is_some_and(|movie| movie.added_by == owner && movie.name == name)
    }

    /// Deletes a movie and the claim on its name.
    fn delete(&mut self, movie: MovieId, name: Name) {
        (self.movies[movie], self.names[name]) = (None, None);
    }

    fn count(&mut self, user: UserId, change: i8) {
        if let Some(user) = &mut self.users[user] {
            user.movie_count += change;
        }
    }

    fn index_catches_up(&mut self, movie: MovieId) {
        self.index[movie] = self.movies[movie].map(|movie| (movie.added_by, movie.name));
    }

    fn movies_of(&self, user: UserId) -> usize {
        self.movies.iter().flatten().filter(|movie| movie.added_by == user).count()
    }
}

impl AccountDeletion {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn create(&self, tables: &mut Tables, movie: MovieId, name: Name, session: Session) {
        let current = tables.is_current(session);
        let free = tables.names[name].is_none() || self.has(Flaw::NameTakenAnyway);
        let permitted =
            current || self.has(Flaw::CreateIgnoresSession) && tables.users[session.user].is_some();
        if tables.movies[movie].is_none() && free && permitted {
            tables.movies[movie] = Some(Movie { added_by: session.user, name, version: 0 });
            tables.names[name] = Some(movie);
            tables.count(session.user, 1);
            tables.session_ignored |= !current;
        }
    }

    fn delete(&self, tables: &mut Tables, movie: MovieId, name: Name, session: Session) -> Option<Step> {
        let current = tables.is_current(session);
        if !tables.is_unchanged(movie, session.user, name) {
            return Some(Step::FindToDelete(movie, session));
        }
        if tables.names[name] == Some(movie) && (current || self.has(Flaw::DeleteIgnoresSession)) {
            tables.delete(movie, name);
            tables.count(session.user, -1);
            tables.session_ignored |= !current;
        }
        None
    }

    fn find_to_rename(
        tables: &Tables,
        movie: MovieId,
        to: Name,
        session: Session,
        attempt: u8,
    ) -> Option<Step> {
        let old = tables.movies[movie].filter(|old| old.added_by == session.user)?;
        if !tables.is_current(session) || old.name == to || attempt > MAX_WRITE_ATTEMPTS {
            return None;
        }
        Some(Step::Rename(movie, old, to, session, attempt))
    }

    fn rename(&self, tables: &mut Tables, movie: MovieId, old: Movie, to: Name) -> bool {
        let unchanged = tables.movies[movie] == Some(old) || self.has(Flaw::RenameIgnoresChanges);
        let claimed = tables.names[old.name] == Some(movie) || self.has(Flaw::RenameIgnoresChanges);
        let free = tables.names[to].is_none() || self.has(Flaw::NameTakenAnyway);
        if unchanged && claimed && free {
            tables.movies[movie] = Some(Movie { name: to, version: old.version + 1, ..old });
            if !self.has(Flaw::OldClaimStays) {
                tables.names[old.name] = None;
            }
            tables.names[to] = Some(movie);
        }
        unchanged
    }

    fn request_deletion(&self, tables: &mut Tables, session: Session) -> Option<Step> {
        if tables.is_current(session) && tables.deletions[session.user].is_none() {
            let user = tables.users[session.user].as_mut()?;
            (user.active, user.session_epoch) = (false, session.epoch + 1);
            if self.has(Flaw::RowPutLater) {
                return Some(Step::PutRow(session.user));
            }
            Self::put_row(tables, session.user);
        }
        None
    }

    fn put_row(tables: &mut Tables, user: UserId) {
        (tables.deletions[user], tables.recorded[user]) = (Some(0), true);
    }

    /// Returns the next page of candidates: one movie (`BATCH` in the store), or none after the last.
    fn candidates(tables: &Tables, job: Job, after: Option<Position>) -> Option<Position> {
        let listed = tables.index.iter().enumerate().filter_map(|(movie, entry)| {
            entry.and_then(|(owner, name)| (owner == job.user).then_some((name, movie)))
        });
        listed.filter(|position| Some(*position) > after).min()
    }

    fn delete_owned(&self, tables: &mut Tables, job: Job, movie: MovieId, name: Name) -> bool {
        let unchanged = tables.is_unchanged(movie, job.user, name) && tables.names[name] == Some(movie);
        let deleting = tables.users[job.user].is_some_and(|user| !user.active);
        let deleted = deleting && (unchanged || self.has(Flaw::PurgeIgnoresChanges));
        if deleted {
            tables.delete(movie, name);
            tables.count(job.user, -1);
        }
        deleted
    }

    /// Reads the user, and returns the next step of the run.
    fn read_user(&self, tables: &Tables, job: Job) -> Option<Step> {
        let user = tables.users[job.user].filter(|user| !user.active && user.movie_count >= 0)?;
        if user.movie_count == 0 || self.has(Flaw::IndexDecides) {
            return Some(Step::Finish(job));
        }
        let fruitless_steps = job.fruitless_steps + 1;
        (fruitless_steps < MAX_FRUITLESS_STEPS).then_some(Step::Contains(Job { fruitless_steps, ..job }))
    }

    fn finish(&self, tables: &mut Tables, id: UserId) {
        let none_left =
            tables.users[id].is_some_and(|user| user.movie_count == 0 || self.has(Flaw::IndexDecides));
        let deleting = tables.users[id].is_some_and(|user| !user.active);
        let claimed = tables.email == Some(id) || self.has(Flaw::EmailFreedFirst);
        if none_left && deleting && claimed && tables.deletions[id].is_some() {
            (tables.users[id], tables.deletions[id]) = (None, None);
            tables.email = tables.email.filter(|user| *user != id);
        }
    }

    fn retrigger(&self, tables: &mut Tables, user: UserId) {
        let run_count = tables.deletions[user].filter(|runs| *runs < MAX_RUNS);
        if run_count.is_some() || self.has(Flaw::RetriggerPutsRow) {
            tables.deletions[user] = Some(run_count.unwrap_or_default() + 1);
        }
    }

    /// The hourly run, once all indexes have caught up. It takes no step of a process that was running before.
    fn hourly_run(&self, tables: &mut Tables) {
        (0..tables.movies.len()).for_each(|movie| tables.index_catches_up(movie));
        for user in [ANN, BOB] {
            if tables.deletions[user].is_some() {
                self.run(tables, Step::Contains(Job { user, fruitless_steps: 0 }));
            }
        }
    }
}

impl Protocol for AccountDeletion {
    type Tables = Tables;
    type Step = Step;
    type Event = Event;

    fn tables(&self) -> Tables {
        let ann = User { active: true, session_epoch: 0, movie_count: 1 + self.count_error };
        Tables {
            users: [Some(ann), None],
            email: Some(ANN),
            movies: [Some(Movie { added_by: ANN, name: 0, version: 0 }), None, None],
            names: [Some(0), None],
            index: [None; 3],
            deletions: [None; 2],
            recorded: [false; 2],
            session_ignored: false,
        }
    }

    fn programs(&self) -> Vec<Step> {
        let session = Session { user: ANN, epoch: 0 };
        let job = Job { user: ANN, fruitless_steps: 0 };
        vec![
            Step::Create(1, 1, session),
            Step::FindToRename(0, 1, session, 1),
            Step::FindToDelete(0, session),
            Step::LogOut(session),
            Step::RequestDeletion(session),
            Step::SignUp(BOB),
            Step::Contains(job),
            Step::Contains(job),
        ]
    }

    fn may_start(&self, tables: &Tables, first: Step, again: bool) -> bool {
        match first {
            Step::Contains(job) => tables.recorded[job.user],
            // Until then, the email is taken.
            Step::SignUp(_) => !again && tables.email.is_none(),
            _ => !again,
        }
    }

    fn request(step: Step) -> Request {
        match step {
            Step::FindToDelete(..)
            | Step::FindToRename(..)
            | Step::Contains(_)
            | Step::Candidates(..)
            | Step::Owned(..)
            | Step::ReadUser(_) => Request::Read,
            Step::LogOut(_) | Step::PutRow(_) | Step::FreeEmail(_) | Step::Retrigger(_) => Request::Write,
            Step::SignUp(_)
            | Step::Create(..)
            | Step::Delete(..)
            | Step::Rename(..)
            | Step::RequestDeletion(_)
            | Step::DeleteOwned(..)
            | Step::Finish(_) => Request::Transaction,
        }
    }

    fn take(&self, tables: &mut Tables, step: Step) -> Option<Step> {
        match step {
            Step::SignUp(user) => {
                if tables.users[user].is_some() || tables.email.is_some() {
                    return None;
                }
                tables.users[user] = Some(User { active: true, session_epoch: 0, movie_count: 0 });
                tables.email = Some(user);
                Some(Step::Create(2, 0, Session { user, epoch: 0 }))
            }
            Step::Create(movie, name, session) => {
                self.create(tables, movie, name, session);
                None
            }
            Step::FindToDelete(movie, session) => {
                let found = tables.movies[movie].filter(|movie| movie.added_by == session.user)?;
                Some(Step::Delete(movie, found.name, session))
            }
            Step::Delete(movie, name, session) => self.delete(tables, movie, name, session),
            Step::FindToRename(movie, to, session, attempt) => {
                Self::find_to_rename(tables, movie, to, session, attempt)
            }
            Step::Rename(movie, old, to, session, attempt) => {
                let unchanged = self.rename(tables, movie, old, to);
                (!unchanged).then_some(Step::FindToRename(movie, to, session, attempt + 1))
            }
            Step::LogOut(session) => {
                if tables.is_current(session) {
                    tables.users[session.user].as_mut()?.session_epoch = session.epoch + 1;
                }
                None
            }
            Step::RequestDeletion(session) => self.request_deletion(tables, session),
            Step::PutRow(user) => {
                Self::put_row(tables, user);
                None
            }
            Step::Contains(job) => {
                tables.deletions[job.user]?;
                let frees = self.has(Flaw::EmailFreedFirst);
                Some(if frees { Step::FreeEmail(job) } else { Step::Candidates(job, None) })
            }
            Step::FreeEmail(job) => {
                tables.email = tables.email.filter(|user| *user != job.user);
                Some(Step::Candidates(job, None))
            }
            Step::Candidates(job, after) => {
                let page = Self::candidates(tables, job, after);
                Some(page.map_or(Step::ReadUser(job), |position| Step::Owned(job, position)))
            }
            Step::Owned(job, position) => {
                let owned = tables.movies[position.1].filter(|movie| movie.added_by == job.user);
                Some(match owned {
                    Some(movie) => Step::DeleteOwned(job, position, movie.name),
                    None => Step::Candidates(job, Some(position)),
                })
            }
            Step::DeleteOwned(job, position, name) => {
                let deleted = self.delete_owned(tables, job, position.1, name);
                let fruitless_steps = if deleted { 0 } else { job.fruitless_steps };
                Some(Step::Candidates(Job { fruitless_steps, ..job }, Some(position)))
            }
            Step::ReadUser(job) => self.read_user(tables, job),
            Step::Finish(job) => {
                self.finish(tables, job.user);
                None
            }
            Step::Retrigger(user) => {
                self.retrigger(tables, user);
                None
            }
        }
    }

    fn when_out_of_time(step: Step) -> Option<Step> {
        match step {
            Step::Candidates(job, _)
            | Step::Owned(job, _)
            | Step::DeleteOwned(job, ..)
            | Step::ReadUser(job)
            | Step::Finish(job) => Some(Step::Retrigger(job.user)),
            _ => None,
        }
    }

    fn events(&self, tables: &Tables) -> Vec<Event> {
        let lags = |movie: &MovieId| {
            tables.index[*movie] != tables.movies[*movie].map(|movie| (movie.added_by, movie.name))
        };
        // No run reads Bob's movie in the index.
        [0, 1].into_iter().filter(lags).map(Event::IndexCatchesUp).collect()
    }

    fn occur(&self, tables: &mut Tables, Event::IndexCatchesUp(movie): Event) {
        tables.index_catches_up(movie);
    }

    fn properties() -> Vec<Property<System<Self>>> {
        vec![
            Property::always(
                "each movie has the claim on its name, and each claim its movie",
                |_, state: &Reached| {
                    let Tables { movies, names, .. } = &state.tables;
                    let claims = names.iter().flatten().count();
                    claims == movies.iter().flatten().count()
                        && (0..movies.len())
                            .all(|id| movies[id].is_none_or(|movie| names[movie.name] == Some(id)))
                },
            ),
            Property::always(
                "movie_count is the number of the user's movies",
                |model: &System<Self>, state: &Reached| {
                    let tables = &state.tables;
                    let error = |user| if user == ANN { model.protocol.count_error } else { 0 };
                    [ANN, BOB].into_iter().all(|id| {
                        tables.users[id].is_none_or(|user| {
                            usize::try_from(user.movie_count - error(id)) == Ok(tables.movies_of(id))
                        })
                    })
                },
            ),
            Property::always("the owner of each movie exists", |_, state: &Reached| {
                let Tables { movies, users, .. } = &state.tables;
                movies.iter().flatten().all(|movie| users[movie.added_by].is_some())
            }),
            Property::always(
                "each user has the claim on the email, and the claim its user",
                |_, state: &Reached| {
                    let Tables { users, email, .. } = state.tables;
                    [ANN, BOB].into_iter().all(|id| users[id].is_some() == (email == Some(id)))
                },
            ),
            Property::always(
                "exactly the users who are being deleted have an account deletion",
                |_, state: &Reached| {
                    let Tables { users, deletions, .. } = &state.tables;
                    [ANN, BOB]
                        .into_iter()
                        .all(|id| users[id].is_some_and(|user| !user.active) == deletions[id].is_some())
                },
            ),
            Property::always(
                "no email is freed before the movies of the account are gone",
                |_, state: &Reached| {
                    let tables = &state.tables;
                    tables.email == Some(ANN) || tables.movies_of(ANN) == 0
                },
            ),
            Property::always(
                "no movie is created or deleted after the session has ended",
                |_, state: &Reached| !state.tables.session_ignored,
            ),
            Property::always("the hourly run finishes every account deletion", finishes),
        ]
    }
}

/// Returns whether the hourly run finishes every account deletion, although every running process was killed. A wrong
/// `movie_count` is repaired before a second run, as `docs/OPERATIONS.md` says.
fn finishes(model: &System<AccountDeletion>, state: &Reached) -> bool {
    let (protocol, mut tables) = (&model.protocol, state.tables.clone());
    protocol.hourly_run(&mut tables);
    if protocol.count_error != 0 {
        let found = i8::try_from(tables.movies_of(ANN)).unwrap_or_default();
        if let Some(ann) = tables.users[ANN].as_mut().filter(|ann| !ann.active) {
            ann.movie_count = found;
        }
        protocol.hourly_run(&mut tables);
    }
    tables.users.iter().flatten().all(|user| user.active) && tables.deletions == [None; 2]
}
