//! `POST /api/auth/signup` `{email, password}`: a new user.
//!
//! 200 with the user's id; 400, 413, 415; 409 `email_taken`. Writes `Users`.

use serde::Serialize;
use shared::{
    app::{self, App},
    auth::password::{Hasher, Password},
    error::ApiError,
    http::{self, Fields, FromBody, HandlerResult, Request},
    model::{Email, User},
    store::{SignupOutcome, Users},
};
use uuid::Uuid;

struct SignupBody {
    email: Email,
    password: Password,
}

impl FromBody for SignupBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.required::<Email>("email");
        let password = fields.required::<Password>("password");
        let (email, password) = (email?, password?);
        if let Err(invalid) = password.check_against(&email.canonical()) {
            fields.fault("password", invalid);
        }
        Some(Self { email, password })
    }
}

#[derive(Serialize)]
struct SignedUp {
    id: Uuid,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (users, hasher) = (app.users()?, app::hasher()?);
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&users, hasher, request)).await
}

async fn handle(users: &Users, hasher: Hasher, request: Request) -> HandlerResult {
    let SignupBody { email, password } = http::body(&request)?;
    let password_hash = hasher.hash(&password)?;
    let user = User { id: app::new_id(), email, password_hash, created_at: app::now() };
    match users.create(&user).await? {
        SignupOutcome::Created => http::ok(&SignedUp { id: user.id }),
        SignupOutcome::EmailTaken => Err(ApiError::EmailTaken),
    }
}
