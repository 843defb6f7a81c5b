//! Checks the names of movies, prefixes of names and the texts of lists: their bounds, and canonical forms that are the same
//! for every spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::model::{Casts, Genres, MovieName, NamePrefix};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

fuzz_target!(|text: &str| {
    check_name(text);
    check_prefix(text);
    check_list(text);
});

fn check_name(text: &str) {
    let Ok(name) = MovieName::try_from(text.to_owned()) else { return };
    let (shown, key) = (name.as_str(), name.key());
    check_text(shown, 200);
    assert!(is_nfc(shown), "the name must be in NFC");
    assert!(text.trim().nfc().eq(shown.chars()), "only the form changes");
    assert!((1..=1000).contains(&key.len()), "the canonical name has 1 to 1,000 bytes");
    assert!(key.chars().eq(key.nfkc()), "the canonical name is in NFKC");
    assert!(!key.contains("  ") && key.trim() == key, "words are separated by one space");

    let again = MovieName::try_from(shown.to_owned());
    assert_eq!(again.as_ref(), Ok(&name), "a name that was accepted is accepted again");
    if let Ok(canonical) = MovieName::try_from(key.to_owned()) {
        assert_eq!(canonical.key(), key, "the canonical form of a canonical name");
    }
    for spelling in [
        shown.to_ascii_uppercase(),
        shown.to_ascii_lowercase(),
        shown.chars().map(fullwidth).collect(),
        shown.nfd().collect(),
        format!("\u{3000}{} ", shown.replace(' ', " \u{a0}")),
    ] {
        // A spelling can be longer than a name may be.
        if let Ok(other) = MovieName::try_from(spelling) {
            assert_eq!(other.key(), key, "another spelling of {shown:?}");
        }
    }
}

fn check_prefix(text: &str) {
    let prefix = NamePrefix::try_from(text.to_owned());
    if let Ok(prefix) = &prefix {
        check_text(prefix.as_str(), 200);
        assert_eq!(prefix.can_match(), prefix.key().len() <= 1000, "whether a name can start with it");
        let again = NamePrefix::try_from(prefix.as_str().to_owned());
        assert_eq!(again.as_ref(), Ok(prefix), "a prefix that was accepted is accepted again");
    }
    let Ok(name) = MovieName::try_from(text.to_owned()) else {
        assert!(
            prefix.is_err() || prefix.is_ok_and(|prefix| !prefix.can_match()),
            "a text that is no name must not be a prefix of one"
        );
        return;
    };
    assert_eq!(prefix.map(|prefix| prefix.key().to_owned()).ok().as_deref(), Some(name.key()));
    for (space, _) in text.match_indices(' ') {
        if let Ok(words) = NamePrefix::try_from(text[..space].to_owned()) {
            assert!(name.key().starts_with(words.key()), "the first words find the name");
        }
    }
}

/// Checks the lines of a text as the texts of a list.
fn check_list(text: &str) {
    let texts: Vec<String> = text.lines().filter_map(|line| Casts::check_item(line).ok()).collect();
    for text in &texts {
        check_text(text, 100);
        assert_eq!(Casts::check_item(text).as_ref(), Ok(text), "a text that was accepted is accepted again");
        assert_eq!(Genres::check_item(text).is_ok(), text.chars().count() <= 50, "a genre is shorter");
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    let (is_cast, is_genres) = (1..=100, 1..=20);
    let cast = Casts::from_checked_items(texts.clone());
    assert_eq!(cast.is_ok(), is_cast.contains(&texts.len()) && bytes <= 4096, "the size of a cast");
    let genres = Genres::from_checked_items(texts.clone());
    assert_eq!(genres.is_ok(), is_genres.contains(&texts.len()) && bytes <= 1024, "the size of genres");
    if let Ok(cast) = cast {
        assert_eq!(cast.as_slice(), texts);
    }
}

/// Checks what holds for every text that clients see.
fn check_text(text: &str, characters: usize) {
    assert!((1..=characters).contains(&text.chars().count()), "the number of characters");
    assert_eq!(text.trim(), text, "the text must be trimmed");
    let reorders = |character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.chars().any(|character| character.is_control() || reorders(character)));
}

/// Returns the fullwidth form of an ASCII character.
fn fullwidth(character: char) -> char {
    match character {
        '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).unwrap_or(character),
        _ => character,
    }
}
