//! The hourly limits: of an account from all addresses, and of an address for all accounts.

use super::{
    ACCOUNT_LIMIT, OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, SOURCE_LIMIT, STRANGER, ThrottleTest,
    early_in_the_hour, hours_end, login, now, retry_after, seen,
};
use crate::{consistency::assert_consistent, test_app::PASSWORD};

#[tokio::test]
async fn an_account_has_a_hundred_failures_an_hour() {
    for endpoint in PASSWORD_ENDPOINTS {
        let mut test = ThrottleTest::new(endpoint).await;
        early_in_the_hour().await;
        test.fail("198.51.100.1").await;
        test.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT - 2);
        test.fail("198.51.100.2").await;
        test.fail("198.51.100.3").await;
        assert_eq!(test.window_failures(ACCOUNT_LIMIT), ACCOUNT_LIMIT, "{endpoint:?}");

        for (address, password) in
            [("198.51.100.4", "a wrong password"), ("198.51.100.1", PASSWORD), (OWNER, PASSWORD)]
        {
            waits_for_the_hours_end(&test, test.attempt(password, address)).await;
        }
        assert_eq!(test.strict().len(), 3, "{endpoint:?}: blocked attempts have no counters");

        test.let_the_hour_pass();
        test.succeed(OWNER).await;
        test.fail("198.51.100.4").await;
        assert_eq!(test.window_failures(ACCOUNT_LIMIT), 1 + endpoint.kept(1), "{endpoint:?}");
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn strangers_at_the_login_cannot_block_a_signed_in_owner() {
    let mut test = ThrottleTest::new(PasswordEndpoint::Login).await;
    early_in_the_hour().await;
    // The most that strangers can do, even from the owner's own address.
    use_up_every_try(&mut test).await;
    test.blocked(test.attempt(PASSWORD, OWNER)).await;
    test.blocked(test.attempt(PASSWORD, STRANGER)).await;

    test.endpoint = PasswordEndpoint::ChangePassword;
    test.succeed(OWNER).await;
    test.fail(OWNER).await;
    assert_eq!(test.window_failures(ACCOUNT_LIMIT), 2, "the owner's own attempts");
    test.succeed(OWNER).await;
    test.endpoint = PasswordEndpoint::Login;
    test.blocked(test.attempt(PASSWORD, OWNER)).await;
    assert_eq!(
        test.window_failures(ACCOUNT_LIMIT),
        ACCOUNT_LIMIT,
        "a password change resets no failure of a login"
    );
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_stolen_token_cannot_block_logins() {
    let mut test = ThrottleTest::new(PasswordEndpoint::ChangePassword).await;
    early_in_the_hour().await;
    use_up_every_try(&mut test).await;
    test.blocked(test.attempt(PASSWORD, OWNER)).await;
    test.endpoint = PasswordEndpoint::Login;
    test.succeed(OWNER).await;
    assert_consistent(&test.app);
}

#[tokio::test]
async fn an_account_gets_a_hundred_changes_of_its_password_an_hour() {
    let mut test = ThrottleTest::new(PasswordEndpoint::ChangePassword).await;
    early_in_the_hour().await;
    test.succeed(OWNER).await;
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        assert_eq!(test.window_failures(limit), 1, "a correct password counts as an attempt of {limit}");
        test.set_windows(limit, limit - 1);
        test.succeed(OWNER).await;
        waits_for_the_hours_end(&test, test.attempt(PASSWORD, OWNER)).await;
        test.set_windows(limit, 1);
        test.set_windows(if limit == ACCOUNT_LIMIT { SOURCE_LIMIT } else { ACCOUNT_LIMIT }, 1);
    }
    assert_consistent(&test.app);
}

#[tokio::test]
async fn a_right_password_works_with_one_failure_left() {
    let mut test = ThrottleTest::new(PasswordEndpoint::Login).await;
    early_in_the_hour().await;
    test.fail(STRANGER).await;
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        test.set_windows(limit, limit - 1);
    }
    for _ in 0..3 {
        test.succeed(STRANGER).await;
    }
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        assert_eq!(test.window_failures(limit), limit - 1);
    }
    assert_consistent(&test.app);
}

#[tokio::test]
async fn an_address_has_a_thousand_failures_an_hour_with_all_accounts() {
    let mut test = ThrottleTest::new(PasswordEndpoint::Login).await;
    early_in_the_hour().await;
    test.fail(STRANGER).await;
    test.set_windows(SOURCE_LIMIT, SOURCE_LIMIT - 1);
    let last = test.app.send(login("bob@example.com", "a wrong password", STRANGER)).await;
    assert_eq!(last.status, 401);

    for email in [test.ann.email.as_str(), "bob@example.com", "nobody@example.com", "not an address"] {
        waits_for_the_hours_end(&test, login(email, PASSWORD, STRANGER)).await;
    }
    assert_eq!(test.window_failures(ACCOUNT_LIMIT), 2, "a blocked attempt counts for no account");
    test.succeed(OWNER).await;
    test.let_the_hour_pass();
    test.fail(STRANGER).await;
    assert_consistent(&test.app);
}

#[tokio::test]
async fn known_and_unknown_accounts_at_the_limit_look_alike() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    early_in_the_hour().await;
    let emails = [test.ann.email.as_str(), "nobody@example.com", "not an address"];
    for email in emails {
        assert_eq!(test.app.send(login(email, "a wrong password", STRANGER)).await.status, 401);
    }
    test.set_windows(ACCOUNT_LIMIT, ACCOUNT_LIMIT);
    let mut refusals = Vec::new();
    for email in emails {
        refusals.push(seen(&test.blocked(login(email, PASSWORD, OWNER)).await));
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

/// Panics unless the attempt is blocked until the hour ends.
async fn waits_for_the_hours_end(test: &ThrottleTest, request: local::gateway::HttpRequest) {
    let (before, end) = (now(), hours_end());
    let response = test.blocked(request).await;
    let seconds = |from: i64| end / 1_000 - from / 1_000;
    let expected = seconds(now())..=seconds(before);
    assert!(expected.contains(&retry_after(&response)), "{response:?}, not {expected:?}");
}

/// Uses up all attempts of the owner's account at the endpoint: it has to wait, and both hourly counters are at their
/// limit.
async fn use_up_every_try(test: &mut ThrottleTest) {
    test.fail_times(8, OWNER).await;
    test.block_until(now() + 60_000);
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        test.set_windows(limit, limit);
    }
}
