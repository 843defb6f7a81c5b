//! Two operations that end the sessions of one user at the same time, and lost responses.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};

use super::{ENDINGS, Ending, NEW_PASSWORD};
use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, status_and_code, token},
    test_app::{PASSWORD, TestApp, USERS},
};

impl Ending {
    /// Returns the action of its last write.
    fn last_write(self) -> &'static str {
        match self {
            Self::Logout => "UpdateItem",
            Self::ChangePassword | Self::ResetPassword | Self::DeleteAccount => "TransactWriteItems",
        }
    }

    /// Returns a rule that applies a fault to the last write of the next request.
    fn rule(self, fault: Fault) -> Rule {
        Rule::once(fault).from(self.operation()).on(self.last_write())
    }
}

fn epoch(app: &TestApp, id: &str) -> String {
    let user = app.item(USERS, &format!("user#{id}")).expect("the user");
    user["session_epoch"]["N"].as_str().expect("a number").to_owned()
}

#[tokio::test]
async fn of_two_logouts_at_once_one_ends_both_sessions() {
    let app = TestApp::start().await;
    app.start_many("logout", 2).await;
    let ann = app.create_user("ann").await;
    let elsewhere = app.new_token(&ann.email).await;
    let gate = Gate::new();
    app.proxy.inject(Rule { times: 2, ..Ending::Logout.rule(Fault::Hold(gate.clone())) });
    let opened = async {
        gate.reached_by(2).await;
        gate.open();
    };
    let log_out = |token: &str| app.send(Ending::Logout.request(&app, token));
    let (responses, ()) = join(join_all([&ann.token, &elsewhere].map(|token| log_out(token))), opened).await;
    let mut outcomes: Vec<_> = responses.iter().map(status_and_code).collect();
    outcomes.sort();
    assert_eq!(outcomes, [(200, String::new()), (401, "invalid_token".to_owned())]);
    assert_eq!(epoch(&app, &ann.id), "1");
    assert_eq!(app.get_account(&app.new_token(&ann.email).await).await.status, 200);
    assert_consistent(&app);
}

/// Each of the operations is held before its last write while another one happens.
#[tokio::test]
async fn an_end_of_sessions_in_flight_is_refused_after_another() {
    for held in ENDINGS {
        for first in ENDINGS {
            let app = TestApp::start().await;
            app.start_many(held.operation(), 2).await;
            let ann = app.create_user("ann").await;
            let elsewhere = app.new_token(&ann.email).await;
            let gate = Gate::new();
            app.proxy.inject(held.rule(Fault::Hold(gate.clone())));
            let request = held.request(&app, &ann.token);
            let between = async {
                gate.reached().await;
                let response = first.perform(&app, &elsewhere).await;
                let session = match first {
                    Ending::Logout => Some(app.new_token(&ann.email).await),
                    Ending::ChangePassword => Some(token(&response)),
                    Ending::ResetPassword => Some(token(&app.log_in(&ann.email, NEW_PASSWORD).await)),
                    Ending::DeleteAccount => None,
                };
                let contents = app.table_contents();
                gate.open();
                (session, contents)
            };
            let (response, (session, contents)) = join(app.send(request), between).await;
            let name = format!("{held:?} while {first:?}");
            if held == Ending::ResetPassword {
                expect_problem(&response, 403, "invalid_reset_token");
            } else {
                expect_problem(&response, 401, "invalid_token");
            }
            assert_eq!(app.table_contents(), contents, "{name}");
            if let Some(session) = session {
                assert_eq!(app.get_account(&session).await.status, 200, "{name}");
            }
            assert_consistent(&app);
        }
    }
}

#[tokio::test]
async fn a_success_with_a_lost_response_is_a_success() {
    for ending in ENDINGS {
        let app = TestApp::start().await;
        let ann = app.create_user("ann").await;
        app.proxy.inject(ending.rule(Fault::LoseResponse));
        let response = ending.perform(&app, &ann.token).await;
        let mut writes = app.proxy.calls_of(ending.operation());
        writes.retain(|call| call.operation == ending.last_write());
        assert_eq!(writes.len(), 2, "{ending:?} was not sent again");
        assert_eq!(epoch(&app, &ann.id), "1", "{ending:?} happened twice");
        expect_problem(&app.get_account(&ann.token).await, 401, "invalid_token");
        if ending == Ending::ChangePassword {
            assert_eq!(app.get_account(&token(&response)).await.status, 200);
        }
        if ending.password() == NEW_PASSWORD {
            assert_eq!(app.log_in(&ann.email, NEW_PASSWORD).await.status, 200);
        }
        assert_consistent(&app);
    }
}

/// The write succeeds, its response is lost, and the user logs in before the SDK repeats the write.
#[tokio::test]
async fn a_repeated_logout_spares_a_new_session() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let gate = Gate::new();
    app.proxy.inject(Ending::Logout.rule(Fault::LoseResponse));
    // A rule does not count calls that matched another rule.
    app.proxy.inject(Ending::Logout.rule(Fault::Hold(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        let session = app.new_token(&ann.email).await;
        gate.open();
        session
    };
    let (_, session) = join(Ending::Logout.perform(&app, &ann.token), meanwhile).await;
    assert_eq!(app.get_account(&session).await.status, 200);
    expect_problem(&app.get_account(&ann.token).await, 401, "invalid_token");
    assert_eq!(epoch(&app, &ann.id), "1");
    assert_consistent(&app);
}

#[tokio::test]
async fn a_repeated_password_change_does_not_undo_a_logout() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    let gate = Gate::new();
    app.proxy.inject(Ending::ChangePassword.rule(Fault::LoseResponse));
    app.proxy.inject(Ending::ChangePassword.rule(Fault::Hold(gate.clone())));
    let meanwhile = async {
        gate.reached().await;
        // The new password is already valid.
        let response = app.log_in(&ann.email, NEW_PASSWORD).await;
        Ending::Logout.perform(&app, &token(&response)).await;
        gate.open();
    };
    let (response, ()) = join(Ending::ChangePassword.perform(&app, &ann.token), meanwhile).await;
    expect_problem(&app.get_account(&token(&response)).await, 401, "invalid_token");
    assert_eq!(epoch(&app, &ann.id), "2");
    assert_eq!(app.log_in(&ann.email, PASSWORD).await.status, 401);
    assert_consistent(&app);
}
