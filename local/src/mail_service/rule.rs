//! The faults, and the rules that choose which mails meet them.

use crate::gate::Gate;

/// What happens to a request instead of an ordinary response.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429 `TooManyRequestsException`.
    Throttle,
    /// 400 with this type of error, such as `MessageRejected`, `MailFromDomainNotVerifiedException`,
    /// `SendingPausedException` or `LimitExceededException`.
    Refuse(&'static str),
    /// 400 `MessageRejected` because the identity of the sender is not verified.
    UnverifiedSender,
    /// 403 `AccessDeniedException`.
    AccessDenied,
    /// 500 `InternalFailure`.
    ServerError,
    /// 503 without a body, as a load balancer responds.
    Unavailable503,
    /// The request is accepted, no mail is sent, and no response is ever sent.
    Stall,
    /// The mail is sent; then the connection is closed without a response.
    LoseResponse,
    /// The request waits until the test opens the gate, and only then the mail is sent.
    Hold(Gate),
}

/// Chooses which mails meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The recipient; `None` for any.
    pub recipient: Option<String>,
    /// How many requests meet the fault; `usize::MAX` for no limit.
    pub times: usize,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// Returns a rule for the next mail to any recipient.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { recipient: None, times: 1, fault }
    }

    /// Returns a rule for every mail to any recipient.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { times: usize::MAX, ..Self::once(fault) }
    }

    /// Restricts the rule to mails to one recipient.
    #[must_use]
    pub fn to(self, recipient: &str) -> Self {
        Self { recipient: Some(recipient.to_owned()), ..self }
    }

    /// Returns whether the rule is about mails to these recipients.
    pub(super) fn matches(&self, recipients: &[String]) -> bool {
        self.recipient.as_ref().is_none_or(|recipient| recipients.contains(recipient))
    }
}
