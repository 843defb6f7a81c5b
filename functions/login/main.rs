//! `POST /api/auth/login` `{email, password}`: a token for seven days.
//!
//! 200 with the token; 400, 413, 415; 401 `invalid_credentials`, the same for an unknown email and a wrong password,
//! at the price of the same hashing; 429 `too_many_attempts`. Reads `Users` and renews old hashes there; counts in
//! `PasswordAttempts`.

use shared::{
    app::App,
    audit,
    auth::{PasswordCheck, password::SubmittedPassword, session::Sessions, throttle::PasswordEndpoint},
    error::ApiError,
    http::{self, Fields, FromBody, HandlerResult, Request, fields::EmailAttempt},
    model::email::CanonicalEmail,
    store::Users,
};

struct LoginBody {
    email: EmailAttempt,
    password: SubmittedPassword,
}

impl FromBody for LoginBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        Some(Self { email: email?, password: password? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), http::Error> {
    let app = App::from_env().await?;
    let (users, sessions) = (app.users()?, app.sessions()?);
    let check = app.password_check(PasswordEndpoint::Login)?;
    http::serve(env!("CARGO_BIN_NAME"), |request| handle(&users, &sessions, &check, request)).await
}

async fn handle(
    users: &Users,
    sessions: &Sessions,
    check: &PasswordCheck,
    request: Request,
) -> HandlerResult {
    let body: LoginBody = http::body(&request)?;
    let email = CanonicalEmail::of(&body.email.0);
    let source = http::source_address(&request);
    let lookup = async { Ok(users.find_credentials(&email).await?) };
    let (admission, login) = tokio::try_join!(check.throttle.admit(&email, source), lookup)?;
    let login = login.inspect(|login| audit::about(login.user_id));
    let matches = check.hasher.verify(&body.password, login.as_ref().map(|login| &login.password_hash))?;
    let Some(login) = login.filter(|_| matches) else { return Err(ApiError::InvalidCredentials) };
    admission.succeeded().await?;
    if let Some(renewed) = check.hasher.renew(&body.password, &login.password_hash)? {
        users.renew_hash(login.user_id, &login.password_hash, &renewed).await?;
    }
    let session = sessions.begin(login.user_id, login.session_epoch)?;
    audit::logged_in();
    http::ok(&session)
}
