//! Strict JSON (RFC 8259): one object without repeated keys at any depth, and nothing after it.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The reason why a text is not one JSON object. It has the position and never repeats the text.
#[derive(Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads one JSON object. `serde_json` refuses nesting deeper than 128.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_slice(text) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Ok(_) => Err(Malformed("expected an object".to_owned())),
        Err(error) => Err(Malformed(error.to_string())),
    }
}

/// A value in which no object repeats a key. `serde_json::Value` keeps the last value of a repeated key, while another
/// reader of the same text, such as a proxy, may keep the first.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, _>()? {
            if object.insert(key, value).is_some() {
                return Err(de::Error::custom("a key is repeated"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse_object;

    fn refusal(text: &[u8]) -> String {
        parse_object(text).expect_err("malformed").to_string()
    }

    #[test]
    fn one_object_is_read() {
        let object =
            parse_object(br#" {"a": [1, -2, 3.5, true, null, {"b": "\u00e9"}]} "#).expect("an object");
        assert_eq!(
            serde_json::Value::Object(object),
            serde_json::json!({"a": [1, -2, 3.5, true, null, {"b": "é"}]})
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let nested = format!("{}{}", r#"{"a":"#.repeat(10_000), "1");
        let cases: [&[u8]; 16] = [
            b"",
            b" ",
            b"null",
            b"[]",
            b"\"text\"",
            b"{",
            b"{'a': 1}",
            b"{\"a\": NaN}",
            b"{\"a\": 1e999}",
            b"{\"a\": 01}",
            b"{\"a\": 1,}",
            b"{} {}",
            b"{\"a\": \"\xff\"}",
            b"{\"a\": \"\\ud800\"}",
            b"{\"a\": \"\n\"}",
            nested.as_bytes(),
        ];
        for text in cases {
            assert!(parse_object(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_repeated_key_is_refused_at_any_depth() {
        assert_eq!(refusal(br#"{"a":1,"a":1}"#), "a key is repeated at line 1 column 13");
        assert_eq!(refusal(br#"{"a":[{"b":1,"\u0062":2}]}"#), "a key is repeated at line 1 column 24");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_object(&bytes);
        }
    }
}
