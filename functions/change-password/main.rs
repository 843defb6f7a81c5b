//! `PUT /api/auth/password` `{current_password, new_password}`: another password, and the end of every session.
//!
//! 200 with a fresh token; 400, 401, 413, 415; 403 `invalid_credentials`; 429 `too_many_attempts`. Writes `Users`, and
//! counts in `PasswordAttempts`.

use shared::{
    app::App,
    audit,
    auth::{
        PasswordCheck,
        password::{Password, SubmittedPassword},
        session::Sessions,
        throttle::PasswordEndpoint,
        token::TokenFault,
    },
    error::ApiError,
    http::{self, Fields, FromBody, HandlerResult, Request},
    store::{Credentials, PasswordChangeOutcome, Users},
};

struct ChangePassword {
    current_password: SubmittedPassword,
    new_password: Password,
}

impl FromBody for ChangePassword {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (current, new) = (fields.required("current_password"), fields.required("new_password"));
        Some(Self { current_password: current?, new_password: new? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (users, sessions) = (app.users()?, app.sessions()?);
    let check = app.password_check(PasswordEndpoint::ChangePassword)?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&users, &sessions, &check, request)).await
}

async fn handle(
    users: &Users,
    sessions: &Sessions,
    check: &PasswordCheck,
    request: Request,
) -> HandlerResult {
    let (user, credentials): (_, Credentials) = sessions.authenticate_with(&request).await?;
    let ChangePassword { current_password, new_password } = http::body(&request)?;
    new_password
        .check_against(&credentials.email)
        .map_err(|invalid| http::field_fault("new_password", invalid))?;
    let admission = check.throttle.admit(&credentials.email, http::source_address(&request)).await?;
    if !check.hasher.verify(&current_password, Some(&credentials.password_hash))? {
        return Err(ApiError::WrongPassword);
    }
    admission.succeeded().await?;
    let new_hash = check.hasher.hash(&new_password)?;
    match users.change_password(user.user_id, user.epoch, &new_hash).await? {
        PasswordChangeOutcome::Changed { session_epoch } => {
            audit::password_changed();
            http::ok(&sessions.begin(user.user_id, session_epoch)?)
        }
        PasswordChangeOutcome::SessionEnded => Err(ApiError::InvalidToken(TokenFault::Revoked)),
    }
}
