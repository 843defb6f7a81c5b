//! One account and one address: five failures are free, then every further one costs a wait that doubles.

use serde_json::json;

use super::{DOORS, Door, House, OWNER, STRANGER, failures, login, now, number, retry_after, seen};
use crate::{
    bag::{ATTEMPTS, Bag, PASSWORD, get, movie, post},
    consistency::assert_consistent,
    expect::refusal,
};

/// Far enough away that the machine cannot be too slow for it.
const A_MINUTE: i64 = 60_000;

#[tokio::test]
async fn five_failures_are_free_and_then_each_wait_is_twice_as_long_up_to_fifteen_minutes() {
    for door in DOORS {
        let house = House::new(door).await;
        for _ in 1..=4 {
            house.fail(STRANGER).await;
        }
        let waits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
        for (more, wait) in waits.into_iter().enumerate() {
            let before = now();
            house.fail(STRANGER).await;
            let after = now();
            let counter = house.strict().remove(0);
            assert_eq!(failures(&counter), 5 + more as u64, "{door:?}");
            let blocked_until = number(&counter, "blocked_until");
            let expected = before + wait * 1_000..=after + wait * 1_000;
            assert!(expected.contains(&blocked_until), "{door:?}: {blocked_until} is not in {expected:?}");

            // A short wait could be over before the next try arrives.
            let blocked_until = if wait < 60 { blocked_until + A_MINUTE } else { blocked_until };
            house.block_until(blocked_until);
            let before = now();
            let response = house.blocked(house.guess(STRANGER)).await;
            let seconds = |from: i64| (blocked_until - from + 999) / 1_000;
            let expected = seconds(now())..=seconds(before);
            assert!(expected.contains(&retry_after(&response)), "{door:?}: {response:?}, not {expected:?}");
            house.let_waits_pass();
        }
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn a_blocked_try_is_told_to_wait() {
    let house = House::new(Door::Login).await;
    house.fail_times(9, STRANGER).await;
    house.block_until(now() + A_MINUTE);
    let response = house.blocked(house.guess(STRANGER)).await;
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
async fn a_blocked_try_is_turned_away_even_if_it_is_right_and_until_the_wait_is_over() {
    for door in DOORS {
        let mut house = House::new(door).await;
        house.fail_times(5, STRANGER).await;
        house.block_until(now() + A_MINUTE);
        for _ in 0..3 {
            house.blocked(house.attempt(PASSWORD, STRANGER)).await;
        }
        assert_eq!(
            (house.strict_failures(), house.window_failures(super::ACCOUNT_LIMIT)),
            (5, 5),
            "{door:?}"
        );
        house.let_waits_pass();
        house.succeed(STRANGER).await;
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn a_right_password_forgives_what_was_wrong_before() {
    for door in DOORS {
        let mut house = House::new(door).await;
        house.fail_times(7, OWNER).await;
        house.succeed(OWNER).await;
        assert_eq!(house.strict_failures(), 0, "{door:?}");
        // The hour remembers what failed, and does not count what succeeded.
        for limit in [super::ACCOUNT_LIMIT, super::SOURCE_LIMIT] {
            assert_eq!(house.window_failures(limit), 7 + door.kept(1), "{door:?} {limit}");
        }
        // Five are free again, without any wait in between.
        for _ in 0..5 {
            house.fail(OWNER).await;
        }
        house.block_until(now() + A_MINUTE);
        house.blocked(house.guess(OWNER)).await;
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn each_door_counts_failures_of_its_own() {
    let mut house = House::new(Door::Login).await;
    for _ in 0..4 {
        for door in DOORS {
            house.door = door;
            house.fail(STRANGER).await;
        }
    }
    // Four each: one more has no wait yet, at either door.
    for door in DOORS {
        house.door = door;
        house.fail(STRANGER).await;
        assert_eq!(house.window_failures(super::ACCOUNT_LIMIT), 5, "{door:?}");
    }
    house.block_until(now() + A_MINUTE);
    for door in DOORS {
        house.door = door;
        house.blocked(house.attempt(PASSWORD, STRANGER)).await;
    }
    assert_eq!(house.strict().len(), 2);
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn a_new_password_that_cannot_be_set_is_no_try_and_tells_nothing_of_the_current_one() {
    let house = House::new(Door::ChangePassword).await;
    let before = house.counted();
    for current in [PASSWORD, "a wrong password"] {
        for new in ["short", "password1", "x\0xxxxxxxxx", &"x".repeat(73)] {
            let body = json!({"current_password": current, "new_password": new});
            let request = crate::bag::put("/api/auth/password", &body).bearer(&house.ann.token);
            let response = house.bag.send(request).await;
            assert_eq!(refusal(&response), (400, "validation_failed".to_owned()), "{new:?}");
            assert_eq!(house.bag.rounds(&response).await, 0);
        }
    }
    assert_eq!(house.counted(), before);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_slowed_down_like_one_that_does() {
    let bag = Bag::start_with(1, &[crate::bag::hashing::TELL_OF_HASHES]).await;
    let ann = bag.person("ann").await;
    let house = House { bag, door: Door::Login, ann };
    let longest = "x".repeat(1_024);
    let mut stories = Vec::new();
    for email in [&house.ann.email, "bob@example.com", "not an address", "", "ann@example.com\0", &longest] {
        let mut story = Vec::new();
        for _ in 0..5 {
            let response = house.bag.send(login(email, "a wrong password", STRANGER)).await;
            story.push((seen(&response), house.bag.rounds(&response).await));
        }
        let until = now() + A_MINUTE;
        house.block_until(until);
        for password in ["a wrong password", PASSWORD] {
            let before = now();
            let response = house.blocked(login(email, password, STRANGER)).await;
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
    assert_eq!(house.strict().len(), stories.len());
}

#[tokio::test]
async fn the_case_of_an_email_makes_no_other_account() {
    let house = House::new(Door::Login).await;
    for email in
        ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@Example.Com", "aNN@example.com"]
    {
        let response = house.bag.send(login(email, "a wrong password", STRANGER)).await;
        assert_eq!(response.status, 401);
    }
    assert_eq!(house.strict_failures(), 5);
    house.block_until(now() + A_MINUTE);
    house.blocked(login("Ann@Example.com", PASSWORD, STRANGER)).await;
    assert_eq!(house.windows(super::ACCOUNT_LIMIT).len(), 1);
}

#[tokio::test]
async fn who_is_logged_in_notices_nothing_of_the_guesses() {
    let house = House::new(Door::Login).await;
    house.fail_times(6, STRANGER).await;
    house.set_windows(super::ACCOUNT_LIMIT, super::ACCOUNT_LIMIT);
    house.block_until(now() + A_MINUTE);
    house.blocked(house.attempt(PASSWORD, STRANGER)).await;
    for request in
        [get("/api/auth/account"), post("/api/movies", &movie("Heat")), post("/api/auth/logout", &json!({}))]
    {
        let response = house.bag.send(request.bearer(&house.ann.token).source_ip(STRANGER)).await;
        assert_eq!(response.status, 200, "{}", response.body);
    }
    assert_consistent(&house.bag);
}

#[tokio::test]
async fn failures_are_forgotten_when_their_time_is_over_although_the_counter_is_still_there() {
    for door in DOORS {
        let house = House::new(door).await;
        house.fail_times(12, STRANGER).await;
        house.block_until(now() + A_MINUTE);
        house.blocked(house.guess(STRANGER)).await;
        let counter = house.strict().remove(0);
        let a_second_ago = json!({"N": (now() / 1_000 - 1).to_string()});
        house.bag.edit(ATTEMPTS, super::key(&counter), |counter| counter["expires_at"] = a_second_ago);
        house.fail(STRANGER).await;
        assert_eq!(house.strict_failures(), 1, "{door:?}");
    }
}
