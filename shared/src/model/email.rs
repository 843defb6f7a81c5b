//! Email addresses: one mailbox, in the shape that every mail system accepts.

use std::{fmt, str::FromStr};

use email_address::{EmailAddress, Options};

use super::Invalid;

/// The most characters an address may have: RFC 5321 section 4.5.3.1.3 allows a path of 256 with its brackets.
const MAXIMUM_CHARACTERS: usize = 254;

/// A valid email address: ASCII, no quoted local part, no comment, no display name, a domain with a dot.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The address as its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which an address is unique.
    #[must_use]
    pub fn canonical(&self) -> CanonicalEmail {
        CanonicalEmail::of(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.len() > MAXIMUM_CHARACTERS {
            return Err(Invalid::new("must have at most 254 characters"));
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        // The crate follows RFC 6531 and 5322, which also allow other alphabets and quoted local parts.
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

/// An address in the form in which it is unique: the whole of it in lower case, because no mail system people use
/// tells `Ann@` from `ann@`.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalEmail(String);

/// An address belongs in no log.
impl fmt::Debug for CanonicalEmail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CanonicalEmail")
    }
}

impl CanonicalEmail {
    /// The canonical form of any text. For a text that is no address it is one that nobody can have taken.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// The form as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local_part, _)| local_part)
    }
}

/// Whether each label of the domain is one of RFC 1035: letters, digits and inner hyphens, at most 63.
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
    fn what_is_not_one_plain_mailbox_is_refused() {
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
