//! Email addresses: one mailbox, in a form that every mail system accepts.

use std::{fmt, str::FromStr};

use email_address::{EmailAddress, Options};

use super::{Invalid, bounded};

/// The most characters of an address: RFC 5321 section 4.5.3.1.3 allows a path of 256 including its brackets.
const MAX_CHARACTERS: usize = 254;

/// A valid email address: ASCII, without a quoted local part, a comment or a display name, and with a dot in its domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Returns the address as its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the canonical form, in which an address is unique.
    #[must_use]
    pub fn canonical(&self) -> CanonicalEmail {
        CanonicalEmail::of(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.len() > MAX_CHARACTERS {
            return Err(Invalid::new("must have at most 254 characters"));
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        // The crate follows RFC 6531 and RFC 5322, which also allow other alphabets and quoted local parts.
        let acceptable = text.is_ascii()
            && !text.contains('"')
            && has_plain_labels(&text)
            && EmailAddress::parse_with_options(&text, options).is_ok();
        if acceptable {
            Ok(Self(text))
        } else {
            Err(Invalid::new("must be one email address, such as ann@example.com"))
        }
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}

/// The email of a login attempt: any text that is short enough to be looked up.
pub struct SubmittedEmail(String);

impl SubmittedEmail {
    /// Returns the canonical form. For a text that is not an address, it is one that no user can have.
    #[must_use]
    pub fn canonical(&self) -> CanonicalEmail {
        CanonicalEmail::of(&self.0)
    }
}

impl TryFrom<String> for SubmittedEmail {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        bounded(text).map(Self)
    }
}

/// An address in canonical form, in which it is unique: entirely in lower case, because the mail systems in use do not
/// distinguish `Ann@` from `ann@`.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalEmail(String);

/// Hides the address, which must not be logged.
impl fmt::Debug for CanonicalEmail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CanonicalEmail")
    }
}

impl CanonicalEmail {
    /// Takes a canonical form that was read from a table. It is not computed again: the claim on the email was made with
    /// the form that is stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    fn of(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Returns the canonical form as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local_part, _)| local_part)
    }
}

/// Returns whether each label of the domain follows RFC 1035: letters, digits and inner hyphens, at most 63.
fn has_plain_labels(address: &str) -> bool {
    let Some((_, domain)) = address.rsplit_once('@') else { return false };
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn ordinary_addresses_are_accepted() {
        for address in [
            "ann@example.com",
            "Ann.Smith+films@mail.example.co.uk",
            "o'neil@example.com",
            "a@b.co",
            "x_y-z@1example.com",
        ] {
            assert!(address.parse::<Email>().is_ok(), "{address}");
        }
    }

    #[test]
    fn anything_but_one_plain_mailbox_is_refused() {
        for address in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@example.com.",
            "ann@-example.com",
            "ann@exam_ple.com",
            "ann@example..com",
            ".ann@example.com",
            "ann.@example.com",
            "an..n@example.com",
            "ann smith@example.com",
            " ann@example.com",
            "ann@example.com ",
            "ann@example.com\n",
            "Ann <ann@example.com>",
            "<ann@example.com>",
            "ann(comment)@example.com",
            "\"ann\"@example.com",
            "ann@[192.0.2.1]",
            "ann@example.com,bob@example.com",
            "ann@@example.com",
            "änn@example.com",
            "ann@exämple.com",
            "ann\0@example.com",
        ] {
            assert!(address.parse::<Email>().is_err(), "{address:?}");
        }
    }

    #[test]
    fn an_address_of_254_characters_is_the_longest() {
        let address = |length: usize| {
            let domain = format!("{}.{}.{}.example", "a".repeat(60), "b".repeat(60), "c".repeat(60));
            format!("{}@{domain}", "l".repeat(length - domain.len() - 1))
        };
        assert!(address(254).parse::<Email>().is_ok());
        assert!(address(255).parse::<Email>().is_err());
    }

    #[test]
    fn the_canonical_form_ignores_case() {
        let email: Email = "Ann.Smith@Example.COM".parse().expect("a valid address");
        assert_eq!(email.canonical().as_str(), "ann.smith@example.com");
        assert_eq!(email.as_str(), "Ann.Smith@Example.COM");
        assert_eq!(email.canonical().local_part(), "ann.smith");
    }
}
