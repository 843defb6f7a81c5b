//! `POST /api/auth/signup` with `{email, password}`: creates a user.
//!
//! 200 with the user's id; 400, 413, 415; 409 `email_taken`. Writes `Users`.

use shared::{
    auth::Hasher,
    http::{self, ApiError, Fields, FromBody, HandlerResult, IdResponse, Request},
    model::{Clock, Email, IdSource, NewPassword, NewUser},
    runtime::{self, App, CLOCK, IDS},
    store::{SignupOutcome, Users},
};

struct SignupRequest {
    email: Email,
    password: NewPassword,
}

impl FromBody for SignupRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.required::<Email>("email");
        let password = fields.required::<NewPassword>("password");
        let (email, password) = (email?, password?);
        if let Err(invalid) = password.check_against(&email.canonical()) {
            fields.fault("password", invalid);
        }
        Some(Self { email, password })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (users, hasher) = (app.users()?, runtime::hasher()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&users, hasher, CLOCK, IDS, request)).await
}

async fn handle(
    users: &Users,
    hasher: Hasher,
    clock: Clock,
    ids: IdSource,
    request: Request,
) -> HandlerResult {
    let SignupRequest { email, password } = http::body(&request)?;
    let password_hash = hasher.hash(&password)?;
    let user = NewUser { id: ids.next_id(), email, password_hash, created_at: clock.now() };
    match users.create(&user).await? {
        SignupOutcome::Created => http::ok(&IdResponse { id: user.id }),
        SignupOutcome::EmailTaken => Err(ApiError::EmailTaken),
    }
}
