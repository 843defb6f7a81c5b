//! A mail.

use std::io;

use mail_builder::{MessageBuilder, headers::address::Address};
use time::OffsetDateTime;

use crate::template::REGION;

/// The length of a reset token: 256 bits in base64url.
const TOKEN_LENGTH: usize = 43;

/// A mail that a function has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The id that the mail service gave it.
    pub id: String,
    /// When it was sent.
    pub sent_at: OffsetDateTime,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Mail {
    /// Returns the first link of the text part with a reset token in its fragment, if there is one.
    #[must_use]
    pub fn reset_link(&self) -> Option<&str> {
        self.words().find(|word| word.contains("#reset_token="))
    }

    /// Returns the reset token in the text part, in a link or by itself, if there is one.
    #[must_use]
    pub fn reset_token(&self) -> Option<&str> {
        match self.reset_link() {
            Some(link) => link.split_once("#reset_token=").map(|(_, token)| token),
            None => self.words().find(|word| word.len() == TOKEN_LENGTH && word.chars().all(is_of_token)),
        }
    }

    /// Returns the mail as the text of an `.eml` file (RFC 5322), with both parts as alternatives.
    pub fn to_eml(&self) -> io::Result<Vec<u8>> {
        let recipients = self.to.iter().map(|address| Address::from(address.as_str())).collect();
        let message = MessageBuilder::new()
            .message_id(format!("{}@{REGION}.amazonses.com", self.id))
            .date(self.sent_at.unix_timestamp())
            .from(self.from.as_str())
            .to(Address::new_list(recipients))
            .subject(&*self.subject)
            .text_body(&*self.text)
            .html_body(&*self.html);
        message.write_to_vec()
    }

    /// Returns the words of the text part without the punctuation around them.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_whitespace().map(|word| word.trim_matches(|c: char| !is_of_token(c)))
    }
}

/// Returns whether this is a digit of base64url.
fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const TOKEN: &str = "A-_9aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-";

    fn mail(text: &str) -> Mail {
        Mail {
            id: "a1b2".to_owned(),
            sent_at: datetime!(2026-07-01 08:09:10.5 UTC),
            from: "movie-bag@example.com".to_owned(),
            to: vec!["ann@example.com".to_owned(), "ben@example.com".to_owned()],
            subject: "Ihr Paßwort".to_owned(),
            text: text.to_owned(),
            html: "<p>Grüße</p>".to_owned(),
        }
    }

    #[test]
    fn a_token_is_found_in_a_link_or_by_itself() {
        let link = format!("https://movies.example/reset#reset_token={TOKEN}");
        for (text, expected_link, token) in [
            (format!("Open this link:\n\n{link}\n\nIt is valid"), Some(link.as_str()), Some(TOKEN)),
            (format!("Open <{link}>."), Some(link.as_str()), Some(TOKEN)),
            (format!("Paste this token:\n\n    {TOKEN}\n"), None, Some(TOKEN)),
            (format!("{TOKEN}a {} https://movies.example", &TOKEN[1..]), None, None),
        ] {
            let mail = mail(&text);
            assert_eq!((mail.reset_link(), mail.reset_token()), (expected_link, token), "{text}");
        }
    }

    #[test]
    fn an_eml_file_has_both_parts_as_alternatives() {
        let eml = String::from_utf8(mail("Grüße\n.\nFrom here").to_eml().expect("a mail")).expect("text");
        let (head, body) = eml.split_once("\r\n\r\n").expect("headers and a body");
        let header = |name: &str| {
            let lines = head.replace("\r\n\t", " ").replace("\r\n ", " ");
            let line = lines
                .split("\r\n")
                .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
            line.unwrap_or_else(|| panic!("no {name}: {head}"))
        };
        assert_eq!(header("Message-ID"), "<a1b2@eu-west-1.amazonses.com>");
        assert_eq!(header("Date"), "Wed, 1 Jul 2026 08:09:10 +0000");
        assert_eq!(header("From"), "<movie-bag@example.com>");
        assert_eq!(header("To"), "<ann@example.com>, <ben@example.com>");
        assert!(header("Subject").starts_with("=?utf-8?"), "{}", header("Subject"));
        let kind = header("Content-Type");
        let boundary = kind.strip_prefix("multipart/alternative; boundary=\"").expect("alternatives");
        let parts: Vec<&str> = body.split(boundary.trim_end_matches('"')).collect();
        assert!(parts[1].contains("text/plain; charset=\"utf-8\""), "{body}");
        assert!(parts[2].contains("text/html; charset=\"utf-8\""), "{body}");
        assert!(eml.is_ascii() && eml.lines().all(|line| line.len() <= 78), "{eml}");
    }
}
