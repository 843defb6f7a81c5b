//! A login that is under way while the sessions of its user end.

use futures_util::future::{join, join_all};
use local::fault_proxy::{Fault, Gate, Rule};
use serde_json::json;

use super::{ENDINGS, Ending, NEW, assert_dead, hash_of, token};
use crate::{
    consistency::assert_consistent,
    expect::expect_problem,
    test_app::{Owner, PASSWORD, TestApp, post},
};

#[tokio::test]
async fn a_login_during_the_change_gets_a_token_of_the_old_epoch() {
    let app = TestApp::start().await;
    for ending in ENDINGS {
        let Owner { user: person, movie_id, .. } = app.owner(ending.operation()).await;
        // The password has proved right; the login is about to take back that it was counted as a failure.
        let gate = Gate::new();
        app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("DeleteItem"));
        let ended = async {
            gate.reached().await;
            ending.happen(&app, &person.token).await;
            gate.open();
        };
        let (response, ()) = join(app.log_in(&person.email, PASSWORD), ended).await;
        assert_eq!(response.status, 200, "{}", response.body);
        assert_dead(&app, &token(&response), &movie_id, ending.operation()).await;
        assert_consistent(&app);
    }
}

/// Whichever of its reads the change comes before: the hash and the epoch are of the same one.
#[tokio::test]
async fn a_login_held_before_any_read_never_outlives_the_change() {
    let app = TestApp::start().await;
    for ending in ENDINGS {
        for read in 0..3 {
            let Owner { user: person, movie_id, .. } =
                app.owner(&format!("{}{read}", ending.operation())).await;
            let gate = Gate::new();
            app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("GetItem").after(read));
            let ended = async {
                gate.reached().await;
                ending.happen(&app, &person.token).await;
                gate.open();
            };
            let (response, ()) = join(app.log_in(&person.email, PASSWORD), ended).await;
            match ending {
                // It began before or after the logout, and which of them is not said by the place where it was held.
                Ending::Logout => assert_eq!(response.status, 200, "{}", response.body),
                Ending::ChangePassword | Ending::Leaving if response.status == 200 => {
                    assert_dead(&app, &token(&response), &movie_id, ending.operation()).await;
                }
                Ending::ChangePassword | Ending::Leaving => {
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
    for ending in [Ending::ChangePassword, Ending::Leaving] {
        let person = app.owner(ending.operation()).await.user;
        // Each from an address of its own: what is under way counts as a failure until it has succeeded.
        let credentials = json!({"email": person.email, "password": PASSWORD});
        let login = |number| post("/api/auth/login", &credentials).source_ip(format!("198.51.100.{number}"));
        let logins = (0..10).map(|number| app.send(login(number)));
        let (responses, _) = join(join_all(logins), ending.happen(&app, &person.token)).await;
        for response in responses {
            match response.status {
                200 => expect_problem(&app.account(&token(&response)).await, 401, "invalid_token"),
                _ => expect_problem(&response, 401, "invalid_credentials"),
            }
        }
        assert_consistent(&app);
    }
}

#[tokio::test]
async fn a_renewal_of_the_hash_does_not_restore_a_password() {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "5")]).await;
    let person = app.person("ann").await;
    app.edit_user(&person.id, |user| user["password_hash"] = json!({"S": hash_of(PASSWORD)}));
    let gate = Gate::new();
    app.proxy.inject(Rule::once(Fault::Hold(gate.clone())).from("login").on("DeleteItem"));
    let changed = async {
        gate.reached().await;
        let fresh = token(&Ending::ChangePassword.happen(&app, &person.token).await);
        let contents = app.contents();
        gate.open();
        (fresh, contents)
    };
    let (response, (fresh, contents)) = join(app.log_in(&person.email, PASSWORD), changed).await;
    expect_problem(&app.account(&token(&response)).await, 401, "invalid_token");
    assert_eq!(app.contents(), contents);
    assert_eq!(app.account(&fresh).await.status, 200);
    expect_problem(&app.log_in(&person.email, PASSWORD).await, 401, "invalid_credentials");
    assert_eq!(app.log_in(&person.email, NEW).await.status, 200);
    assert_consistent(&app);
}
