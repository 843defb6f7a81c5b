//! The HTTP side of the service.

use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{
    mail::Mail,
    request::{self, Refusal, SendEmail, response},
    rule::{Fault, Rule},
};
use crate::{
    clock, connections,
    observed::lock,
    template::{ACCOUNT, REGION},
};

/// The rules, and the mails so far.
#[derive(Default)]
pub struct State {
    pub rules: Vec<Rule>,
    /// The mails of all requests that were well formed, whether they were sent or not.
    pub requested: Vec<Mail>,
    pub sent: Vec<Mail>,
}

/// Is called with each mail that is sent.
pub type OnSent = Arc<dyn Fn(&Mail) + Send + Sync>;

/// Serves the functions forever, with all paths below `base`.
pub async fn serve(listener: TcpListener, base: String, state: Arc<Mutex<State>>, on_sent: OnSent) {
    let path = base + "/v2/email/outbound-emails";
    connections::serve(listener, move |request, _| {
        handle(request, path.clone(), Arc::clone(&state), Arc::clone(&on_sent))
    })
    .await;
}

async fn handle(
    request: Request<Incoming>,
    path: String,
    state: Arc<Mutex<State>>,
    on_sent: OnSent,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    if (&head.method, head.uri.path()) != (&Method::POST, &*path) {
        let message = format!("{} {} is not supported on this machine.", head.method, head.uri.path());
        return Ok(Refusal::new(StatusCode::NOT_FOUND, "UnknownOperationException", message).response());
    }
    let body = body.collect().await?.to_bytes();
    let mail = match request::read(&head.headers, &body) {
        Ok(request) => mail(request),
        Err(refusal) => return Ok(refusal.response()),
    };
    let fault = lock(&state).record(&mail);
    match &fault {
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Hold(gate)) => gate.pass().await,
        Some(fault) => {
            if let Some(instead) = instead(fault, &mail) {
                return Ok(instead);
            }
        }
        None => {}
    }
    lock(&state).sent.push(mail.clone());
    on_sent(&mail);
    if matches!(fault, Some(Fault::LoseResponse)) {
        bail!("the response is lost");
    }
    Ok(response(StatusCode::OK, None, json!({"MessageId": mail.id}).to_string()))
}

impl State {
    /// Records a mail, and returns the fault that it meets, if any.
    fn record(&mut self, mail: &Mail) -> Option<Fault> {
        self.requested.push(mail.clone());
        let rule = self.rules.iter_mut().find(|rule| rule.times > 0 && rule.matches(&mail.to))?;
        rule.times = if rule.times == usize::MAX { usize::MAX } else { rule.times - 1 };
        Some(rule.fault.clone())
    }
}

fn mail(request: SendEmail) -> Mail {
    let SendEmail { from_email_address, destination, content } = request;
    Mail {
        id: Uuid::new_v4().to_string(),
        sent_at: clock::now(),
        from: from_email_address,
        to: destination.to_addresses,
        subject: content.simple.subject.data,
        text: content.simple.body.text.data,
        html: content.simple.body.html.data,
    }
}

/// Returns the response that a fault sends instead of sending the mail; `None` for the faults that send none. Where SES
/// does so, the message names an address.
fn instead(fault: &Fault, mail: &Mail) -> Option<Response<Full<Bytes>>> {
    let recipients = mail.to.join(", ");
    let unverified = |identities: &str| {
        format!(
            "Email address is not verified. The following identities failed the check in region {}: {identities}",
            REGION.to_uppercase()
        )
    };
    let refusal = match fault {
        Fault::Throttle => {
            let message = "Maximum sending rate exceeded.";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", message)
        }
        Fault::Refuse(kind) => {
            let message = match *kind {
                "MessageRejected" => unverified(&recipients),
                kind => format!("{kind}: from {} to {recipients}", mail.from),
            };
            Refusal::new(StatusCode::BAD_REQUEST, kind, message)
        }
        Fault::UnverifiedSender => {
            Refusal::new(StatusCode::BAD_REQUEST, "MessageRejected", unverified(&mail.from))
        }
        Fault::AccessDenied => {
            let identity = format!("arn:aws:ses:{REGION}:{ACCOUNT}:identity/{}", mail.from);
            let message = format!(
                "User `arn:aws:sts::{ACCOUNT}:assumed-role/role/function' is not authorized to perform \
                 `ses:SendEmail' on resource `{identity}'"
            );
            Refusal::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
        }
        Fault::ServerError => {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "Internal server error")
        }
        Fault::Unavailable503 => return Some(response(StatusCode::SERVICE_UNAVAILABLE, None, String::new())),
        Fault::Stall | Fault::LoseResponse | Fault::Hold(_) => return None,
    };
    Some(refusal.response())
}
