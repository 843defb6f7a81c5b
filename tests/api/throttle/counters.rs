//! The contents of the counters: nothing that identifies a person, and nothing that is kept forever.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    ACCOUNT_LIMIT, PasswordEndpoint, SOURCE_LIMIT, STRANGER, ThrottleTest, early_in_the_hour, hours_end, key,
    login, now, number,
};
use crate::{
    expect::status_and_code,
    test_app::{PASSWORD_ATTEMPTS, TestApp},
};

#[tokio::test]
async fn counters_name_no_email_and_no_address() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    for email in [test.ann.email.as_str(), "nobody.at.all@example.com", "not an address"] {
        test.app.send(login(email, "a wrong password", STRANGER)).await;
    }
    let counters = test.app.items(PASSWORD_ATTEMPTS, "");
    // Three accounts with one address, three accounts and one address.
    assert_eq!(counters.len(), 3 + 3 + 1, "{counters:?}");
    for counter in &counters {
        let (name, hour) =
            key(counter).split_once('#').map_or((key(counter), None), |(name, hour)| (name, Some(hour)));
        assert_eq!(name.len(), 22, "sixteen bytes in base64url: {name}");
        assert!(
            hour.is_none_or(|hour| hour.parse() == Ok(now() / 3_600_000) || hours_end() < now()),
            "{hour:?}"
        );
        let stored = counter.to_string().to_lowercase();
        for word in ["ann", "example", "nobody", "address", "198.51", "203.0", "c6336442", "wrong"] {
            let known = stored.replace(&name.to_lowercase(), "");
            assert!(!known.contains(word), "{word} is in {counter}");
        }
        let attributes: BTreeSet<&str> =
            counter.as_object().expect("an item").keys().map(String::as_str).collect();
        let expected: &[&str] = match hour {
            Some(_) => &["expires_at", "failures", "pk"],
            None => &["blocked_until", "expires_at", "failures", "last_attempt", "pk"],
        };
        assert_eq!(attributes, expected.iter().copied().collect());
    }
}

#[tokio::test]
async fn counter_names_depend_on_the_key() {
    let names = |key: &'static str| async move {
        let app = TestApp::start_with(1, &[("JWT_SECRET_KEY", key)]).await;
        assert_eq!(app.log_in("ann@example.com", "a wrong password").await.status, 401);
        let counters = app.items(PASSWORD_ATTEMPTS, "");
        let names = counters.iter().map(|counter| key_without_hour(counter).to_owned());
        names.collect::<BTreeSet<_>>()
    };
    let one = names("one key for tests alone, which is long enough").await;
    let other = names("other key for tests alone, which is long enough").await;
    assert_eq!((one.len(), other.len()), (3, 3));
    assert_eq!(names("one key for tests alone, which is long enough").await, one);
    assert!(one.is_disjoint(&other));
}

#[tokio::test]
async fn every_counter_expires() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    let table =
        test.app.template.tables().iter().find(|table| table.name == PASSWORD_ATTEMPTS).expect("a table");
    let attribute = &table.time_to_live.as_ref().expect("a time to live").attribute_name;
    assert_eq!(attribute, "expires_at");

    early_in_the_hour().await;
    test.fail_times(4, STRANGER).await;
    let before = now();
    test.fail(STRANGER).await;
    let counter = test.strict().remove(0);
    let day = 24 * 60 * 60;
    assert_eq!(number(&counter, attribute), number(&counter, "blocked_until") / 1_000 + day);
    for limit in [ACCOUNT_LIMIT, SOURCE_LIMIT] {
        for window in test.windows(limit) {
            let expires_at = number(&window, attribute) * 1_000;
            assert!((hours_end()..=now() + 2 * 3_600_000).contains(&expires_at), "{window}");
        }
    }
    assert!(before < hours_end());
}

#[tokio::test]
async fn a_corrupt_counter_is_500_and_the_log_names_it() {
    let test = ThrottleTest::new(PasswordEndpoint::Login).await;
    test.fail(STRANGER).await;
    let counter = test.strict().remove(0);
    let corrupt: [(&str, Value); 3] = [
        ("blocked_until", json!({"S": "soon"})),
        ("expires_at", json!({"N": i64::MAX.to_string()})),
        ("failures", json!({"N": "-1"})),
    ];
    for (attribute, value) in corrupt {
        test.app.edit_item(PASSWORD_ATTEMPTS, key(&counter), |counter| counter[attribute] = value);
        let before = test.app.items(PASSWORD_ATTEMPTS, "");
        let response = test.app.send(test.guess(STRANGER)).await;
        assert_eq!(status_and_code(&response), (500, "internal".to_owned()), "{attribute}");
        assert_eq!(test.app.hash_rounds(&response).await, 0);
        assert_eq!(test.app.items(PASSWORD_ATTEMPTS, ""), before);
        let line = test.app.wait_for_log(response.json()["request_id"].as_str().expect("an id")).await;
        assert!(test.app.logs().iter().any(|line| line.contains(key(&counter))), "{line}");
        test.app.database.put_item(PASSWORD_ATTEMPTS, counter.clone()).expect("an item");
    }
    test.fail(STRANGER).await;
}

fn key_without_hour(counter: &Value) -> &str {
    key(counter).split_once('#').map_or(key(counter), |(name, _)| name)
}
