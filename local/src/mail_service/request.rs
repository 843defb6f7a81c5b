//! The body of `SendEmail`, and the errors of the service, in its own JSON.

use http_body_util::Full;
use hyper::{HeaderMap, Response, StatusCode, body::Bytes, header};
use serde::Deserialize;
use serde_json::json;

/// The body of a request, as far as this service supports it. Other members are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SendEmail {
    pub from_email_address: String,
    pub destination: Destination,
    pub content: Content,
}

/// The recipients.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Destination {
    pub to_addresses: Vec<String>,
}

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Content {
    pub simple: Message,
}

/// A mail of which the service makes the MIME message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Message {
    pub subject: Text,
    pub body: Body,
}

/// The parts of a mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Body {
    pub text: Text,
    pub html: Text,
}

/// A text in UTF-8.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Text {
    pub data: String,
    /// Without it, the service sends seven-bit ASCII.
    charset: Option<Charset>,
}

#[derive(Debug, Deserialize)]
enum Charset {
    #[serde(rename = "UTF-8")]
    Utf8,
}

/// An error of the service.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub kind: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestException", message)
    }

    pub fn response(self) -> Response<Full<Bytes>> {
        let body = json!({"message": self.message}).to_string();
        response(self.status, Some(self.kind), body)
    }
}

/// Reads a request to send a mail, and checks what the service checks.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<SendEmail, Refusal> {
    check_signature(headers)?;
    let request: SendEmail =
        serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    if request.destination.to_addresses.is_empty() {
        return Err(Refusal::bad_request("Destination is required."));
    }
    // The service has no SMTPUTF8: a domain must be in Punycode, and a local part in ASCII.
    let addresses = [&request.from_email_address].into_iter().chain(&request.destination.to_addresses);
    let is_usable =
        |address: &str| address.contains('@') && address.chars().all(|letter| letter.is_ascii_graphic());
    if !addresses.map(String::as_str).all(is_usable) {
        return Err(Refusal::bad_request("Local address contains control or whitespace"));
    }
    let Message { subject, body: Body { text, html } } = &request.content.simple;
    let has_characters = |part: &Text| part.data.is_ascii() || part.charset.is_some();
    if ![subject, text, html].into_iter().all(has_characters) {
        return Err(Refusal::bad_request("A character is not in the charset of its part."));
    }
    Ok(request)
}

/// Checks that a request is signed for this service. The signature itself is not checked, because every key may send.
fn check_signature(headers: &HeaderMap) -> Result<(), Refusal> {
    let refusal = |kind, message: &str| Refusal::new(StatusCode::FORBIDDEN, kind, message);
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let signed = authorization.and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 Credential="));
    let signed = signed.filter(|signed| signed.contains("Signature="));
    let signed = signed
        .ok_or_else(|| refusal("MissingAuthenticationTokenException", "Missing Authentication Token"))?;
    let scope = signed.split(',').next().unwrap_or_default();
    if scope.ends_with("/ses/aws4_request") {
        return Ok(());
    }
    Err(refusal("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'ses'."))
}

/// Returns a response with the service's headers.
pub fn response(status: StatusCode, error: Option<&str>, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-amzn-requestid", uuid::Uuid::new_v4().to_string());
    if let Some(error) = error {
        response = response.header("x-amzn-errortype", error);
    }
    response.body(Full::from(body)).expect("the headers are valid")
}
