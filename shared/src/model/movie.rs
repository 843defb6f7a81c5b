//! Movies and the rules of their fields.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use uuid::Uuid;

use super::{Invalid, Timestamp};

mod filter;
mod version;

pub use filter::{MovieFilter, NamePrefix};
pub use version::VersionSet;

/// The most characters of a name, and of a prefix of one.
const MAX_NAME_CHARACTERS: usize = 200;
/// The most bytes of a canonical name. It is the sort key of the indexes, and DynamoDB allows 1,024.
const MAX_NAME_KEY_BYTES: usize = 1_000;

/// A movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// `UUIDv7`, made by the server.
    pub id: Uuid,
    /// The name, whose canonical form is unique among all movies.
    pub name: MovieName,
    /// The cast.
    pub casts: Casts,
    /// The genres.
    pub genres: Genres,
    /// The id of the user who added the movie and is the only one who may change or delete it.
    pub added_by: Uuid,
    /// The time of the creation.
    pub created_at: Timestamp,
    /// The time of the last update, or of the creation.
    pub updated_at: Timestamp,
    /// `UUIDv7`, made by the server for each write of the movie.
    pub version: Uuid,
}

/// The changes of an update: `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieChanges {
    /// A new name.
    pub name: Option<MovieName>,
    /// A new cast, which replaces the old one.
    pub casts: Option<Casts>,
    /// New genres, which replace the old ones.
    pub genres: Option<Genres>,
}

impl MovieChanges {
    /// Returns the movie with these changes, made at `now`, which give it this version.
    ///
    /// `updated_at` never moves back, even if the clock of this machine is behind the clock of the last update.
    #[must_use]
    pub fn applied_to(self, movie: Movie, now: Timestamp, version: Uuid) -> Movie {
        Movie {
            name: self.name.unwrap_or(movie.name),
            casts: self.casts.unwrap_or(movie.casts),
            genres: self.genres.unwrap_or(movie.genres),
            updated_at: now.max(movie.updated_at),
            version,
            ..movie
        }
    }
}

/// The cast of a movie: 1 to 100 texts of 1 to 100 characters, with at most 4,096 bytes in total.
pub type Casts = TextList<100, 100, 4096>;

/// The genres of a movie: 1 to 20 texts of 1 to 50 characters, with at most 1,024 bytes in total.
pub type Genres = TextList<20, 50, 1024>;

/// A movie's name in Unicode NFC, with the canonical form in which it is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovieName {
    text: String,
    key: String,
}

impl MovieName {
    /// Takes a name and its canonical form that were read from a table. The form is not computed again: the claim on the
    /// name was made with the form that is stored.
    #[must_use]
    pub fn from_stored(text: String, key: String) -> Self {
        Self { text, key }
    }

    /// Returns the name as clients see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the canonical form. Two names are the same if their canonical forms are equal.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl TryFrom<String> for MovieName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let text = composed(&text)?;
        let key = canonical_form(&text)?;
        if key.len() > MAX_NAME_KEY_BYTES {
            return Err(Invalid::new("is too long once its characters are written out"));
        }
        Ok(Self { text, key })
    }
}

/// A list of 1 to `ITEMS` texts. Each has 1 to `CHARACTERS` characters after trimming, of the kinds that a name may have;
/// all together have at most `BYTES` bytes of UTF-8.
///
/// The bytes limit the size of a movie's item, and with it the capacity that a write or a page can consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextList<const ITEMS: usize, const CHARACTERS: usize, const BYTES: usize>(Vec<String>);

impl<const ITEMS: usize, const CHARACTERS: usize, const BYTES: usize> TextList<ITEMS, CHARACTERS, BYTES> {
    /// Takes texts that were read from a table.
    #[must_use]
    pub fn from_stored(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// Returns the trimmed texts.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Checks the number of texts.
    pub fn check_length(length: usize) -> Result<(), Invalid> {
        if (1..=ITEMS).contains(&length) {
            Ok(())
        } else {
            Err(Invalid::new(format!("must have 1 to {ITEMS} items")))
        }
    }

    /// Checks one text of the list and returns it trimmed.
    pub fn check_item(text: &str) -> Result<String, Invalid> {
        plain_text(text, CHARACTERS).map(str::to_owned)
    }

    /// Creates a list of texts that [`check_item`](Self::check_item) returned, after checking their number and size.
    pub fn from_checked_items(texts: Vec<String>) -> Result<Self, Invalid> {
        Self::check_length(texts.len())?;
        if texts.iter().map(String::len).sum::<usize>() > BYTES {
            return Err(Invalid::new(format!("must have at most {BYTES} bytes of UTF-8 in total")));
        }
        Ok(Self(texts))
    }
}

/// The reason for an invisible text.
const INVISIBLE: Invalid = Invalid::fixed("must contain a visible character");

/// Returns the text of a name or of a prefix, trimmed and in NFC.
fn composed(text: &str) -> Result<String, Invalid> {
    let text = plain_text(text, usize::MAX)?;
    let text = ComposingNormalizer::new_nfc().normalize(text).into_owned();
    // Checked again in the returned form, so that a client can always send back a name that it received.
    plain_text(&text, MAX_NAME_CHARACTERS)?;
    Ok(text)
}

/// Returns the canonical form of a text that [`composed`] returned, which must not be empty.
fn canonical_form(text: &str) -> Result<String, Invalid> {
    let key = canonical(text);
    if key.is_empty() { Err(INVISIBLE) } else { Ok(key) }
}

/// Returns the trimmed text. It must have 1 to `maximum` characters, at least one of them visible, and neither control
/// characters nor explicit directional formatting.
fn plain_text(text: &str, maximum: usize) -> Result<&str, Invalid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new("must not be empty"));
    }
    if text.chars().count() > maximum {
        return Err(Invalid::new(format!("must have at most {maximum} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("must not contain control characters"));
    }
    if text.chars().any(formats_direction) {
        return Err(Invalid::new("must not contain bidirectional formatting characters"));
    }
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    if text.chars().all(|character| character.is_whitespace() || ignorable.contains(character)) {
        return Err(INVISIBLE);
    }
    Ok(text)
}

/// Returns whether a character is an explicit directional embedding, override or isolate (Unicode Standard Annex #9,
/// section 2). It reorders the text around it, so `Alien\u{202e}…` can look like another name. Implicit marks, such as
/// U+200F, do not affect the text around them, and Hebrew and Arabic texts need them.
fn formats_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the form in which names are compared: compatibility caseless matching (The Unicode Standard, section 3.13,
/// D146), without default-ignorable characters, with single spaces, composed.
fn canonical(name: &str) -> String {
    let cases = CaseMapper::new();
    let decomposed = DecomposingNormalizer::new_nfd().normalize(name);
    let folded = cases.fold_string(&decomposed);
    let compatible = DecomposingNormalizer::new_nfkd().normalize(&folded);
    let folded = cases.fold_string(&compatible);
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let visible: String = folded.chars().filter(|&character| !ignorable.contains(character)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    ComposingNormalizer::new_nfkc().normalize(&words.join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{Casts, Genres, Movie, MovieChanges, MovieName, Timestamp};

    fn name(text: &str) -> Result<MovieName, super::Invalid> {
        MovieName::try_from(text.to_owned())
    }

    fn key(text: &str) -> String {
        name(text).expect("a valid name").key().to_owned()
    }

    #[test]
    fn names_that_look_the_same_are_equal() {
        for (one, other) in [
            ("The Matrix", "the matrix"),
            ("The  Matrix", " The\u{a0}Matrix "),
            ("STRASSE", "straße"),
            ("Ame\u{301}lie", "Am\u{e9}lie"),
            ("Ｍatrix", "matrix"),
            ("Ma\u{ad}trix", "Matrix"),
            ("Ma\u{200b}trix", "Matrix"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("ﬁlm", "FILM"),
            ("Se7en²", "se7en2"),
        ] {
            assert_eq!(key(one), key(other), "{one:?} and {other:?}");
        }
        assert_ne!(key("Alien"), key("Aliens"));
    }

    #[test]
    fn a_name_keeps_its_spelling_in_nfc() {
        assert_eq!(name("  Ame\u{301}lie  ").expect("valid").as_str(), "Am\u{e9}lie");
        assert_eq!(name("The  MATRIX").expect("valid").as_str(), "The  MATRIX");
    }

    #[test]
    fn names_have_1_to_200_characters() {
        assert!(name("a").is_ok());
        assert!(name(&"🎬".repeat(200)).is_ok());
        assert!(name(&"a".repeat(201)).is_err());
        for empty in ["", "   ", "\u{200b}", "\u{ad}\u{200d}"] {
            assert!(name(empty).is_err(), "{empty:?}");
        }
    }

    #[test]
    fn control_and_bidirectional_formatting_characters_are_refused() {
        for text in
            ["a\0b", "a\nb", "a\tb", "a\u{7f}b", "a\u{85}b", "a\u{202e}b", "\u{202a}a", "a\u{2066}b\u{2069}"]
        {
            assert!(name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_canonical_name_has_at_most_1000_bytes() {
        // This character is decomposed into eighteen.
        assert!(name(&"\u{fdfa}".repeat(30)).is_ok());
        assert!(name(&"\u{fdfa}".repeat(31)).is_err());
    }

    #[test]
    fn lists_are_bounded_in_items_and_bytes() {
        let casts = |count: usize, text: &str| Casts::from_checked_items(vec![text.to_owned(); count]);
        assert!(casts(0, "a").is_err());
        assert!(casts(100, "a").is_ok());
        assert!(casts(101, "a").is_err());
        assert!(casts(64, &"é".repeat(32)).is_ok());
        assert!(casts(65, &"é".repeat(32)).is_err());
    }

    #[test]
    fn items_are_trimmed_bounded_and_visible() {
        assert_eq!(Casts::check_item(" Keanu Reeves ").expect("valid"), "Keanu Reeves");
        assert!(Casts::check_item(&"é".repeat(100)).is_ok());
        for text in [&"é".repeat(101), "  ", "\u{200b}", "\u{ad} \u{200d}", "a\u{202e}b", "\u{2066}a\u{2069}"]
        {
            assert!(Casts::check_item(text).is_err(), "{text:?}");
        }
        assert!(Casts::check_item("\u{200f}שלום\u{200f}").is_ok(), "implicit marks belong to some languages");
    }

    #[test]
    fn an_update_never_moves_updated_at_back() {
        let (early, late) = (Timestamp::EPOCH, Timestamp::EPOCH + Duration::from_secs(1));
        let movie = Movie {
            id: Uuid::nil(),
            name: name("Alien").expect("valid"),
            casts: Casts::from_stored(Vec::new()),
            genres: Genres::from_stored(Vec::new()),
            added_by: Uuid::nil(),
            created_at: early,
            updated_at: late,
            version: Uuid::nil(),
        };
        let updated_at =
            |movie: Movie, now| MovieChanges::default().applied_to(movie, now, Uuid::max()).updated_at;
        assert_eq!(updated_at(movie.clone(), early), late);
        let later = late + Duration::from_secs(1);
        assert_eq!(updated_at(movie, later), later);
    }

    proptest! {
        #[test]
        fn the_canonical_form_of_a_key_is_the_key(text in "\\PC{1,60}") {
            if let Ok(first) = name(&text) && let Ok(second) = name(first.key()) {
                prop_assert_eq!(first.key(), second.key());
            }
        }

        #[test]
        fn a_name_that_was_accepted_is_accepted_again(text in "\\PC{1,210}") {
            if let Ok(first) = name(&text) {
                prop_assert_eq!(name(first.as_str()), Ok(first));
            }
        }
    }
}
