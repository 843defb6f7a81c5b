//! The texts of the mails, from the files in `mails/`. Each mail has a text file, which begins with its subject, and an HTML
//! file; `{{name}}` stands for a value. No value comes from a request.

use shared::{
    model::{ResetToken, Timestamp},
    runtime::Letter,
};

/// The files of one mail.
struct Template {
    text: &'static str,
    html: &'static str,
}

const RESET_LINK: Template =
    Template { text: include_str!("mails/reset-link.txt"), html: include_str!("mails/reset-link.html") };
const RESET_TOKEN: Template =
    Template { text: include_str!("mails/reset-token.txt"), html: include_str!("mails/reset-token.html") };
const PASSWORD_CHANGED: Template = Template {
    text: include_str!("mails/password-changed.txt"),
    html: include_str!("mails/password-changed.html"),
};

/// Returns a mail with a reset token: in a link to this page, or by itself if there is none. A fragment of a URL stays in the
/// browser, so the token reaches no server's log.
pub fn reset(token: &ResetToken, page: Option<&str>) -> Letter {
    let token = token.expose();
    match page {
        Some(page) => RESET_LINK.fill("link", &format!("{page}#reset_token={token}")),
        None => RESET_TOKEN.fill("token", &token),
    }
}

/// Returns a mail about a password that was changed at this time.
pub fn password_changed(at: Timestamp) -> Letter {
    PASSWORD_CHANGED.fill("time", &at.to_utc_minutes())
}

impl Template {
    /// Puts the value in the place of its name, escaped in HTML.
    fn fill(&self, name: &str, value: &str) -> Letter {
        let placeholder = format!("{{{{{name}}}}}");
        let text = self.text.replace(&placeholder, value);
        let (subject, text) = text.split_once("\n\n").unwrap_or_default();
        Letter {
            subject: subject.trim_start_matches("Subject: ").to_owned(),
            text: text.to_owned(),
            html: self.html.replace(&placeholder, &escaped(value)),
        }
    }
}

/// Escapes a text for HTML, also within quoted attributes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}
