//! No route: the stream of `Outbox` and an hourly schedule trigger it. Sends mails with Amazon SES: reset tokens, and
//! notices of changed passwords.
//!
//! A failed record of the stream is reported by its sequence number, so that Lambda delivers it again. Reads `Users`;
//! counts in `PasswordAttempts`; writes `PasswordResets` and `Outbox`. `letters.rs` has the texts in `mails/`.

mod delivery;
mod letters;

use delivery::Delivery;
use lambda_runtime::Error;
use shared::{
    model::Timestamp,
    runtime::{self, App, BatchReport, CLOCK, Mailer, StreamEvent},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::from_env().await?;
    let delivery = Delivery {
        outbox: app.outbox()?,
        users: app.users()?,
        attempts: app.password_attempts()?,
        resets: app.password_resets()?,
        reset_page: runtime::password_reset_url()?,
        mailer: Mailer::from_env()?,
        clock: CLOCK,
        new_token: runtime::new_reset_token,
    };
    runtime::serve_stream(env!("CARGO_BIN_NAME"), |event, deadline| handle(&delivery, event, deadline)).await
}

async fn handle(delivery: &Delivery, event: StreamEvent, deadline: Timestamp) -> Result<BatchReport, Error> {
    match event {
        StreamEvent::Stream { records } => Ok(delivery.run_records(&records, deadline).await),
        StreamEvent::Schedule {} => {
            delivery.run_all(deadline).await?;
            Ok(BatchReport::default())
        }
    }
}
