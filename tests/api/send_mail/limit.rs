//! At most three reset mails an hour for each account.

use futures_util::future::join;
use local::{
    fault_proxy::{Fault, Gate, Rule},
    mail_service,
};

use super::{SEND, change_password, request_reset};
use crate::{
    test_app::{PASSWORD_ATTEMPTS, TestApp, TestUser},
    throttle::early_in_the_hour,
};

/// Returns the count of an account's reset mails in this hour.
fn counted(app: &TestApp, user: &TestUser) -> Vec<String> {
    let windows = app.items(PASSWORD_ATTEMPTS, "reset mails#").into_iter();
    let of_user =
        windows.filter(|window| window["pk"]["S"].as_str().is_some_and(|key| key.contains(&user.id)));
    of_user.map(|window| window["failures"]["N"].as_str().expect("a number").to_owned()).collect()
}

#[tokio::test]
async fn an_account_gets_three_reset_mails_an_hour() {
    early_in_the_hour().await;
    let app = TestApp::start().await;
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    for _ in 0..5 {
        request_reset(&app, &ann.email).await;
    }
    app.send_mails().await;
    request_reset(&app, &ann.email).await;
    request_reset(&app, &bob.email).await;
    app.send_mails().await;
    assert_eq!((app.mails_to(&ann.email).len(), app.mails_to(&bob.email).len()), (3, 1));
    assert_eq!(app.outbox().len(), 0, "the others are dropped");
    app.wait_for_log("reason=\"limit_reached\"").await;
    assert_eq!(counted(&app, &ann), ["3"]);
    // Notices are not limited.
    change_password(&app, &ann).await;
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 4);
    // All three tokens of different mails differ.
    let mails = app.mails_to(&ann.email);
    let mut tokens: Vec<&str> = mails.iter().filter_map(|mail| mail.reset_token()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
}

#[tokio::test]
async fn retries_do_not_use_up_the_limit() {
    early_in_the_hour().await;
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let id = request_reset(&app, &ann.email).await;
    app.mail_service.inject(mail_service::Rule::always(mail_service::Fault::ServerError));
    for _ in 0..4 {
        assert_eq!(app.deliver_mails().await, std::slice::from_ref(&id));
    }
    app.mail_service.clear_rules();
    assert_eq!(counted(&app, &ann), ["1"]);
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 1);
    for _ in 0..2 {
        request_reset(&app, &ann.email).await;
    }
    app.send_mails().await;
    assert_eq!((app.mails_to(&ann.email).len(), counted(&app, &ann)), (3, vec!["3".to_owned()]));
}

/// The stream and the schedule can process one mail at the same time. This mail reaches the limit, so the second run finds
/// both that the mail has already been counted and that the limit is reached.
#[tokio::test]
async fn two_runs_count_a_mail_once() {
    early_in_the_hour().await;
    let app = TestApp::start().await;
    app.start_many(SEND, 2).await;
    let ann = app.create_user("ann").await;
    for _ in 0..2 {
        request_reset(&app, &ann.email).await;
    }
    app.send_mails().await;
    let id = request_reset(&app, &ann.email).await;
    let gate = Gate::new();
    let held = Rule { times: 2, ..Rule::once(Fault::Hold(gate.clone())) };
    app.proxy.inject(held.from(SEND).on("TransactWriteItems"));
    let opened = async {
        gate.reached_by(2).await;
        gate.open();
    };
    let runs = join(app.deliver_mails(), app.deliver_mails());
    let ((one, other), ()) = join(runs, opened).await;
    // The other run fails, so that its record is delivered again if this one does not finish.
    assert_eq!([one, other].concat(), [id]);
    assert_eq!((app.mails_to(&ann.email).len(), counted(&app, &ann)), (3, vec!["3".to_owned()]));
    app.send_mails().await;
    assert_eq!(app.mails_to(&ann.email).len(), 3);
}
