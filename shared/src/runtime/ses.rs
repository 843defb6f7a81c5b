//! The mail service, Amazon SES. Only `send-mail` uses it, so the linker leaves its client out of every other function.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_sdk_sesv2::{
    Client, Config,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
    types::{Body, Content, Destination, EmailContent, Message},
};

use super::{
    StartError,
    aws::{CONNECT_TIMEOUT, Service},
    environment::{required, unusable},
};
use crate::model::{CanonicalEmail, Email};

/// The time limits of a mail: for one attempt, and for all attempts together. They are longer than those of DynamoDB,
/// because an attempt that is given up may still have sent the mail, and the owner then gets a second copy.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(12);
/// Few attempts, because Lambda delivers the record of a mail again.
const SDK_MAX_ATTEMPTS: u32 = 2;

/// The variable with the address from which mails are sent.
const MAIL_FROM: &str = "MAIL_FROM";

/// The content of a mail.
#[derive(Clone)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Sends mails.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    from: String,
}

/// A mail that SES did not accept.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// SES refuses this mail, whenever it is sent.
    #[error("the mail service refuses the mail")]
    Refused {
        /// The code of the error. Its message can contain the address.
        code: &'static str,
    },
    /// SES did not answer, throttled, failed, or does not let this account send at present. The same mail may be sent later.
    #[error("the mail service is unavailable: {code}")]
    Unavailable {
        /// The code of the error. Its message can contain the address.
        code: String,
    },
}

impl Mailer {
    /// Creates a mailer that sends from the address `MAIL_FROM`.
    pub fn from_env() -> Result<Self, StartError> {
        let from: Email = required(MAIL_FROM)?.try_into().map_err(|_| {
            unusable(MAIL_FROM, "must be one email address, such as bag@example.com".to_owned())
        })?;
        Ok(Self { client: client()?, from: from.as_str().to_owned() })
    }

    /// Sends a mail to one address.
    ///
    /// `SendEmail`. SES has no idempotency key: if its response is lost, the SDK's retry sends the mail again. IAM:
    /// `ses:SendEmail`.
    pub async fn send(&self, to: &CanonicalEmail, letter: Letter) -> Result<(), MailError> {
        let content = content(letter).map_err(|_| MailError::Refused { code: "incomplete" })?;
        let request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to.as_str()).build())
            .content(content);
        request.send().await.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// Returns the error of a mail. It keeps only the code: the text of some contains the recipient's address.
    fn failure(&self, error: &SdkError<SendEmailError>) -> MailError {
        let code = match error {
            SdkError::ServiceError(service) => match service.err() {
                // SES also rejects every mail of a sender whose identity is not, or no longer, verified, and names it.
                SendEmailError::MessageRejected(rejected) if !rejected.to_string().contains(&self.from) => {
                    return MailError::Refused { code: "MessageRejected" };
                }
                SendEmailError::BadRequestException(_) => {
                    return MailError::Refused { code: "BadRequestException" };
                }
                // The account or the identity cannot send at present, or SES fails. An operator or time corrects that.
                other => other.code().unwrap_or("unknown"),
            },
            SdkError::TimeoutError(_) => "timeout",
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => "no response",
            _ => "no request",
        };
        MailError::Unavailable { code: code.to_owned() }
    }
}

fn content(letter: Letter) -> Result<EmailContent, BuildError> {
    let utf8 = |text: String| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(utf8(letter.text)?).html(utf8(letter.html)?).build();
    let message = Message::builder().subject(utf8(letter.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

/// Creates the client. Its first request opens the connection, because no client waits for a mail.
fn client() -> Result<Client, StartError> {
    let service = Service::from_env("AWS_ENDPOINT_URL_SESV2")?;
    let mut configuration = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(service.region.clone().map(Region::new))
        .use_fips(service.fips)
        .use_dual_stack(service.dual_stack)
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(RetryConfig::standard().with_max_attempts(SDK_MAX_ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        );
    configuration.set_endpoint_url(service.endpoint.clone());
    Ok(Client::from_conf(configuration.http_client(service.http_client()).build()))
}
