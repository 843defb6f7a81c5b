//! `PUT /api/auth/password` with `{current_password, new_password}`: changes the password and ends every session.
//!
//! 200 with a new token; 400, 401, 413, 415; 403 `invalid_credentials`; 429 `too_many_attempts`,
//! `too_many_concurrent_writes`. Writes `Users`, and `Outbox` where mails are sent; counts in `PasswordAttempts`.

use shared::{
    auth::{Notices, PasswordCheck, PasswordEndpoint, Sessions},
    http::{self, Fields, FromBody, HandlerResult, Request, TokenResponse},
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
    let (sessions, users, notices) = (app.sessions()?, app.users()?, app.notices());
    let check = app.password_check(PasswordEndpoint::ChangePassword, runtime::hasher()?)?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &notices, &check, request)).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    notices: &Notices,
    check: &PasswordCheck,
    request: Request,
) -> HandlerResult {
    let session = sessions.verify(http::bearer_token(&request)?)?;
    let (user_id, source) = (session.user_id, http::source_address(&request));
    let (attempt, EmailAndHash { email, password_hash }) =
        check.attempt_in(session, source, sessions).await?;
    let ChangePasswordRequest { current_password, new_password } = http::body(&request)?;
    new_password.check_against(&email).map_err(|invalid| http::field_fault("new_password", invalid))?;
    let stored = StoredCredentials { user_id, password_hash, session_epoch: session.epoch };
    check.verify_attempt(attempt, &current_password, stored).await?;
    let new_hash = check.hasher().hash(&new_password)?;
    match users.change_password(session, &new_hash, notices.of_change(email).as_ref()).await? {
        PasswordChangeOutcome::Changed { session_epoch } => {
            SecurityEvent::PasswordChanged.log();
            http::ok(&TokenResponse::from(sessions.issue(user_id, session_epoch)?))
        }
        PasswordChangeOutcome::SessionEnded(fault) => Err(fault.into()),
    }
}
