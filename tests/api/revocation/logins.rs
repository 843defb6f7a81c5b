//! A login in flight while the sessions of its user end.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::json;

use super::{ENDINGS, Ending, NEW_PASSWORD, assert_dead, hash_of};
use crate::{
    consistency::assert_consistent,
    expect::{expect_problem, token},
    test_app::{Owner, PASSWORD, TestApp, post},
};

#[tokio::test]
async fn a_login_during_the_change_gets_a_token_of_the_old_epoch() {
    let app = TestApp::start().await;
    for ending in ENDINGS {
        let Owner { user, movie_id, .. } = app.create_owner(ending.operation()).await;
        // The password was right. The login is about to revert the recorded failure.
        let gate = Gate::new();
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("DeleteItem"));
        let ended = async {
            gate.reached().await;
            ending.perform(&app, &user.token).await;
            gate.open();
        };
        let (response, ()) = join(app.log_in(&user.email, PASSWORD), ended).await;
        assert_eq!(response.status, 200, "{}", response.body);
        assert_dead(&app, &token(&response), &movie_id, ending.operation()).await;
        assert_consistent(&app);
    }
}

/// The hash and the epoch come from the same read, whichever read the change precedes.
#[tokio::test]
async fn a_login_held_before_any_read_never_outlives_the_change() {
    let app = TestApp::start().await;
    for ending in ENDINGS {
        for (number, (action, before)) in
            [("BatchGetItem", 0), ("GetItem", 0), ("GetItem", 1)].into_iter().enumerate()
        {
            let Owner { user, movie_id, .. } =
                app.create_owner(&format!("{}{number}", ending.operation())).await;
            let gate = Gate::new();
            app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on(action).after(before));
            let ended = async {
                gate.reached().await;
                ending.perform(&app, &user.token).await;
                gate.open();
            };
            let (response, ()) = join(app.log_in(&user.email, PASSWORD), ended).await;
            match ending {
                // The order of the login and the logout does not follow from the request that was held.
                Ending::Logout => assert_eq!(response.status, 200, "{}", response.body),
                Ending::ChangePassword | Ending::ResetPassword | Ending::DeleteAccount
                    if response.status == 200 =>
                {
                    assert_dead(&app, &token(&response), &movie_id, ending.operation()).await;
                }
                Ending::ChangePassword | Ending::ResetPassword | Ending::DeleteAccount => {
                    expect_problem(&response, 401, "invalid_credentials");
                }
            }
            assert_consistent(&app);
        }
    }
}

#[tokio::test]
async fn no_concurrent_login_with_the_old_password_survives() {
    let app = TestApp::start().await;
    app.start_many("login", 5).await;
    for ending in [Ending::ChangePassword, Ending::DeleteAccount] {
        let user = app.create_owner(ending.operation()).await.user;
        // Each login has its own address, because an attempt counts as a failure until it succeeds.
        let credentials = json!({"email": user.email, "password": PASSWORD});
        let login = |number| post("/api/auth/login", &credentials).source_ip(format!("198.51.100.{number}"));
        let logins = (0..10).map(|number| app.send(login(number)));
        let (responses, _) = join(join_all(logins), ending.perform(&app, &user.token)).await;
        for response in responses {
            match response.status {
                200 => expect_problem(&app.get_account(&token(&response)).await, 401, "invalid_token"),
                _ => expect_problem(&response, 401, "invalid_credentials"),
            }
        }
        assert_consistent(&app);
    }
}

#[tokio::test]
async fn a_renewal_of_the_hash_does_not_restore_a_password() {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "5")]).await;
    let user = app.create_user("ann").await;
    app.edit_user(&user.id, |user| user["password_hash"] = json!({"S": hash_of(PASSWORD)}));
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("DeleteItem"));
    let changed = async {
        gate.reached().await;
        let fresh = token(&Ending::ChangePassword.perform(&app, &user.token).await);
        let contents = app.table_contents();
        gate.open();
        (fresh, contents)
    };
    let (response, (fresh, contents)) = join(app.log_in(&user.email, PASSWORD), changed).await;
    expect_problem(&app.get_account(&token(&response)).await, 401, "invalid_token");
    assert_eq!(app.table_contents(), contents);
    assert_eq!(app.get_account(&fresh).await.status, 200);
    expect_problem(&app.log_in(&user.email, PASSWORD).await, 401, "invalid_credentials");
    assert_eq!(app.log_in(&user.email, NEW_PASSWORD).await.status, 200);
    assert_consistent(&app);
}
