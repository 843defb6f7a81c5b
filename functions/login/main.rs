//! `POST /api/auth/login` `{email, password}`: a token for seven days.
//!
//! 200 with the token; 400, 413, 415; 401 `invalid_credentials`, the same for an unknown email and a wrong password,
//! at the price of the same hashing. Reads `Users`.

use serde::Serialize;
use shared::{
    app::{self, App},
    auth::{
        password::{Hasher, PasswordAttempt},
        token::{Claims, LIFETIME_SECONDS, TokenKey},
    },
    error::ApiError,
    http::{self, Answer, Fields, FromBody, Request, fields::EmailAttempt},
    model::email::CanonicalEmail,
    store::Users,
};

struct LoginBody {
    email: EmailAttempt,
    password: PasswordAttempt,
}

impl FromBody for LoginBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        Some(Self { email: email?, password: password? })
    }
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    token_type: &'static str,
    expires_in: i64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await;
    let (users, hasher, key) = (app.users()?, app::hasher()?, app::token_key()?);
    http::serve(|request| handle(&users, hasher, &key, request)).await
}

async fn handle(users: &Users, hasher: Hasher, key: &TokenKey, request: Request) -> Answer {
    let body: LoginBody = http::body(&request)?;
    let login = users.login(&CanonicalEmail::of(&body.email.0)).await?;
    let matches = hasher.verify(&body.password, login.as_ref().map(|login| &login.password_hash))?;
    let Some(login) = login.filter(|_| matches) else { return Err(ApiError::InvalidCredentials) };
    let claims = Claims::new(login.user_id, login.session_epoch, app::new_id(), app::now());
    let token = key.sign(&claims)?;
    http::ok(&LoggedIn { token, token_type: "Bearer", expires_in: LIFETIME_SECONDS })
}
