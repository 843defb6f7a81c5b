//! Finding movies.

use uuid::Uuid;

use super::{Invalid, MAX_NAME_KEY_BYTES, canonical_form, composed};

/// The movies that a list is limited to: those for which every given condition holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieFilter {
    /// The beginning of the name.
    pub name_prefix: Option<NamePrefix>,
    /// The id of the user who added the movie.
    pub added_by: Option<Uuid>,
}

/// The beginning of a name, in Unicode NFC, with its canonical form. It matches a movie if the canonical form of the
/// movie's name starts with the canonical form of the prefix.
///
/// Canonical forms are composed and have no white space at their ends. A letter with an accent or a Korean syllable
/// therefore matches as a whole or not at all, and a space at the end of a prefix has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePrefix {
    text: String,
    key: String,
}

impl NamePrefix {
    /// Returns the prefix as the client sent it, trimmed and in NFC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the canonical form. It has at least one character, and can be longer than any canonical name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns whether a name can start with this prefix: the canonical form is not longer than any canonical name.
    #[must_use]
    pub fn can_match(&self) -> bool {
        self.key.len() <= MAX_NAME_KEY_BYTES
    }
}

impl TryFrom<String> for NamePrefix {
    type Error = Invalid;

    /// The rules of a name apply, except that the canonical form can have any length.
    fn try_from(text: String) -> Result<Self, Invalid> {
        let text = composed(&text)?;
        let key = canonical_form(&text)?;
        Ok(Self { text, key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NamePrefix;
    use crate::model::MovieName;

    fn prefix(text: &str) -> NamePrefix {
        NamePrefix::try_from(text.to_owned()).unwrap_or_else(|invalid| panic!("{text:?}: {invalid:?}"))
    }

    fn matches(name: &str, text: &str) -> bool {
        let name = MovieName::try_from(name.to_owned()).expect("a valid name");
        name.key().starts_with(prefix(text).key())
    }

    #[test]
    fn a_prefix_follows_the_rules_of_uniqueness() {
        for (name, text) in [
            ("The Matrix", "tHE mA"),
            ("The Matrix", "  The  Ma "),
            ("The Matrix", "The\u{a0}Ma"),
            ("The Matrix", "Ｔhe"),
            ("Ｍatrix", "ma"),
            ("Ma\u{ad}trix", "mat"),
            ("Matrix", "Ma\u{200b}t"),
            ("Straße", "STRAS"),
            ("STRASSE", "straß"),
            ("ﬁlm", "f"),
            ("Film", "ﬁ"),
            ("Office", "oﬃ"),
            ("ΟΔΥΣΣΕΥΣ", "οδυς"),
            ("Am\u{e9}lie", "Ame\u{301}"),
            ("Ame\u{301}lie", "Am\u{e9}"),
            ("\u{fdfa}", "صلى الله"),
            ("가족의 탄생", "\u{1100}\u{1161}"),
        ] {
            assert!(matches(name, text), "{name:?} starts with {text:?}");
        }
    }

    #[test]
    fn a_composed_character_matches_as_a_whole() {
        for (name, text) in [
            ("Am\u{e9}lie", "Ame"),
            ("Ame\u{301}lie", "Ame"),
            // An accent that no letter precedes stands for itself.
            ("Am\u{e9}lie", "\u{301}"),
            // The syllable 각 begins with the letters of 가, but is another character.
            ("각", "가"),
        ] {
            assert!(!matches(name, text), "{name:?} does not start with {text:?}");
        }
    }

    #[test]
    fn a_space_at_the_end_has_no_effect() {
        assert_eq!(prefix("The ").key(), "the");
        assert!(matches("Theater", "The "));
        assert!(!matches("Theater", "The M"));
    }

    #[test]
    fn a_prefix_has_1_to_200_characters_of_a_name() {
        let invalid = |text: &str| NamePrefix::try_from(text.to_owned()).expect_err(text).into_reason();
        for (text, reason) in [
            ("", "must not be empty"),
            (" \u{3000} ", "must not be empty"),
            ("\u{200b}", "must contain a visible character"),
            ("\u{ad} \u{200d}", "must contain a visible character"),
            ("a\0", "must not contain control characters"),
            ("a\tb", "must not contain control characters"),
            ("a\u{202e}", "must not contain bidirectional formatting characters"),
        ] {
            assert_eq!(invalid(text), reason, "{text:?}");
        }
        assert_eq!(invalid(&"a".repeat(201)), "must have at most 200 characters");
        assert_eq!(prefix(&format!("  {}  ", "🎬".repeat(200))).key().len(), 800);
        // Counted in NFC, as in a name.
        assert_eq!(prefix(&"e\u{301}".repeat(200)).as_str(), "\u{e9}".repeat(200));
    }

    #[test]
    fn a_prefix_longer_than_any_name_is_valid() {
        let (longest, longer) = (prefix(&"\u{fdfa}".repeat(30)), prefix(&"\u{fdfa}".repeat(31)));
        assert!(longest.can_match() && longest.key().len() > 980);
        assert!(!longer.can_match() && longer.key().len() > 1_000);
    }

    proptest! {
        #[test]
        fn a_name_starts_with_itself(text in "\\PC{1,60}") {
            if let Ok(name) = MovieName::try_from(text.clone()) {
                let prefix = prefix(&text);
                prop_assert_eq!(prefix.key(), name.key());
            }
        }

        #[test]
        fn the_words_of_a_name_find_it(words in prop::collection::vec("\\PC{1,12}", 1..5), count in 1..5_usize) {
            let begin = words.iter().take(count).cloned().collect::<Vec<_>>().join(" ");
            if let (Ok(name), Ok(begin)) = (MovieName::try_from(words.join(" ")), NamePrefix::try_from(begin)) {
                prop_assert!(name.key().starts_with(begin.key()), "{:?} {:?}", name, begin);
            }
        }

        #[test]
        fn a_prefix_that_was_accepted_is_accepted_again(text in "\\PC{1,210}") {
            if let Ok(first) = NamePrefix::try_from(text) {
                prop_assert_eq!(NamePrefix::try_from(first.as_str().to_owned()), Ok(first));
            }
        }
    }
}
