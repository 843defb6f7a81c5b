//! `PUT /api/auth/password` with `{current_password, new_password}`: changes the password and ends every session.
//!
//! 200 with a new token; 400, 401, 413, 415; 403 `invalid_credentials`; 429 `too_many_attempts`,
//! `too_many_concurrent_writes`. Writes `Users`; counts in `PasswordAttempts`.

use shared::{
    auth::{Hasher, PasswordCheck, PasswordEndpoint, Sessions, TokenFault},
    http::{self, ApiError, Fields, FromBody, HandlerResult, Request, TokenResponse},
    model::{NewPassword, SubmittedPassword},
    runtime::{self, App},
    store::{EmailAndHash, PasswordChangeOutcome, StoredCredentials, Users},
    telemetry::SecurityEvent,
};

struct ChangePasswordRequest {
    current_password: SubmittedPassword,
    new_password: NewPassword,
}

impl FromBody for ChangePasswordRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (current, new) = (fields.required("current_password"), fields.required("new_password"));
        Some(Self { current_password: current?, new_password: new? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users) = (app.sessions()?, app.users()?);
    let hasher = runtime::hasher()?;
    let check = app.password_check(PasswordEndpoint::ChangePassword, hasher)?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &check, hasher, request)).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    check: &PasswordCheck,
    hasher: Hasher,
    request: Request,
) -> HandlerResult {
    let token = http::bearer_token(&request)?;
    let (user, EmailAndHash { email, password_hash }) = sessions.authenticate_with(token).await?;
    let ChangePasswordRequest { current_password, new_password } = http::body(&request)?;
    new_password.check_against(&email).map_err(|invalid| http::field_fault("new_password", invalid))?;
    let stored = StoredCredentials { user_id: user.id, password_hash, session_epoch: user.session_epoch };
    let lookup = async { Ok(Some(stored)) };
    check.verify(&email, http::source_address(&request), &current_password, lookup).await?;
    let new_hash = hasher.hash(&new_password)?;
    match users.change_password(user.id, user.session_epoch, &new_hash).await? {
        PasswordChangeOutcome::Changed { session_epoch } => {
            SecurityEvent::PasswordChanged.log();
            http::ok(&TokenResponse::from(sessions.issue(user.id, session_epoch)?))
        }
        PasswordChangeOutcome::SessionEnded => Err(ApiError::InvalidToken(TokenFault::Revoked)),
    }
}
