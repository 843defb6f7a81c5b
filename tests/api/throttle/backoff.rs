//! One account and one address: five failures are free, and each further one doubles the wait.

use futures_util::future::join;
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::json;

use super::{
    OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, STRANGER, ThrottleTest, failures, login, now, number,
    retry_after, seen,
};
use crate::{
    consistency::assert_consistent,
    expect::status_and_code,
    test_app::{PASSWORD, PASSWORD_ATTEMPTS, TestApp, get, movie, post},
};

/// Long enough that a slow machine does not matter.
const A_MINUTE: i64 = 60_000;

#[tokio::test]
async fn waits_double_from_the_sixth_failure_to_15_minutes() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = ThrottleTest::new(endpoint).await;
        for _ in 1..=4 {
            test.fail(STRANGER).await;
        }
        let waits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
        for (more, wait) in waits.into_iter().enumerate() {
            let before = now();
            test.fail(STRANGER).await;
            let after = now();
            let counter = test.strict().remove(0);
            assert_eq!(failures(&counter), 5 + more as u64, "{endpoint:?}");
            let blocked_until = number(&counter, "blocked_until");
            let expected = before + wait * 1_000..=after + wait * 1_000;
            assert!(
                expected.contains(&blocked_until),
                "{endpoint:?}: {blocked_until} is not in {expected:?}"
            );

            // A short wait could end before the next attempt arrives.
            let blocked_until = if wait < 60 { blocked_until + A_MINUTE } else { blocked_until };
            test.block_until(blocked_until);
            let before = now();
            let response = test.blocked(test.guess(STRANGER)).await;
            let seconds = |from: i64| (blocked_until - from + 999) / 1_000;
            let expected = seconds(now())..=seconds(before);
            assert!(
                expected.contains(&retry_after(&response)),
                "{endpoint:?}: {response:?}, not {expected:?}"
            );
            test.let_waits_pass();
        }
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn a_blocked_attempt_is_429_with_its_wait() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    test.fail_times(9, STRANGER).await;
    test.block_until(now() + A_MINUTE);
    let response = test.blocked(test.guess(STRANGER)).await;
    insta::assert_json_snapshot!(response.json(), {".request_id" => "[id]"}, @r#"
    {
      "code": "too_many_attempts",
      "detail": "Too many failed attempts, please wait",
      "error": "Too many failed attempts, please wait",
      "request_id": "[id]",
      "status": 429,
      "title": "Too Many Requests"
    }
    "#);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_right_password_is_blocked_until_the_wait_is_over() {
    for endpoint in PASSWORD_ENDPOINTS {
        let mut test = ThrottleTest::new(endpoint).await;
        test.fail_times(5, STRANGER).await;
        test.block_until(now() + A_MINUTE);
        for _ in 0..3 {
            test.blocked(test.attempt(PASSWORD, STRANGER)).await;
        }
        assert_eq!(
            (test.strict_failures(), test.window_failures(super::ACCOUNT_LIMIT)),
            (5, 5),
            "{endpoint:?}"
        );
        test.let_waits_pass();
        test.succeed(STRANGER).await;
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn a_right_password_resets_the_failures() {
    for endpoint in PASSWORD_ENDPOINTS {
        let mut test = ThrottleTest::new(endpoint).await;
        test.fail_times(7, OWNER).await;
        test.succeed(OWNER).await;
        assert_eq!(test.strict_failures(), 0, "{endpoint:?}");
        // The hourly counters keep failures and do not count successes.
        for limit in [super::ACCOUNT_LIMIT, super::SOURCE_LIMIT] {
            assert_eq!(test.window_failures(limit), 7 + endpoint.kept(1), "{endpoint:?} {limit}");
        }
        // Five failures are free again, without a wait between them.
        for _ in 0..5 {
            test.fail(OWNER).await;
        }
        test.block_until(now() + A_MINUTE);
        test.blocked(test.guess(OWNER)).await;
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn each_endpoint_has_its_own_failures() {
    let mut test = ThrottleTest::new(PasswordEndpoint::Login).await;
    for _ in 0..4 {
        for endpoint in PASSWORD_ENDPOINTS {
            test.endpoint = endpoint;
            test.fail(STRANGER).await;
        }
    }
    // Four failures each: the next one causes no wait at either endpoint.
    for endpoint in PASSWORD_ENDPOINTS {
        test.endpoint = endpoint;
        test.fail(STRANGER).await;
        assert_eq!(test.window_failures(super::ACCOUNT_LIMIT), 5, "{endpoint:?}");
    }
    test.block_until(now() + A_MINUTE);
    for endpoint in PASSWORD_ENDPOINTS {
        test.endpoint = endpoint;
        test.blocked(test.attempt(PASSWORD, STRANGER)).await;
    }
    assert_eq!(test.strict().len(), 2);
    assert_consistent(&test.app);
}

#[tokio::test]
async fn an_invalid_new_password_is_no_attempt() {
    let test = ThrottleTest::new(PasswordEndpoint::ChangePassword).await;
    let before = test.counted();
    for current in [PASSWORD, "a wrong password"] {
        for new in ["short", "password1", "x\0xxxxxxxxx", &"x".repeat(73)] {
            let body = json!({"current_password": current, "new_password": new});
            let request = crate::test_app::put("/api/auth/password", &body).bearer(&test.ann.token);
            let response = test.app.send(request).await;
            assert_eq!(status_and_code(&response), (400, "validation_failed".to_owned()), "{new:?}");
            assert_eq!(test.app.hash_rounds(&response).await, 0);
        }
    }
    assert_eq!(test.counted(), before);
}

#[tokio::test]
async fn unknown_accounts_are_slowed_down_like_known_ones() {
    let app = TestApp::start_with(1, &[crate::test_app::hashing::LOG_HASHES]).await;
    let ann = app.create_user("ann").await;
    let test = ThrottleTest { app, endpoint: PasswordEndpoint::Login, ann };
    let longest = "x".repeat(1_024);
    let mut stories = Vec::new();
    for email in [&test.ann.email, "bob@example.com", "not an address", "", "ann@example.com\0", &longest] {
        let mut story = Vec::new();
        for _ in 0..5 {
            let response = test.app.send(login(email, "a wrong password", STRANGER)).await;
            story.push((seen(&response), test.app.hash_rounds(&response).await));
        }
        let until = now() + A_MINUTE;
        test.block_until(until);
        for password in ["a wrong password", PASSWORD] {
            let before = now();
            let response = test.blocked(login(email, password, STRANGER)).await;
            let expected = (until - now() + 999) / 1_000..=(until - before + 999) / 1_000;
            assert!(expected.contains(&retry_after(&response)), "{email:?}: {response:?}, not {expected:?}");
            story.push((seen(&response), 0));
        }
        stories.push(story);
    }
    let statuses: Vec<u16> = stories[0].iter().map(|(response, _)| response.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    for story in &stories {
        assert_eq!(story, &stories[0]);
    }
    assert_eq!(test.strict().len(), stories.len());
}

#[tokio::test]
async fn emails_in_another_case_share_their_failures() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    for email in
        ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@Example.Com", "aNN@example.com"]
    {
        let response = test.app.send(login(email, "a wrong password", STRANGER)).await;
        assert_eq!(response.status, 401);
    }
    assert_eq!(test.strict_failures(), 5);
    test.block_until(now() + A_MINUTE);
    test.blocked(login("Ann@Example.com", PASSWORD, STRANGER)).await;
    assert_eq!(test.windows(super::ACCOUNT_LIMIT).len(), 1);
}

#[tokio::test]
async fn guesses_do_not_affect_a_signed_in_user() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    test.fail_times(6, STRANGER).await;
    test.set_windows(super::ACCOUNT_LIMIT, super::ACCOUNT_LIMIT);
    test.block_until(now() + A_MINUTE);
    test.blocked(test.attempt(PASSWORD, STRANGER)).await;
    for request in
        [get("/api/auth/account"), post("/api/movies", &movie("Heat")), post("/api/auth/logout", &json!({}))]
    {
        let response = test.app.send(request.bearer(&test.ann.token).source_ip(STRANGER)).await;
        assert_eq!(response.status, 200, "{}", response.body);
    }
    assert_consistent(&test.app);
}

#[tokio::test]
async fn expired_counters_do_not_count() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = ThrottleTest::new(endpoint).await;
        test.fail_times(12, STRANGER).await;
        test.block_until(now() + A_MINUTE);
        test.blocked(test.guess(STRANGER)).await;
        let counter = test.strict().remove(0);
        let a_second_ago = json!({"N": (now() / 1_000 - 1).to_string()});
        test.app.edit_item(PASSWORD_ATTEMPTS, super::key(&counter), |counter| {
            counter["expires_at"] = a_second_ago;
        });
        test.fail(STRANGER).await;
        assert_eq!(test.strict_failures(), 1, "{endpoint:?}");
    }
}

/// The first read is eventually consistent. It can show a wait that has been reset since.
#[tokio::test]
async fn a_wait_is_confirmed_by_a_consistent_read() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = ThrottleTest::new(endpoint).await;
        test.fail_times(5, OWNER).await;
        test.block_until(now() + A_MINUTE);
        test.app.proxy.clear_calls();
        test.blocked(test.attempt(PASSWORD, OWNER)).await;
        let mut reads = test.app.proxy.calls_of(endpoint.operation());
        reads.retain(|call| call.operation == "BatchGetItem");
        let consistent: Vec<bool> = reads
            .iter()
            .map(|call| call.body["RequestItems"][PASSWORD_ATTEMPTS]["ConsistentRead"] == true)
            .collect();
        assert_eq!(consistent, [false, true], "{endpoint:?}");

        let gate = Gate::new();
        let held = Rule::once(Fault::Hold(gate.clone())).from(endpoint.operation()).on("BatchGetItem");
        test.app.proxy.inject(held.after(1));
        let request = test.attempt(PASSWORD, OWNER);
        let reset = async {
            gate.reached().await;
            test.let_waits_pass();
            gate.open();
        };
        let (response, ()) = join(test.app.send(request), reset).await;
        assert_eq!(response.status, 200, "{endpoint:?}: {}", response.body);
    }
}
