//! `POST /api/auth/login` with `{email, password}`: issues a token that is valid for seven days.
//!
//! 200 with the token; 400, 413, 415; 401 `invalid_credentials`, with the same response and the same hashing for an unknown
//! email and a wrong password; 429 `too_many_attempts`. Reads `Users` and replaces hashes of another cost there; counts in
//! `PasswordAttempts`.

use shared::{
    auth::{PasswordCheck, PasswordEndpoint, Sessions},
    http::{self, Fields, FromBody, HandlerResult, Request, TokenResponse},
    model::{SubmittedEmail, SubmittedPassword},
    runtime::{self, App},
    store::Users,
    telemetry::SecurityEvent,
};

struct LoginRequest {
    email: SubmittedEmail,
    password: SubmittedPassword,
}

impl FromBody for LoginRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        Some(Self { email: email?, password: password? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (sessions, users) = (app.sessions()?, app.users()?);
    let check = app.password_check(PasswordEndpoint::Login, runtime::hasher()?)?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&sessions, &users, &check, request)).await
}

async fn handle(
    sessions: &Sessions,
    users: &Users,
    check: &PasswordCheck,
    request: Request,
) -> HandlerResult {
    let LoginRequest { email, password } = http::body(&request)?;
    let email = email.canonical();
    let lookup = users.find_credentials(&email);
    let credentials = check.verify(&email, http::source_address(&request), &password, lookup).await?;
    if let Some(new_hash) = check.hasher().rehash(&password, &credentials.password_hash)? {
        users.replace_hash(credentials.user_id, &credentials.password_hash, &new_hash).await?;
    }
    let token = sessions.issue(credentials.user_id, credentials.session_epoch)?;
    SecurityEvent::LoggedIn.log();
    http::ok(&TokenResponse::from(token))
}
