//! `POST /api/auth/forgot` with `{email}`: requests a mail with a reset token.
//!
//! 202 with `{}`, with the same requests for a known and an unknown email; 400, 413, 415; 429 `too_many_attempts` after 20
//! requests in an hour from one address. Counts in `PasswordAttempts`; writes `Outbox`. `send-mail` looks up the user.

use serde::Serialize;
use shared::{
    auth::ResetRequestLimit,
    http::{self, Fields, FromBody, HandlerResult, Request},
    model::{Clock, Email, IdSource, Mail},
    runtime::{App, CLOCK, IDS},
    store::Outbox,
    telemetry::SecurityEvent,
};

struct ForgotPasswordRequest {
    email: Email,
}

impl FromBody for ForgotPasswordRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.required("email")? })
    }
}

#[derive(Serialize)]
struct ForgotPasswordResponse {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (limit, outbox) = (app.reset_request_limit()?, app.outbox()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&limit, &outbox, CLOCK, IDS, request)).await
}

async fn handle(
    limit: &ResetRequestLimit,
    outbox: &Outbox,
    clock: Clock,
    ids: IdSource,
    request: Request,
) -> HandlerResult {
    let ForgotPasswordRequest { email } = http::body(&request)?;
    limit.admit(http::source_address(&request)).await?;
    outbox.put(&Mail::reset(ids.next_id(), email.canonical(), clock.now())).await?;
    SecurityEvent::ResetRequested.log();
    http::accepted(&ForgotPasswordResponse {})
}
