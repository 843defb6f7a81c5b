//! `POST /api/auth/reset` with `{reset_token, password}`: sets a new password and ends every session.
//!
//! 200 with `{}`; 400, 413, 415; 403 `invalid_reset_token`; 429 `too_many_concurrent_writes`. Uses up the token in
//! `PasswordResets`; writes `Users` and `Outbox`; deletes the caller's failed logins in `PasswordAttempts`.

use serde::Serialize;
use shared::{
    auth::{Hasher, PasswordReset},
    http::{self, Fields, FromBody, HandlerResult, Request},
    model::{NewPassword, SubmittedResetToken},
    runtime::{self, App},
    telemetry::SecurityEvent,
};

struct ResetPasswordRequest {
    reset_token: SubmittedResetToken,
    password: NewPassword,
}

impl FromBody for ResetPasswordRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (reset_token, password) = (fields.required("reset_token"), fields.required("password"));
        Some(Self { reset_token: reset_token?, password: password? })
    }
}

#[derive(Serialize)]
struct ResetPasswordResponse {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (reset, hasher) = (app.password_reset()?, runtime::hasher()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&reset, hasher, request)).await
}

async fn handle(reset: &PasswordReset, hasher: Hasher, request: Request) -> HandlerResult {
    let ResetPasswordRequest { reset_token, password } = http::body(&request)?;
    let admitted = reset.find(&reset_token).await?;
    password.check_against(&admitted.email).map_err(|invalid| http::field_fault("password", invalid))?;
    let new_hash = hasher.hash(&password)?;
    reset.complete(admitted, &new_hash, http::source_address(&request)).await?;
    SecurityEvent::PasswordReset.log();
    http::ok(&ResetPasswordResponse {})
}
