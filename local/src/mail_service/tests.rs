//! The service as a plain HTTP client sees it.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use super::*;
use crate::fault_proxy::Gate;

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/ses/aws4_request, SignedHeaders=host, Signature=00";

async fn start() -> MailService {
    MailService::start(|_| {}).await.expect("a mail service")
}

fn mail_to(recipient: &str) -> Value {
    let text = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
    json!({
        "FromEmailAddress": "movie-bag@example.com",
        "Destination": {"ToAddresses": [recipient]},
        "Content": {"Simple": {"Subject": text("Grüße"), "Body": {"Text": text("Hi"), "Html": text("<p>Hi</p>")}}},
    })
}

/// Sends a request. Returns the status, headers and body of the response, or `None` if the connection broke.
async fn request(
    service: &MailService,
    path: &str,
    signed: &str,
    body: &Value,
) -> Option<(u16, HeaderMap, Value)> {
    let request = Request::post(format!("{}{path}", service.endpoint())).header("authorization", signed);
    let request = request.body(Full::<Bytes>::from(body.to_string())).expect("a request");
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.ok()?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Some((head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Sends a mail. Returns the status and the type of the error, if it is one, or `None` if the connection broke.
async fn send(service: &MailService, body: &Value) -> Option<(u16, Option<String>)> {
    let (status, headers, _) = request(service, "/v2/email/outbound-emails", SIGNED, body).await?;
    let error = headers.get("x-amzn-errortype").map(|error| error.to_str().expect("text").to_owned());
    Some((status, error))
}

fn recipients(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.to[0].as_str()).collect()
}

#[tokio::test]
async fn a_mail_is_kept_and_reported_with_its_id() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reported);
    let service = MailService::start(move |mail| lock(&sink).push(mail.clone())).await.expect("a service");
    let sent = request(&service, "/v2/email/outbound-emails", SIGNED, &mail_to("ann@example.com")).await;
    let (status, _, body) = sent.expect("a response");
    let mails = service.sent();
    let [mail] = &mails[..] else { panic!("one mail expected") };
    assert_eq!((status, &body["MessageId"]), (200, &json!(mail.id)));
    assert_eq!((&*mail.from, &*mail.to), ("movie-bag@example.com", &["ann@example.com".to_owned()][..]));
    assert_eq!((&*mail.subject, &*mail.text, &*mail.html), ("Grüße", "Hi", "<p>Hi</p>"));
    assert_eq!((&service.requested(), &*lock(&reported)), (&mails, &mails));
}

#[tokio::test]
async fn only_requests_that_are_signed_for_ses_are_accepted() {
    let service = start().await;
    let foreign = SIGNED.replace("/ses/", "/dynamodb/");
    for (signed, expected) in [
        ("", "MissingAuthenticationTokenException"),
        ("Bearer x", "MissingAuthenticationTokenException"),
        (&*foreign, "SignatureDoesNotMatch"),
    ] {
        let response =
            request(&service, "/v2/email/outbound-emails", signed, &mail_to("ann@example.com")).await;
        let (status, headers, _) = response.expect("a response");
        assert_eq!((status, headers["x-amzn-errortype"].to_str().expect("text")), (403, expected));
    }
    let other = request(&service, "/v2/email/identities", SIGNED, &json!({})).await.expect("a response");
    assert_eq!(other.0, 404);
    assert_eq!(service.requested(), []);
}

#[tokio::test]
async fn a_request_without_the_secret_path_sends_nothing() {
    let service = start().await;
    let (origin, path) = service.endpoint.rsplit_once('/').expect("a path");
    assert_eq!(path.len(), 32, "{path}");
    let other = MailService { endpoint: origin.to_owned(), ..start().await };
    for guessed in ["", "/v2", "/00000000000000000000000000000000", &format!("/{path}x")] {
        let path = format!("{guessed}/v2/email/outbound-emails");
        let response = request(&other, &path, SIGNED, &mail_to("ann@example.com")).await;
        assert_eq!(response.expect("a response").0, 404, "{path}");
    }
    assert_eq!(service.requested(), []);
}

#[tokio::test]
async fn a_request_that_ses_or_this_service_cannot_send_is_refused() {
    let service = start().await;
    for (pointer, value) in [
        ("/FromEmailAddress", json!(null)),
        ("/FromEmailAddress", json!("movie-bag")),
        ("/Destination/ToAddresses", json!([])),
        ("/Destination/ToAddresses/0", json!("änn@example.com")),
        ("/Destination/ToAddresses/0", json!("ann@bücher.example")),
        ("/Destination/ToAddresses/0", json!("ann@example.com\u{1b}[2J")),
        ("/Destination/ToAddresses/0", json!("ann@example.com\r\nBcc: all@example.com")),
        ("/Destination", json!({"ToAddresses": ["ann@example.com"], "CcAddresses": ["ben@example.com"]})),
        ("/Content", json!({"Raw": {"Data": "aGk="}})),
        ("/Content/Simple/Body/Html", json!(null)),
        ("/Content/Simple/Subject", json!({"Data": "Grüße"})),
        ("/Content/Simple/Subject/Charset", json!("ISO-8859-1")),
    ] {
        let mut body = mail_to("ann@example.com");
        *body.pointer_mut(pointer).expect("a member") = value;
        let expected = Some((400, Some("BadRequestException".to_owned())));
        assert_eq!(send(&service, &body).await, expected, "{body}");
    }
    assert_eq!(service.requested(), []);
}

#[tokio::test]
async fn faults_have_the_form_of_ses_and_send_nothing() {
    let service = start().await;
    for (fault, status, kind) in [
        (Fault::Throttle, 429, Some("TooManyRequestsException")),
        (Fault::Refuse("MessageRejected"), 400, Some("MessageRejected")),
        (Fault::Refuse("SendingPausedException"), 400, Some("SendingPausedException")),
        (Fault::AccessDenied, 403, Some("AccessDeniedException")),
        (Fault::ServerError, 500, Some("InternalFailure")),
        (Fault::Unavailable503, 503, None),
    ] {
        service.inject(Rule::once(fault));
        let expected = Some((status, kind.map(str::to_owned)));
        assert_eq!(send(&service, &mail_to("ann@example.com")).await, expected);
    }
    assert_eq!((service.sent().len(), service.requested().len()), (0, 6));
}

#[tokio::test]
async fn rules_choose_recipients_and_are_used_up() {
    let service = start().await;
    service.inject(Rule { times: 2, ..Rule::once(Fault::Throttle).to("ann@example.com") });
    let mut statuses = Vec::new();
    for recipient in ["ben@example.com", "ann@example.com", "ann@example.com", "ann@example.com"] {
        statuses.push(send(&service, &mail_to(recipient)).await.expect("a response").0);
    }
    assert_eq!(statuses, [200, 429, 429, 200]);
    service.inject(Rule::always(Fault::ServerError));
    assert_eq!(send(&service, &mail_to("cat@example.com")).await.expect("a response").0, 500);
    assert_eq!(send(&service, &mail_to("cat@example.com")).await.expect("a response").0, 500);
    service.clear_rules();
    assert_eq!(send(&service, &mail_to("cat@example.com")).await.expect("a response").0, 200);
    assert_eq!(recipients(&service.sent()), ["ben@example.com", "ann@example.com", "cat@example.com"]);
}

#[tokio::test]
async fn a_mail_whose_response_is_lost_was_sent() {
    let service = start().await;
    service.inject(Rule::once(Fault::LoseResponse));
    assert_eq!(send(&service, &mail_to("ann@example.com")).await, None);
    assert_eq!(recipients(&service.sent()), ["ann@example.com"]);
}

#[tokio::test]
async fn a_stalled_request_sends_nothing_and_gets_no_response() {
    let service = start().await;
    service.inject(Rule::once(Fault::Stall));
    let mail = mail_to("ann@example.com");
    assert!(tokio::time::timeout(Duration::from_millis(200), send(&service, &mail)).await.is_err());
    assert_eq!((service.sent().len(), service.requested().len()), (0, 1));
}

#[tokio::test]
async fn a_held_mail_is_sent_when_the_gate_opens() {
    let service = start().await;
    let gate = Gate::new();
    service.inject(Rule::once(Fault::Hold(gate.clone())));
    let race = async {
        gate.reached().await;
        assert_eq!(service.sent(), []);
        gate.open();
    };
    let mail = mail_to("ann@example.com");
    let (response, ()) = tokio::join!(send(&service, &mail), race);
    assert_eq!(response, Some((200, None)));
    assert_eq!(recipients(&service.sent()), ["ann@example.com"]);
}
