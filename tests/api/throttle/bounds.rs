//! The bounds of an hour: what an account takes from everywhere, and an address everywhere.

use super::{
    ACCOUNT_LIMIT, DOORS, Door, House, OWNER, SOURCE_LIMIT, STRANGER, early_in_the_hour, hours_end, login,
    now, retry_after, seen,
};
use crate::{bag::PASSWORD, consistency::assert_consistent};

#[tokio::test]
async fn an_account_takes_a_hundred_failures_an_hour_from_everywhere() {
    for door in DOORS {
        let mut house = House::new(door).await;
        early_in_the_hour().await;
        house.fail("198.51.100.1").await;
        house.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT - 2);
        house.fail("198.51.100.2").await;
        house.fail("198.51.100.3").await;
        assert_eq!(house.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT, "{door:?}");

        for (address, password) in
            [("198.51.100.4", "a wrong password"), ("198.51.100.1", PASSWORD), (OWNER, PASSWORD)]
        {
            waits_for_the_hours_end(&house, house.attempt(password, address)).await;
        }
        assert_eq!(house.strict().len(), 3, "{door:?}: blocked tries have no counters");

        house.let_the_hour_pass();
        house.succeed(OWNER).await;
        house.fail("198.51.100.4").await;
        assert_eq!(house.window_failures(ACCOUNT_LIMIT), 1 + door.kept(1), "{door:?}");
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn strangers_at_the_login_cannot_block_a_signed_in_owner() {
    let mut house = House::new(Door::Login).await;
    early_in_the_hour().await;
    // As much as strangers can do, and even from the owner's own address.
    use_up_every_try(&mut house).await;
    house.blocked(house.attempt(PASSWORD, OWNER)).await;
    house.blocked(house.attempt(PASSWORD, STRANGER)).await;

    house.door = Door::ChangePassword;
    house.succeed(OWNER).await;
    house.fail(OWNER).await;
    assert_eq!(house.window_failures(ACCOUNT_LIMIT), 2, "the owner's own tries");
    house.succeed(OWNER).await;
    house.door = Door::Login;
    house.blocked(house.attempt(PASSWORD, OWNER)).await;
    assert_eq!(house.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT, "a change forgives no guess of a login");
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn a_stolen_token_cannot_block_logins() {
    let mut house = House::new(Door::ChangePassword).await;
    early_in_the_hour().await;
    use_up_every_try(&mut house).await;
    house.blocked(house.attempt(PASSWORD, OWNER)).await;
    house.door = Door::Login;
    house.succeed(OWNER).await;
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn an_account_gets_a_hundred_changes_of_its_password_an_hour() {
    let mut house = House::new(Door::ChangePassword).await;
    early_in_the_hour().await;
    house.succeed(OWNER).await;
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        assert_eq!(house.window_failures(limit), 1, "a right password counts as a try of {limit}");
        house.set_windows(limit, limit - 1);
        house.succeed(OWNER).await;
        waits_for_the_hours_end(&house, house.attempt(PASSWORD, OWNER)).await;
        house.set_windows(limit, 1);
        house.set_windows(if limit == ACCOUNT_LIMIT { SOURCE_LIMIT } else { ACCOUNT_LIMIT }, 1);
    }
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn a_right_password_is_let_in_while_one_more_failure_would_be() {
    let mut house = House::new(Door::Login).await;
    early_in_the_hour().await;
    house.fail(STRANGER).await;
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        house.set_windows(limit, limit - 1);
    }
    for _ in 0..3 {
        house.succeed(STRANGER).await;
    }
    // Also that of the first login has become one less than full, and nobody has come from there since.
    for (limit, windows) in [(ACCOUNT_LIMIT, 1), (SOURCE_LIMIT, 2)] {
        assert_eq!(house.window_failures(limit), windows * (limit - 1));
    }
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn an_address_has_a_thousand_failures_an_hour_with_all_accounts() {
    let mut house = House::new(Door::Login).await;
    early_in_the_hour().await;
    house.fail(STRANGER).await;
    house.set_windows(SOURCE_LIMIT, SOURCE_LIMIT - 1);
    let last = house.bag.send(login("bob@example.com", "a wrong password", STRANGER)).await;
    assert_eq!(last.status, 401);

    for email in [house.ann.email.as_str(), "bob@example.com", "nobody@example.com", "not an address"] {
        waits_for_the_hours_end(&house, login(email, PASSWORD, STRANGER)).await;
    }
    assert_eq!(house.window_failures(ACCOUNT_LIMIT), 2, "what is blocked counts for no account");
    house.succeed(OWNER).await;
    house.let_the_hour_pass();
    house.fail(STRANGER).await;
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn a_full_account_is_refused_alike_whether_it_exists_or_not() {
    let house = House::new(Door::Login).await;
    early_in_the_hour().await;
    let emails = [house.ann.email.as_str(), "nobody@example.com", "not an address"];
    for email in emails {
        assert_eq!(house.bag.send(login(email, "a wrong password", STRANGER)).await.status, 401);
    }
    house.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT);
    let mut refusals = Vec::new();
    for email in emails {
        refusals.push(seen(&house.blocked(login(email, PASSWORD, OWNER)).await));
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

/// The try is blocked until the hour ends.
async fn waits_for_the_hours_end(house: &House, request: local::gateway::HttpRequest) {
    let (before, end) = (now(), hours_end());
    let response = house.blocked(request).await;
    let seconds = |from: i64| end / 1_000 - from / 1_000;
    let expected = seconds(now())..=seconds(before);
    assert!(expected.contains(&retry_after(&response)), "{response:?}, not {expected:?}");
}

/// Leaves the owner's account no try at the present door: it waits, and both windows of the hour are full.
async fn use_up_every_try(house: &mut House) {
    house.fail_times(8, OWNER).await;
    house.block_until(now() + 60_000);
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        house.set_windows(limit, limit);
    }
}
