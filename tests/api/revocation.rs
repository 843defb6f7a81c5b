//! Logging out, changing or resetting the password, and requesting the account's deletion end every earlier session at
//! once, on every route.

mod logins;
mod races;
mod writes;

use local::gateway::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::{
    consistency::assert_consistent,
    expect::token,
    operations::{self, Operation},
    test_app::{NEW_PASSWORD, Owner, PASSWORD, TestApp, TestUser, USERS, delete, post, put, reset_password},
    tokens::{assert_refused, decoded, forge, issued},
};

/// An operation that ends every session of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Logout,
    ChangePassword,
    ResetPassword,
    DeleteAccount,
}

const ENDINGS: [Ending; 4] =
    [Ending::Logout, Ending::ChangePassword, Ending::ResetPassword, Ending::DeleteAccount];

impl Ending {
    fn operation(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::ChangePassword => "change-password",
            Self::ResetPassword => "reset-password",
            Self::DeleteAccount => "delete-account",
        }
    }

    /// Returns the request of a user whose password is [`PASSWORD`] and who has this access token.
    fn request(self, app: &TestApp, token: &str) -> HttpRequest {
        let request = match self {
            Self::Logout => post("/api/auth/logout", &json!({})),
            Self::ResetPassword => {
                let claims = decoded(token.split('.').nth(1).expect("claims"));
                let id = claims["sub"].as_str().expect("an id").to_owned();
                let user = TestUser { id, ..TestUser::default() };
                return reset_password(&app.issue_reset_token(&user), NEW_PASSWORD);
            }
            Self::ChangePassword => put(
                "/api/auth/password",
                &json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
            ),
            Self::DeleteAccount => delete("/api/auth/account"),
        };
        request.bearer(token)
    }

    /// Ends the sessions.
    async fn perform(self, app: &TestApp, token: &str) -> HttpResponse {
        let response = app.send(self.request(app, token)).await;
        assert_eq!(response.status, self.success(), "{self:?}: {}", response.body);
        response
    }

    fn success(self) -> u16 {
        operations::find(self.operation()).success()
    }

    /// Returns the password of the user afterwards.
    fn password(self) -> &'static str {
        match self {
            Self::ChangePassword | Self::ResetPassword => NEW_PASSWORD,
            Self::Logout | Self::DeleteAccount => PASSWORD,
        }
    }
}

/// Panics unless every operation that needs a token refuses this one and changes nothing.
pub async fn assert_dead(app: &TestApp, token: &str, movie_id: &str, why: &str) {
    let before = app.table_contents();
    for operation in operations::with_token() {
        let response = app.send(operation.example_request(movie_id).bearer(token)).await;
        assert_refused(&response, "invalid_token", &format!("{} after {why}", operation.name));
    }
    assert_eq!(app.table_contents(), before, "{why}");
}

/// Panics unless every operation that needs a token accepts this one. Deletions come last, because the operations
/// before them need the movie and the session. Logging out and changing the password are left out, because they would
/// end the session before.
async fn assert_alive(app: &TestApp, token: &str, movie_id: &str, why: &str) {
    let deletes = |operation: &Operation| operation.bare_request(movie_id).method() == "DELETE";
    let mut accepted: Vec<_> =
        operations::with_token().filter(|operation| !operation.ends_sessions || deletes(operation)).collect();
    accepted.sort_by_key(|operation| (deletes(operation), operation.ends_sessions));
    assert!(accepted.len() >= 5, "operations that were called: {}", accepted.len());
    for operation in accepted {
        let response = app.send(operation.example_request(movie_id).bearer(token)).await;
        let expected = operation.success();
        assert_eq!(response.status, expected, "{} after {why}: {}", operation.name, response.body);
    }
}

#[test]
fn every_operation_that_ends_sessions_is_tested() {
    let declared = operations::described().filter(|operation| operation.ends_sessions);
    let mut declared: Vec<&str> = declared.map(|operation| operation.name).collect();
    let mut tested = ENDINGS.map(Ending::operation);
    declared.sort_unstable();
    tested.sort_unstable();
    assert_eq!(tested, *declared, "left has variants of `Ending`, right is declared in OPERATIONS");
}

#[tokio::test]
async fn every_earlier_token_is_refused_at_once_on_every_route() {
    let app = TestApp::start().await;
    let count = operations::with_token().count();
    assert!(count >= 7, "operations that need a token: {count}");
    for ending in ENDINGS {
        let Owner { user, movie_id, .. } = app.create_owner(ending.operation()).await;
        let elsewhere = app.new_token(&user.email).await;
        // The token is issued immediately before, usually in the same second.
        let last = app.new_token(&user.email).await;
        ending.perform(&app, &user.token).await;
        for token in [&user.token, &elsewhere, &last] {
            assert_dead(&app, token, &movie_id, ending.operation()).await;
        }
        // The time of issue does not matter, although the clocks of two machines may differ by five seconds.
        for seconds in [0, 1, 4] {
            let later = forge(&user.token, &json!({}), &json!({"iat": issued(&last) + seconds}));
            assert_dead(&app, &later, &movie_id, ending.operation()).await;
        }
        assert_consistent(&app);
    }
}

#[tokio::test]
async fn a_token_issued_afterwards_works_on_every_route() {
    for ending in [Ending::Logout, Ending::ChangePassword, Ending::ResetPassword] {
        let app = TestApp::start().await;
        let Owner { mut user, movie_id, .. } = app.create_owner("ann").await;
        ending.perform(&app, &user.token).await;
        let response = app.log_in(&user.email, ending.password()).await;
        user.token = token(&response);
        assert_alive(&app, &user.token, &movie_id, ending.operation()).await;
        assert_consistent(&app);
    }
    // These operations end the session with which they are called.
    for ending in [Ending::Logout, Ending::ChangePassword] {
        for again in [Ending::Logout, Ending::ChangePassword] {
            let app = TestApp::start().await;
            let user = app.create_user("ann").await;
            ending.perform(&app, &user.token).await;
            app.edit_user(&user.id, |user| user["password_hash"] = json!({"S": hash_of(PASSWORD)}));
            again.perform(&app, &app.new_token(&user.email).await).await;
        }
    }
}

#[tokio::test]
async fn the_token_of_a_password_change_works_on_every_route() {
    let app = TestApp::start().await;
    let Owner { user, movie_id, .. } = app.create_owner("ann").await;
    let returned = token(&Ending::ChangePassword.perform(&app, &user.token).await);
    assert_alive(&app, &returned, &movie_id, "the change that returned it").await;
    assert_dead(&app, &returned, &movie_id, "deleting").await;
    assert_consistent(&app);
}

#[tokio::test]
async fn after_a_deletion_request_no_token_is_issued() {
    let app = TestApp::start().await;
    let Owner { user, movie_id, .. } = app.create_owner("ann").await;
    Ending::DeleteAccount.perform(&app, &user.token).await;
    assert_eq!(app.log_in(&user.email, PASSWORD).await.status, 401);
    // A token that is signed with our own key for the user's current epoch is refused, too.
    let forged = forge(&user.token, &json!({}), &json!({"epoch": 1}));
    assert_dead(&app, &forged, &movie_id, "deleting").await;
    assert_eq!(app.item(USERS, &format!("user#{}", user.id)).expect("the user")["session_epoch"]["N"], "1");
}

/// Returns a hash of a password at the lowest cost.
fn hash_of(text: &str) -> String {
    use shared::{auth::Hasher, model::NewPassword};
    let password = NewPassword::try_from(text.to_owned()).expect("a password");
    Hasher::new(4, 4).hash(&password).expect("a hash").as_stored().to_owned()
}
