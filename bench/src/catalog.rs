//! A catalog of any size, in which each movie follows from its number. The items are those that `create-movie` stored
//! for one movie, with other ids, names, owners and times, so they always match what the functions store.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use dynoxide::Item;
use local::template::TableDefinition;
use serde_json::Value;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::{Builder, Uuid};

/// How many items a movie has: the movie itself and the claim to its name.
pub const ITEMS: usize = 2;

/// The format in which the functions write times.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// When the first movie was created, in milliseconds since 1970: at the beginning of 2020. Another movie follows every
/// three minutes, so that a million movies take about six years.
const BEGINNING: u64 = 1_577_836_800_000;
const INTERVAL: u64 = 3 * 60 * 1000;

/// How many movies each user has added.
const MOVIES_PER_USER: u64 = 50;

/// The beginning of a sixteenth of the names, in the middle of the list.
pub const PREFIX: &str = "Bag 8";

/// Each movie has a code of nine hexadecimal digits.
const CODES: u64 = 1 << 36;

/// About the golden section of [`CODES`], and odd: its multiples spread evenly and repeat only after all codes.
const STEP: u64 = 42_470_972_311;

/// The attributes of a movie whose texts differ between movies.
const ATTRIBUTES: [&str; 6] = ["id", "name", "name_key", "added_by", "created_at", "version"];

/// The items of one movie that `create-movie` made.
#[derive(Debug)]
pub struct Model {
    /// The items in DynamoDB JSON.
    json: String,
    /// The texts of [`ATTRIBUTES`], each of which may also occur in other attributes.
    texts: [String; 6],
}

impl Model {
    /// Takes the items of one movie in DynamoDB JSON: the movie named [`name`]`(0)` and the claim to its name. Fails if
    /// their shape is not the one that [`Model::movie`] expects.
    pub fn of(items: &[Value]) -> Result<Self> {
        let movie = items.iter().find(|item| item.get("id").is_some()).context("there is no movie")?;
        let text = |attribute: &str| {
            let value = movie[attribute].get("S").or_else(|| movie[attribute].get("B"));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (texts, expected) = (ATTRIBUTES.map(text), texts(0)?);
        ensure!(texts[1..3] == expected[1..3], "canonical names have changed: {texts:?}, not {expected:?}");
        let lengths = |texts: &[String; 6]| texts.each_ref().map(String::len);
        ensure!(
            lengths(&texts) == lengths(&expected),
            "texts have changed: {texts:?}, not like {expected:?}"
        );
        ensure!(text("updated_at") == texts[4], "a new movie was updated later than it was created");
        ensure!(items.len() == ITEMS, "a movie has {} items instead of {ITEMS}", items.len());
        let mut items = items.to_vec();
        items.sort_by_key(|item| item["pk"].to_string());
        Ok(Self { json: serde_json::to_string(&items)?, texts })
    }

    /// Returns the items of the movie with this number.
    pub fn movie(&self, number: u64) -> Result<Vec<Item>> {
        Ok(serde_json::from_str(&self.json_of(number)?)?)
    }

    /// Returns the same items in DynamoDB JSON.
    pub fn json(&self, number: u64) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.json_of(number)?)?)
    }

    fn json_of(&self, number: u64) -> Result<String> {
        let texts = texts(number)?;
        Ok(self.texts.iter().zip(&texts).fold(self.json.clone(), |json, (old, new)| json.replace(old, new)))
    }

    /// Returns a hash of the tables and of a movie's items, by which catalogs of another shape are recognized.
    pub fn fingerprint(&self, tables: &[TableDefinition]) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        (format!("{tables:?}"), self.json_of(1)?).hash(&mut hasher);
        Ok(format!("{:016x}", hasher.finish()))
    }
}

/// Returns the texts of [`ATTRIBUTES`] of the movie with this number.
fn texts(number: u64) -> Result<[String; 6]> {
    let created = BEGINNING + INTERVAL * number;
    let time = OffsetDateTime::from_unix_timestamp((created / 1000).cast_signed())?.format(TIME)?;
    let name = name(number);
    // A version is made right after the id, and stored as 16 bytes.
    let version = BASE64_STANDARD.encode(uuid(created + 1, number));
    Ok([id(number), name.clone(), name.to_lowercase(), owner(number), time, version])
}

/// Returns the id of the user who added the movie with this number.
pub fn owner(number: u64) -> String {
    let owner = number / MOVIES_PER_USER;
    // A user signed up before adding the first movie.
    let signed_up = BEGINNING + INTERVAL * owner * MOVIES_PER_USER - 1;
    uuid(signed_up, u64::MAX - owner).to_string()
}

/// Returns the id of the movie with this number.
pub fn id(number: u64) -> String {
    uuid(BEGINNING + INTERVAL * number, number).to_string()
}

/// Returns the name of the movie with this number. Names sort like their codes, and all have one length: a page has as
/// many bytes, and costs as many units, wherever it begins.
pub fn name(number: u64) -> String {
    format!("Bag {:09x}", code(number))
}

/// Returns the numbers of the movies of a catalog in the order of its list.
pub fn listed(movies: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..movies).collect();
    numbers.sort_unstable_by_key(|number| code(*number));
    numbers
}

fn code(number: u64) -> u64 {
    // Wrapping at 2⁶⁴ changes no bit below 2³⁶.
    (number + 1).wrapping_mul(STEP) % CODES
}

/// Returns a `UUIDv7` whose random part follows from a number.
fn uuid(milliseconds: u64, number: u64) -> Uuid {
    let mut random = [0; 10];
    // The multiplier of Fibonacci hashing spreads the number over all bits.
    random[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

#[cfg(test)]
pub mod tests;
