//! A mail service that throttles, refuses, hangs or loses its response, and failures of DynamoDB.

use std::time::Duration;

use local::{
    fault_proxy,
    mail_service::{Fault, Rule},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{SEND, change_password, request_reset};
use crate::test_app::{NEW_PASSWORD, PASSWORD_ATTEMPTS, TestApp};

#[tokio::test]
async fn a_mail_that_cannot_be_sent_now_is_sent_later() {
    let app = TestApp::start().await;
    for (number, fault) in [
        Fault::Throttle,
        Fault::ServerError,
        Fault::Unavailable503,
        Fault::AccessDenied,
        Fault::UnverifiedSender,
        Fault::Refuse("SendingPausedException"),
        Fault::Refuse("AccountSuspendedException"),
        Fault::Refuse("LimitExceededException"),
        Fault::Refuse("MailFromDomainNotVerifiedException"),
        Fault::Refuse("NotFoundException"),
    ]
    .into_iter()
    .enumerate()
    {
        let ann = app.create_user(&format!("ann{number}")).await;
        let id = request_reset(&app, &ann.email).await;
        app.mail_service.inject(Rule::always(fault.clone()));
        assert_eq!(app.deliver_mails().await, [id], "{fault:?}");
        assert_eq!(app.outbox().len(), 1, "{fault:?}");
        app.mail_service.clear_rules();
        app.send_mails().await;
        let [mail] = &app.mails_to(&ann.email)[..] else { panic!("{fault:?}: one mail expected") };
        let token = mail.reset_token().expect("a token");
        assert_eq!(app.reset_password(token, NEW_PASSWORD).await.status, 200, "{fault:?}");
        app.send_mails().await;
    }
    app.wait_for_log_with(&["ERROR", "a record failed", "TooManyRequestsException"]).await;
}

#[tokio::test]
async fn a_short_failure_is_retried_at_once() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    app.mail_service.inject(Rule::once(Fault::Throttle));
    app.send_mails().await;
    assert_eq!((app.mails_to(&ann.email).len(), app.mail_service.requested().len()), (1, 2));
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_dropped() {
    let app = TestApp::start().await;
    for (number, code) in ["MessageRejected", "BadRequestException"].into_iter().enumerate() {
        let ann = app.create_user(&format!("ann{number}")).await;
        request_reset(&app, &ann.email).await;
        app.mail_service.inject(Rule::once(Fault::Refuse(code)));
        // The message of the service contains the address. Every test checks that no log does.
        app.send_mails().await;
        assert_eq!((app.outbox().len(), app.mails_to(&ann.email).len()), (0, 0), "{code}");
        app.wait_for_log_with(&["ERROR", "a mail was dropped", "refused", code]).await;
    }
}

#[tokio::test]
async fn one_failing_mail_does_not_stop_the_others() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let id = request_reset(&app, &ann.email).await;
    request_reset(&app, &bob.email).await;
    app.mail_service.inject(Rule::always(Fault::ServerError).to(&ann.email));
    assert_eq!(app.deliver_mails().await, [id]);
    assert_eq!((app.mails_to(&ann.email).len(), app.mails_to(&bob.email).len()), (0, 1));
}

/// SES has no idempotency key, so the mail arrives twice. Both copies have the same token.
#[tokio::test]
async fn a_lost_response_of_the_mail_service_sends_a_second_copy() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    app.mail_service.inject(Rule::once(Fault::LoseResponse));
    app.send_mails().await;
    let [first, second] = &app.mails_to(&ann.email)[..] else { panic!("{:?}", app.mail_service.sent()) };
    assert_eq!(first.text, second.text);
    assert_eq!(app.outbox().len(), 0);
    let token = first.reset_token().expect("a token");
    assert_eq!(app.reset_password(token, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_mail_service_that_hangs_costs_twelve_seconds() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let id = request_reset(&app, &ann.email).await;
    app.mail_service.inject(Rule::always(Fault::Stall));
    let started = Instant::now();
    assert_eq!(app.deliver_mails().await, [id]);
    let waited = started.elapsed();
    assert!((Duration::from_secs(11)..Duration::from_secs(16)).contains(&waited), "{waited:?}");
    app.wait_for_log_with(&["ERROR", "a record failed", "timeout"]).await;
    app.mail_service.clear_rules();
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 1);
}

#[tokio::test]
async fn a_failing_database_delays_a_mail_and_loses_none() {
    let app = TestApp::start().await;
    let requests = ["GetItem", "TransactWriteItems", "PutItem", "DeleteItem"];
    for (number, request) in requests.into_iter().enumerate() {
        let ann = app.create_user(&format!("ann{number}")).await;
        let id = request_reset(&app, &ann.email).await;
        app.proxy.inject(fault_proxy::Rule::always(fault_proxy::Fault::AccessDenied).from(SEND).on(request));
        assert_eq!(app.deliver_mails().await, [id], "{request}");
        app.proxy.clear_rules();
        app.send_mails().await;
        assert!(!app.mails_to(&ann.email).is_empty(), "{request}");
        assert_eq!(app.outbox(), [Value::Null; 0], "{request}");
    }
}

#[tokio::test]
async fn a_lost_response_of_dynamodb_changes_nothing() {
    let app = TestApp::start().await;
    for (number, request) in ["TransactWriteItems", "PutItem", "DeleteItem"].into_iter().enumerate() {
        let ann = app.create_user(&format!("ann{number}")).await;
        request_reset(&app, &ann.email).await;
        app.proxy.inject(fault_proxy::Rule::once(fault_proxy::Fault::LoseResponse).from(SEND).on(request));
        app.send_mails().await;
        assert_eq!(app.mails_to(&ann.email).len(), 1, "{request}");
        let windows = app.items(PASSWORD_ATTEMPTS, "reset mails#");
        assert!(windows.iter().all(|window| window["failures"]["N"] == "1"), "{request}: {windows:?}");
    }
    let bob = app.create_user("bob").await;
    change_password(&app, &bob).await;
    app.proxy.inject(fault_proxy::Rule::once(fault_proxy::Fault::LoseResponse).from(SEND).on("GetItem"));
    app.send_mails().await;
    assert_eq!(app.mails_to(&bob.email).len(), 1);
}
