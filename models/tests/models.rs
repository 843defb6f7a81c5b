//! Checks the models, also against the numbers in `docs/MODELS.md`.

use std::{collections::BTreeSet, fs, path::Path};

use models::{
    account_deletion::{self, AccountDeletion},
    password_attempts::{self, PasswordAttempts},
    password_reset::{
        self,
        Part::{Mails, Tokens},
        PasswordReset,
    },
    system::{Protocol, System},
};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn an_account_deletion_leaves_nothing_behind() {
    check("account deletion", AccountDeletion::default(), 1);
}

#[test]
fn a_count_that_is_too_high_can_be_repaired() {
    check("account deletion, `movie_count` 1 too high", AccountDeletion { flaw: None, count_error: 1 }, 0);
}

#[test]
fn a_broken_account_deletion_is_noticed() {
    use account_deletion::Flaw::{
        CreateIgnoresSession, DeleteIgnoresSession, EmailFreedFirst, IndexDecides, NameTakenAnyway,
        OldClaimStays, PurgeIgnoresChanges, RenameIgnoresChanges, RetriggerPutsRow, RowPutLater,
    };
    let broken = |flaw| (AccountDeletion { flaw: Some(flaw), count_error: 0 }, format!("`{flaw:?}`"));
    let claims = "each movie has the claim on its name, and each claim its movie";
    let sessions = "no movie is created or deleted after the session has ended";
    refute(
        1,
        &[
            (broken(NameTakenAnyway), claims),
            (broken(OldClaimStays), claims),
            (broken(RenameIgnoresChanges), claims),
            (broken(PurgeIgnoresChanges), "movie_count is the number of the user's movies"),
            (broken(IndexDecides), "the owner of each movie exists"),
            (broken(EmailFreedFirst), "no email is freed before the movies of the account are gone"),
            (broken(EmailFreedFirst), "each user has the claim on the email, and the claim its user"),
            (broken(RowPutLater), "the hourly run finishes every account deletion"),
            (broken(RetriggerPutsRow), "exactly the users who are being deleted have an account deletion"),
            (broken(CreateIgnoresSession), sessions),
            (broken(DeleteIgnoresSession), sessions),
        ],
    );
    let too_low = (AccountDeletion { flaw: None, count_error: -1 }, "`movie_count` 1 too low".to_owned());
    find(&too_low, 0, "no email is freed before the movies of the account are gone");
}

#[test]
fn concurrent_guesses_gain_nothing() {
    let one_source = PasswordAttempts { flaw: None, attempts: 4, many_sources: false, skew: 0 };
    check("password attempts, 4 from one source", one_source.clone(), 0);
    check("password attempts, 3 from one source", PasswordAttempts { attempts: 3, ..one_source.clone() }, 1);
    let skewed = PasswordAttempts { attempts: 3, skew: 1, ..one_source };
    check("password attempts, 3 from one source, clocks 1 s apart", skewed, 1);
}

#[test]
fn guesses_from_many_sources_are_bounded() {
    let many_sources = PasswordAttempts { flaw: None, attempts: 5, many_sources: true, skew: 0 };
    check("password attempts, 5 from many sources", many_sources, 1);
}

#[test]
fn a_broken_limit_on_password_attempts_is_noticed() {
    use password_attempts::Flaw::{
        AdmissionIgnoresOthers, ClearedByWrongPassword, RecordedAfterCheck, WaitWithoutEnd, WindowIgnored,
        WindowNotCounted,
    };
    let broken = |flaw, many_sources| {
        let attempts = if many_sources { 5 } else { 4 };
        (PasswordAttempts { flaw: Some(flaw), attempts, many_sources, skew: 0 }, format!("`{flaw:?}`"))
    };
    let concurrent = "guesses from one source gain nothing from being concurrent";
    let window = "a window is exceeded only by attempts in flight, less one";
    refute(
        0,
        &[
            (broken(AdmissionIgnoresOthers, false), concurrent),
            (broken(RecordedAfterCheck, false), concurrent),
            (broken(ClearedByWrongPassword, false), concurrent),
            (broken(WindowIgnored, true), window),
            (broken(WindowNotCounted, true), window),
            (broken(WaitWithoutEnd, false), "the owner can log in after the longest wait, in the next hour"),
        ],
    );
}

#[test]
fn a_reset_token_works_once_and_no_mail_is_lost() {
    check("password resets, the tokens", PasswordReset { flaw: None, part: Tokens }, 1);
    check("password resets, the mails", PasswordReset { flaw: None, part: Mails }, 1);
}

#[test]
fn a_broken_password_reset_is_noticed() {
    use password_reset::Flaw::{
        CountedRowIsTaken, LimitIgnored, LogoutHasNoCondition, NoticePutLater, OwnLogoutUnknown,
        ResetIgnoresSession, RowDeletedFirst, RowNotMarked, TokenStays,
    };
    let broken = |flaw, part| (PasswordReset { flaw: Some(flaw), part }, format!("`{flaw:?}`"));
    refute(
        1,
        &[
            (broken(TokenStays, Tokens), "a reset token sets one password at most"),
            (
                broken(ResetIgnoresSession, Tokens),
                "a reset token sets no password after its session has ended",
            ),
            (broken(NoticePutLater, Mails), "a notice exists exactly if its password was set"),
            (broken(LogoutHasNoCondition, Tokens), "a logout ends sessions once at most"),
            (broken(OwnLogoutUnknown, Tokens), "a logout that has ended sessions is not refused"),
            (broken(RowDeletedFirst, Mails), "a row ends only when its mail is sent or dropped"),
            (broken(LimitIgnored, Mails), "an account gets no more reset mails in an hour than the limit"),
            (broken(RowNotMarked, Mails), "a mail is counted once each time its row is put"),
            (broken(CountedRowIsTaken, Mails), "the hourly run sends or drops every mail"),
        ],
    );
}

#[test]
fn every_step_names_a_function_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut steps = 0;
    for model in ["account_deletion", "password_attempts", "password_reset"] {
        let text = fs::read_to_string(root.join(format!("src/{model}.rs"))).expect("a model");
        let (_, step) = text.split_once("pub enum Step {").expect("the steps");
        let (step, _) = step.split_once("\n}").expect("the end of the steps");
        for variant in step.split("    /// `").skip(1) {
            let (function, _) = variant.split_once('`').expect("the name of a function");
            let (file, function) = function.split_once("::").expect("a file and a function");
            let source = fs::read_to_string(root.join("..").join(file)).expect(file);
            let exists = ["(", "<"].iter().any(|next| source.contains(&format!("fn {function}{next}")));
            assert!(exists, "{file} has no function {function}");
            steps += 1;
        }
        let variants = step.lines().filter(|line| line.starts_with("    ") && !line.contains("///")).count();
        assert_eq!(step.matches("    /// `").count(), variants, "a step of {model} names no function");
    }
    assert!(steps > 10);
}

/// Visits every state. Panics if a property does not hold, or if the document has another number of states.
fn check<P: Protocol>(name: &str, protocol: P, delays: u8) {
    let checker = System { protocol, delays }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "{name}: not all states were visited");
    documented(&[name, &delays.to_string(), &with_commas(checker.unique_state_count())]);
}

/// Panics unless the checker finds each property violated in its broken model, and unless every property of the model is
/// violated in one of them.
fn refute<P: Protocol>(delays: u8, cases: &[((P, String), &'static str)]) {
    for (broken, property) in cases {
        find(broken, delays, property);
    }
    let refuted: BTreeSet<&str> = cases.iter().map(|(_, property)| *property).collect();
    let properties: Vec<_> = P::properties().into_iter().map(|property| property.name).collect();
    assert_eq!(refuted, properties.into_iter().collect(), "properties that a flaw violates");
}

/// Panics unless the checker finds the property violated, and the document says so.
fn find<P: Protocol>((protocol, name): &(P, String), delays: u8, property: &'static str) {
    let system = System { protocol: protocol.clone(), delays };
    let found = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = system.checker().threads(2).finish_when(found).spawn_bfs().join();
    assert!(checker.discovery(property).is_some(), "{name} does not violate: {property}");
    documented(&[property, name]);
}

/// Panics unless a table of the document has a row that begins with these cells.
fn documented(cells: &[&str]) {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/MODELS.md");
    let row = format!("| {} |", cells.join(" | "));
    let text = fs::read_to_string(document).expect("the document");
    assert!(text.lines().any(|line| line.starts_with(&row)), "docs/MODELS.md has no row {row}");
}

/// Returns a number as documents write it: `1,234,567`.
fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}
