//! Signing up with the email of an account that is being deleted.

use local::fault_proxy::{Fault, Gate, Rule};

use super::{PURGE, assert_gone, create_movies, deliver, request_deletion, requests};
use crate::{consistency::assert_consistent, expect::expect_problem, test_app::TestApp};

#[tokio::test]
async fn the_email_stays_taken_until_the_purge_is_finished() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 60).await;
    let record = request_deletion(&app, &ann).await;
    expect_problem(&app.sign_up("ANN@example.com").await, 409, "email_taken");

    app.proxy.clear_calls();
    // One request for the account deletion, three for 49 movies, three for the rest, two for the end.
    let gates: Vec<Gate> = (0..9).map(|_| Gate::new()).collect();
    for gate in &gates {
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from(PURGE));
    }
    let trying = async {
        for (step, gate) in gates.iter().enumerate() {
            gate.reached().await;
            let response = app.sign_up("Ann@example.com").await;
            assert_eq!(response.status, 409, "before request {step}: {}", response.body);
            gate.open();
        }
    };
    let (failed, ()) = futures_util::future::join(deliver(&app, &[&record]), trying).await;
    assert_eq!(failed, [""; 0]);
    assert_eq!(requests(&app).len(), gates.len(), "every request was held");
    assert_gone(&app, &ann);

    let new = app.create_user("ann").await;
    create_movies(&app, &new, 3).await;
    let before = app.table_contents();
    assert_eq!(deliver(&app, &[&record, &record]).await, [""; 0]);
    assert_eq!(app.table_contents(), before, "the new user's movies are safe");
    assert_consistent(&app);
}

#[tokio::test]
async fn a_lost_last_response_spares_a_new_user() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    create_movies(&app, &ann, 1).await;
    let record = request_deletion(&app, &ann).await;
    // The response of the last transaction is lost, and the purge retries.
    let gate = Gate::new();
    let last = Rule::once(Fault::LoseResponse).from(PURGE).on("TransactWriteItems").after(1);
    app.proxy.inject(last);
    let again = Rule::once(Fault::Hold(gate.clone())).from(PURGE).on("TransactWriteItems").after(1);
    app.proxy.inject(again);
    let signing_up = async {
        gate.reached().await;
        let new = app.create_user("ann").await;
        create_movies(&app, &new, 3).await;
        let before = app.table_contents();
        gate.open();
        before
    };
    let (failed, before) = futures_util::future::join(deliver(&app, &[&record]), signing_up).await;
    assert_eq!(failed, [""; 0]);
    assert_eq!(app.table_contents(), before);
    assert_gone_by_id(&app, &ann.id);
    assert_consistent(&app);
}

/// Does the same as `assert_gone` while another user has the email.
fn assert_gone_by_id(app: &TestApp, id: &str) {
    for (key, item) in app.table_contents() {
        assert!(!format!("{key} {item}").contains(id), "left behind: {key}");
    }
}

#[tokio::test]
async fn of_many_signups_during_a_purge_at_most_one_succeeds() {
    let app = TestApp::start_with(4, &[]).await;
    for round in 0..5 {
        let ann = app.create_user(&format!("ann{round}")).await;
        create_movies(&app, &ann, 2).await;
        let record = request_deletion(&app, &ann).await;
        let signups = futures_util::future::join_all((0..8).map(|_| app.sign_up(&ann.email)));
        let (failed, signups) = futures_util::future::join(deliver(&app, &[&record]), signups).await;
        assert_eq!(failed, [""; 0]);
        let winners = signups.iter().filter(|response| response.status == 200).count();
        assert!(winners <= 1, "{winners} signups got the email");
        assert!(signups.iter().all(|response| matches!(response.status, 200 | 409)));
        if winners == 0 {
            assert_eq!(app.sign_up(&ann.email).await.status, 200);
        }
        assert_gone_by_id(&app, &ann.id);
        assert_consistent(&app);
    }
}
