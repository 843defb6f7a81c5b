//! `POST /api/auth/forgot`: the same for every address, and at most 20 requests an hour from one source.

use futures_util::future::join_all;
use local::gateway::HttpResponse;
use serde_json::{Value, json};

use crate::{
    expect::{expect_faults, expect_problem, response_snapshot},
    operations::described,
    test_app::{PASSWORD_ATTEMPTS, TestApp, delete, forgot_password, post},
    throttle::early_in_the_hour,
};

/// Returns the function's requests to DynamoDB, with the values that differ between any two requests taken out.
fn requests(app: &TestApp) -> Vec<Value> {
    let calls = app.proxy.calls_of("forgot-password").into_iter();
    calls
        .map(|call| {
            let mut body = call.body;
            for member in ["id", "email", "created_at"] {
                if !body["Item"][member].is_null() {
                    body["Item"][member] = json!(body["Item"][member]["S"].is_string());
                }
            }
            if !body["ExpressionAttributeValues"][":expires_at"].is_null() {
                body["ExpressionAttributeValues"][":expires_at"] = Value::Null;
            }
            json!([call.operation, body])
        })
        .collect()
}

#[tokio::test]
async fn known_and_unknown_emails_get_the_same_response() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let response = app.send(delete("/api/auth/account").bearer(&bob.token)).await;
    assert_eq!(response.status, 202);
    let mut seen = Vec::new();
    for email in [&ann.email, "ANN@example.com", "nobody@example.com", &bob.email] {
        app.proxy.clear_calls();
        let response = app.forgot_password(email).await;
        seen.push((response_snapshot(&response), requests(&app)));
    }
    assert_eq!(seen[0].1.len(), 2, "{seen:#?}");
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:#?}");
    assert_eq!((&seen[0].0["status"], &seen[0].0["body"]), (&json!(202), &json!({})));
}

#[tokio::test]
async fn a_request_becomes_a_mail_in_the_outbox() {
    let app = TestApp::start().await;
    app.forgot_password("Ann@Example.com").await;
    let [mail] = &app.outbox()[..] else { panic!("one mail expected: {:?}", app.outbox()) };
    let names: Vec<&String> = mail.as_object().expect("an item").keys().collect();
    assert_eq!(names, ["created_at", "email", "id", "kind"]);
    assert_eq!((&mail["kind"]["S"], &mail["email"]["S"]), (&json!("reset"), &json!("ann@example.com")));
    // The stream has only the key, so it contains no address.
    let record = &app.mail_records()[0]["dynamodb"];
    assert_eq!(record["Keys"], json!({"id": mail["id"]}));
    assert!(record["NewImage"].is_null() && record["OldImage"].is_null(), "{record}");
}

#[tokio::test]
async fn the_body_must_be_one_email() {
    let app = TestApp::start().await;
    for (body, faults) in [
        (json!({}), &[("email", "is required")][..]),
        (json!({"email": 7}), &[("email", "must be a string")]),
        (
            json!({"email": "ann", "x": 1}),
            &[("email", "must be one email address, such as ann@example.com"), ("x", "is not a known field")],
        ),
    ] {
        expect_faults(&app.send(post("/api/auth/forgot", &body)).await, faults);
    }
    assert_eq!(app.proxy.calls_of("forgot-password").len(), 0, "an invalid request is not counted");
    assert!(described().any(|operation| operation.name == "forgot-password"), "the rest is tested for all");
}

#[tokio::test]
async fn the_21st_request_of_an_address_waits_for_the_next_hour() {
    early_in_the_hour().await;
    let app = TestApp::start().await;
    app.start_many("forgot-password", 5).await;
    let from = |source: &str, number: usize| {
        let request = forgot_password(&format!("user{number}@example.com")).source_ip(source);
        app.send(request)
    };
    // Concurrent requests do not exceed the limit either.
    let responses = join_all((0..30).map(|number| from("192.0.2.7", number))).await;
    let (accepted, refused): (Vec<HttpResponse>, Vec<HttpResponse>) =
        responses.into_iter().partition(|response| response.status == 202);
    assert_eq!((accepted.len(), app.outbox().len()), (20, 20));
    for response in &refused {
        expect_problem(response, 429, "too_many_attempts");
        let wait: u64 = response.header("retry-after").expect("a wait").parse().expect("seconds");
        assert!((1..=3_600).contains(&wait), "{wait}");
    }
    // Another address is not affected; a network of IPv6 is one address.
    assert_eq!(from("192.0.2.8", 30).await.status, 202);
    for number in 0..20 {
        assert_eq!(from(&format!("2001:db8::{number}"), number).await.status, 202);
    }
    expect_problem(&from("2001:db8::ffff", 1).await, 429, "too_many_attempts");
    let text = format!("{:?}", app.items(PASSWORD_ATTEMPTS, ""));
    for private in ["192.0.2", "2001:db8", "@example.com"] {
        assert!(!text.contains(private), "the counters contain {private}: {text}");
    }
}
