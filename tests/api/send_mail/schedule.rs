//! The hourly run, and the age of mails.

use std::time::Duration;

use local::mail_service::{Fault, Rule};
use serde_json::json;

use super::{age_mails, change_password, request_reset};
use crate::{
    emf,
    test_app::{OUTBOX, TestApp},
};

#[tokio::test]
async fn the_hourly_run_sends_what_the_stream_left() {
    let app = TestApp::start_with_json_logs().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    request_reset(&app, &ann.email).await;
    change_password(&app, &bob).await;
    age_mails(&app, Duration::from_mins(2));
    // The stream is about to send this one.
    let new = request_reset(&app, &bob.email).await;
    app.send_mails_on_schedule().await;
    assert_eq!((app.mails_to(&ann.email).len(), app.mails_to(&bob.email).len()), (1, 1));
    let left: Vec<_> = app.outbox().iter().map(|mail| mail["id"]["S"].clone()).collect();
    assert_eq!(left, [new]);
    app.wait_for_log_with(&["OldestMailAge"]).await;
    let measured = emf::measurements(&emf::documents(&app));
    let value = |name: &str| {
        let found = measured.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).value
    };
    assert!((value("PendingMails") - 3.0).abs() < f64::EPSILON);
    assert!((120.0..180.0).contains(&value("OldestMailAge")), "{}", value("OldestMailAge"));
    assert!((value("MailsSent") - 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn the_hourly_run_reports_an_empty_outbox() {
    let app = TestApp::start_with_json_logs().await;
    app.send_mails_on_schedule().await;
    let line = app.wait_for_log_with(&["PendingMails", "invocation completed"]).await;
    assert!(line.contains("\"PendingMails\":0.0") && line.contains("\"OldestMailAge\":0.0"), "{line}");
}

#[tokio::test]
async fn the_hourly_run_goes_on_after_a_mail_that_fails() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    request_reset(&app, &ann.email).await;
    request_reset(&app, &bob.email).await;
    age_mails(&app, Duration::from_mins(2));
    let corrupt = json!({"id": {"S": "01a2288d-7f0e-7618-86a2-ccdde4118869"}, "kind": {"S": "poem"}});
    app.database.put_item(OUTBOX, corrupt).expect("an item");
    app.mail_service.inject(Rule::always(Fault::ServerError).to(&ann.email));
    app.send_mails_on_schedule().await;
    assert_eq!((app.mails_to(&ann.email).len(), app.mails_to(&bob.email).len()), (0, 1));
    app.wait_for_log_with(&["ERROR", "a mail was not sent"]).await;
    app.wait_for_log_with(&["ERROR", "a mail was left out"]).await;
}

#[tokio::test]
async fn an_outdated_mail_is_dropped() {
    let app = TestApp::start().await;
    let minutes = Duration::from_mins;
    for (number, (is_notice, age, sent)) in [
        (false, minutes(59), 1),
        (false, minutes(61), 0),
        (true, minutes(23 * 60 + 59), 1),
        (true, minutes(24 * 60 + 1), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let user = app.create_user(&format!("user{number}")).await;
        if is_notice {
            change_password(&app, &user).await;
        } else {
            request_reset(&app, &user.email).await;
        }
        age_mails(&app, age);
        app.send_mails().await;
        assert_eq!((app.mails_to(&user.email).len(), app.outbox().len()), (sent, 0), "{age:?}");
    }
    app.wait_for_log_with(&["ERROR", "a mail was dropped", "outdated"]).await;
}
