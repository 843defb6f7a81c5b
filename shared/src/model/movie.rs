//! Movies and the rules of their fields.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use uuid::Uuid;

use super::{Invalid, Timestamp};

/// The most characters a name may have.
const NAME_CHARACTERS: usize = 200;
/// The most bytes a canonical name may have. It is the sort key of the list's index, and DynamoDB allows 1,024.
const NAME_KEY_BYTES: usize = 1_000;

/// A movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// `UUIDv7`, made by the server.
    pub id: Uuid,
    /// Unique among all movies, in its canonical form.
    pub name: MovieName,
    /// Who plays in it.
    pub casts: Casts,
    /// What kind of movie it is.
    pub genres: Genres,
    /// The id of the user who added it, the only one who may change or delete it.
    pub added_by: Uuid,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed, or added.
    pub updated_at: Timestamp,
}

/// What an owner wants changed: `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieChanges {
    /// A new name.
    pub name: Option<MovieName>,
    /// A new cast, in place of the whole old one.
    pub casts: Option<Casts>,
    /// New genres, in place of all the old ones.
    pub genres: Option<Genres>,
}

impl MovieChanges {
    /// The movie as it is once these changes are made, at `now`.
    ///
    /// `updated_at` never goes back, even if the clock of this machine is behind the one that made the last change.
    #[must_use]
    pub fn applied_to(self, movie: Movie, now: Timestamp) -> Movie {
        Movie {
            name: self.name.unwrap_or(movie.name),
            casts: self.casts.unwrap_or(movie.casts),
            genres: self.genres.unwrap_or(movie.genres),
            updated_at: now.max(movie.updated_at),
            ..movie
        }
    }
}

/// The people in a movie: 1 to 100 texts of 1 to 100 characters, of at most 4,096 bytes together.
pub type Casts = TextList<100, 100, 4096>;

/// The genres of a movie: 1 to 20 texts of 1 to 50 characters, of at most 1,024 bytes together.
pub type Genres = TextList<20, 50, 1024>;

/// A movie's name in Unicode NFC, and the canonical form in which it is unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovieName {
    text: String,
    key: String,
}

impl MovieName {
    /// Takes a name as a table holds it. Its key is not made anew: the claim was made with the one that is stored.
    #[must_use]
    pub fn from_stored(text: String, key: String) -> Self {
        Self { text, key }
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical form: two names are the same when their keys are.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl TryFrom<String> for MovieName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let text = plain_text(&text, usize::MAX)?;
        let text = ComposingNormalizer::new_nfc().normalize(text).into_owned();
        // Counted in the form that is kept and shown, so that a name this API gave out can always be sent back.
        plain_text(&text, NAME_CHARACTERS)?;
        let key = canonical(&text);
        if key.is_empty() {
            return Err(INVISIBLE);
        }
        if key.len() > NAME_KEY_BYTES {
            return Err(Invalid::new("is too long once its characters are written out"));
        }
        Ok(Self { text, key })
    }
}

/// 1 to `ITEMS` texts, each of 1 to `CHARACTERS` characters after trimming and as visible as a name, all together of at
/// most `BYTES` bytes of UTF-8.
///
/// The bytes bound the size of a movie's item, and with it the capacity that one write or one page can consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextList<const ITEMS: usize, const CHARACTERS: usize, const BYTES: usize>(Vec<String>);

impl<const ITEMS: usize, const CHARACTERS: usize, const BYTES: usize> TextList<ITEMS, CHARACTERS, BYTES> {
    /// Takes texts as a table holds them.
    #[must_use]
    pub fn from_stored(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// The texts, trimmed.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Checks that a list of this many texts is acceptable.
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

    /// Makes a list of texts that [`check_item`](Self::check_item) returned, if their number and their size allow it.
    pub fn from_checked_items(texts: Vec<String>) -> Result<Self, Invalid> {
        Self::check_length(texts.len())?;
        if texts.iter().map(String::len).sum::<usize>() > BYTES {
            return Err(Invalid::new(format!("must have at most {BYTES} bytes of UTF-8 in total")));
        }
        Ok(Self(texts))
    }
}

/// The reason for a text that shows nothing.
const INVISIBLE: Invalid = Invalid::fixed("must contain a visible character");

/// Returns the text without the white space around it, if that has 1 to `maximum` characters, a visible one among them,
/// and neither control characters nor explicit directional formatting.
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

/// Whether a character is an explicit directional embedding, override or isolate (Unicode Standard Annex #9, section
/// 2), which reorders the text around it: `Alien\u{202e}…` can be made to look like another name. The implicit marks,
/// such as U+200F, act on their own place only and are needed in Hebrew and Arabic texts.
fn formats_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The form in which names are compared: compatibility caseless matching (The Unicode Standard, section 3.13, D146),
/// without default-ignorable characters, with single spaces, composed.
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
    fn names_that_look_the_same_are_the_same() {
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
    fn a_name_is_kept_in_nfc_as_written_otherwise() {
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
        // This one character is written out as eighteen.
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
    fn a_change_never_moves_updated_at_back() {
        let (early, late) = (Timestamp::EPOCH, Timestamp::EPOCH + Duration::from_secs(1));
        let movie = Movie {
            id: Uuid::nil(),
            name: name("Alien").expect("valid"),
            casts: Casts::from_stored(Vec::new()),
            genres: Genres::from_stored(Vec::new()),
            added_by: Uuid::nil(),
            created_at: early,
            updated_at: late,
        };
        assert_eq!(MovieChanges::default().applied_to(movie.clone(), early).updated_at, late);
        let later = late + Duration::from_secs(1);
        assert_eq!(MovieChanges::default().applied_to(movie, later).updated_at, later);
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
