//! The process is killed between any two requests: the next delivery sends the mail, and counts it once.

use std::pin::pin;

use futures_util::future::{Either, select};
use local::{
    fault_proxy::{Fault, Gate, Rule},
    mail_service,
};

use super::{SEND, request_reset};
use crate::{
    test_app::{NEW_PASSWORD, PASSWORD_ATTEMPTS, TestApp, TestUser},
    throttle::early_in_the_hour,
};

/// The requests of a delivery: to DynamoDB, the action and how many requests with this action come before; `None` to the
/// mail service.
const REQUESTS: [Option<(&str, usize)>; 7] = [
    Some(("GetItem", 0)),
    Some(("GetItem", 1)),
    Some(("GetItem", 2)),
    Some(("TransactWriteItems", 0)),
    Some(("PutItem", 0)),
    None,
    Some(("DeleteItem", 0)),
];

#[tokio::test]
async fn a_delivery_killed_before_a_request_is_completed_by_the_next() {
    early_in_the_hour().await;
    for (index, request) in REQUESTS.into_iter().enumerate() {
        let mut app = TestApp::start().await;
        let ann = app.create_user("ann").await;
        request_reset(&app, &ann.email).await;
        let gate = Gate::new();
        if let Some((action, before)) = request {
            let held = Rule::once(Fault::Hold(gate.clone())).from(SEND).on(action);
            app.proxy.inject(held.after(before));
        } else {
            let held = mail_service::Rule::once(mail_service::Fault::Hold(gate.clone()));
            app.mail_service.inject(held);
        }
        kill_at(&mut app, &gate).await;
        // The mail was sent before its row was to be deleted.
        let sent = usize::from(index == 6);
        assert_eq!((app.mails_to(&ann.email).len(), app.outbox().len()), (sent, 1), "request {index}");
        assert_completed(&app, &ann, sent + 1, index).await;
    }
}

#[tokio::test]
async fn a_delivery_killed_after_a_write_is_completed_by_the_next() {
    early_in_the_hour().await;
    for (index, action) in ["TransactWriteItems", "PutItem"].into_iter().enumerate() {
        let mut app = TestApp::start().await;
        let ann = app.create_user("ann").await;
        request_reset(&app, &ann.email).await;
        let gate = Gate::new();
        // The write succeeds, but its response is lost. The process is killed when it retries.
        app.proxy.inject(Rule::once(Fault::LoseResponse).from(SEND).on(action));
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(SEND).on(action));
        kill_at(&mut app, &gate).await;
        assert_completed(&app, &ann, 1, index).await;
    }
}

/// Delivers the mails, and kills the function at the gate.
async fn kill_at(app: &mut TestApp, gate: &Gate) {
    {
        let delivering = pin!(app.deliver_mails());
        let reached = pin!(gate.reached());
        if let Either::Left((failed, _)) = select(delivering, reached).await {
            panic!("the function responded before it was killed: {failed:?}");
        }
    }
    app.kill(SEND).await;
    app.proxy.clear_rules();
    app.mail_service.clear_rules();
}

async fn assert_completed(app: &TestApp, ann: &TestUser, mails: usize, index: usize) {
    app.send_mails().await;
    let sent = app.mails_to(&ann.email);
    assert_eq!((sent.len(), app.outbox().len()), (mails, 0), "request {index}");
    let windows = app.items(PASSWORD_ATTEMPTS, "reset mails#");
    assert_eq!(windows.len(), 1, "request {index}");
    assert_eq!(windows[0]["failures"]["N"], "1", "request {index}");
    let token = sent.last().and_then(|mail| mail.reset_token()).expect("a token");
    assert_eq!(app.reset_password(token, NEW_PASSWORD).await.status, 200, "request {index}");
}
