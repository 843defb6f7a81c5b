//! A catalog of any size, each movie of which follows from its number alone. The items are those that `create-movie`
//! stored for one movie, with other ids, names, owners and times: they cannot drift from what the functions store.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context as _, Result, ensure};
use dynoxide::{AttributeValue, Item};
use local::template::TableDefinition;
use serde_json::Value;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::{Builder, Uuid};

/// How the functions write times.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// When the first movie was created, in milliseconds since 1970: at the beginning of 2020. Another follows every three
/// minutes, so that a million take about six years.
const BEGINNING: u64 = 1_577_836_800_000;
const INTERVAL: u64 = 3 * 60 * 1000;

/// How many movies one person has added.
const MOVIES_OF_ONE: u64 = 50;

/// Names have six syllables of these letters, in the order of the alphabet, so that names are in the order of their
/// codes. All are of one length: a page holds as many bytes wherever it begins, and costs as many units.
const CONSONANTS: &[u8; 16] = b"bcdfghjklmnprstv";
const VOWELS: &[u8; 4] = b"aeio";
const SYLLABLES: u32 = 6;
const CODES: u64 = 1 << (6 * SYLLABLES);

/// About the golden section of [`CODES`], and odd: multiples of it spread evenly and repeat only after all codes.
const STEP: u64 = 42_470_972_311;

/// What differs between movies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    id: String,
    name: String,
    name_key: String,
    owner: String,
    time: String,
}

/// The items of one movie that `create-movie` made.
#[derive(Debug)]
pub struct Model {
    items: Vec<Item>,
    parts: Parts,
}

impl Model {
    /// Takes the items that one movie has in the table, given in DynamoDB JSON: the movie named [`name`]`(0)` and the
    /// claim to its name. It is an error if they hold something that this would not know how to change.
    pub fn of(items: &[Value]) -> Result<Self> {
        let movie = items.iter().find(|item| item.get("id").is_some()).context("there is no movie")?;
        let text = |attribute: &str| {
            let text = movie[attribute]["S"].as_str().map(str::to_owned);
            text.with_context(|| format!("a movie has no {attribute}"))
        };
        let (id, owner, time) = (text("id")?, text("added_by")?, text("created_at")?);
        let parts = Parts { id, name: text("name")?, name_key: text("name_key")?, owner, time };
        let expected = Parts::of(0)?;
        ensure!(parts.name == expected.name, "the movie has the name {}", parts.name);
        ensure!(
            parts.name_key == expected.name_key,
            "canonical names are made otherwise than was known here"
        );
        ensure!(text("updated_at")? == parts.time, "a new movie was updated later than it was created");
        ensure!(parts.time.len() == expected.time.len(), "times are written otherwise than was known here");
        ensure!(items.len() == ITEMS, "a movie has {} items instead of {ITEMS}", items.len());
        let items = items.iter().map(|item| Ok(serde_json::from_value(item.clone())?));
        Ok(Self { items: items.collect::<Result<_>>()?, parts })
    }

    /// The items of the movie with this number.
    pub fn movie(&self, number: u64) -> Result<Vec<Item>> {
        let (old, new) = (&self.parts, Parts::of(number)?);
        let pairs = [
            (&*old.id, &*new.id),
            (&old.name, &new.name),
            (&old.name_key, &new.name_key),
            (&old.owner, &new.owner),
            (&old.time, &new.time),
        ];
        let item = |item: &Item| {
            let attributes = item.iter().map(|(name, value)| (name.clone(), replaced(value, &pairs)));
            attributes.collect()
        };
        Ok(self.items.iter().map(item).collect())
    }

    /// What tells catalogs apart that are not made alike: eight hexadecimal digits, made of the tables and of the items
    /// of a movie.
    pub fn fingerprint(&self, tables: &[TableDefinition]) -> Result<String> {
        let mut text = format!("{tables:?}");
        for item in self.movie(1)? {
            let sorted: BTreeMap<_, _> = item.into_iter().collect();
            text.push_str(&serde_json::to_string(&sorted)?);
        }
        Ok(format!("{:08x}", crc32fast::hash(text.as_bytes())))
    }
}

/// How many items a movie has: itself and the claim to its name.
pub const ITEMS: usize = 2;

impl Parts {
    fn of(number: u64) -> Result<Self> {
        let created = BEGINNING + INTERVAL * number;
        let time = OffsetDateTime::from_unix_timestamp((created / 1000).cast_signed())?.format(TIME)?;
        let owner = number / MOVIES_OF_ONE;
        // An owner signed up before the first of their movies.
        let signed_up = BEGINNING + INTERVAL * owner * MOVIES_OF_ONE - 1;
        let name = name(number);
        Ok(Self {
            id: id(number),
            name_key: name.to_lowercase(),
            name,
            owner: uuid(signed_up, u64::MAX - owner),
            time,
        })
    }
}

/// The id of the movie with this number.
#[must_use]
pub fn id(number: u64) -> String {
    uuid(BEGINNING + INTERVAL * number, number)
}

/// The name of the movie with this number.
#[must_use]
pub fn name(number: u64) -> String {
    name_of(code(number))
}

/// The numbers of the movies of a catalog in the order of its list.
#[must_use]
pub fn listed(movies: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..movies).collect();
    numbers.sort_unstable_by_key(|number| code(*number));
    numbers
}

fn code(number: u64) -> u64 {
    // Both factors are below 2³⁶, and wrapping at 2⁶⁴ changes nothing below that.
    (number + 1).wrapping_mul(STEP) % CODES
}

fn name_of(code: u64) -> String {
    let mut name = String::new();
    for syllable in (0..SYLLABLES).rev() {
        let digits = (code >> (6 * syllable)).to_le_bytes()[0] % 64;
        let consonant = char::from(CONSONANTS[usize::from(digits / 4)]);
        let vowel = char::from(VOWELS[usize::from(digits % 4)]);
        // Two words of three syllables. Writing to a string does not fail.
        let _ = match syllable {
            5 => write!(name, "{}{vowel}", consonant.to_ascii_uppercase()),
            2 => write!(name, " {}{vowel}", consonant.to_ascii_uppercase()),
            _ => write!(name, "{consonant}{vowel}"),
        };
    }
    name
}

/// A `UUIDv7`, whose random part follows from a number.
fn uuid(milliseconds: u64, number: u64) -> String {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&scrambled(number).to_be_bytes());
    random[8..].copy_from_slice(&scrambled(!number).to_be_bytes()[..2]);
    let id: Uuid = Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid();
    id.to_string()
}

/// As good as random: the step of `SplitMix64`.
fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A value with other texts in its texts.
fn replaced(value: &AttributeValue, pairs: &[(&str, &str)]) -> AttributeValue {
    match value {
        AttributeValue::S(text) => {
            // No text holds two of them.
            let found = pairs.iter().find(|(old, _)| text.contains(old));
            AttributeValue::S(found.map_or_else(|| text.clone(), |(old, new)| text.replace(old, new)))
        }
        AttributeValue::L(values) => {
            AttributeValue::L(values.iter().map(|value| replaced(value, pairs)).collect())
        }
        AttributeValue::M(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), replaced(value, pairs)));
            AttributeValue::M(members.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests;
