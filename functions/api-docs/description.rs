//! `openapi.yaml` as JSON.

use std::sync::LazyLock;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde::{Serialize, Serializer, ser::Error as _};

const YAML: &str = include_str!("../../openapi.yaml");

/// The value of `servers`: the API is at the origin that the document comes from.
const SERVERS: &str = "[{url: /}]";

/// Returns the document, with its members in the order of `openapi.yaml`. It is made once.
pub fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut document = parse(YAML);
        *document.as_mapping_get_mut("servers").expect("openapi.yaml has servers") = parse(SERVERS);
        serde_json::to_string(&Node(&document)).expect("openapi.yaml has only what JSON has")
    });
    &JSON
}

fn parse(yaml: &'static str) -> Yaml<'static> {
    Yaml::load_from_str(yaml).expect("YAML").pop().expect("a document")
}

/// A node of YAML, which is serialized in its order. A `serde_json::Value` would sort the members.
struct Node<'a>(&'a Yaml<'static>);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Yaml::Value(Scalar::Null) => serializer.serialize_unit(),
            Yaml::Value(Scalar::Boolean(boolean)) => serializer.serialize_bool(*boolean),
            Yaml::Value(Scalar::Integer(integer)) => serializer.serialize_i64(*integer),
            Yaml::Value(Scalar::FloatingPoint(number)) => serializer.serialize_f64(number.into_inner()),
            Yaml::Value(Scalar::String(text)) => serializer.serialize_str(text),
            Yaml::Sequence(items) => serializer.collect_seq(items.iter().map(Node)),
            Yaml::Mapping(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (Node(name), Node(value))))
            }
            other => Err(S::Error::custom(format_args!("JSON has no {other:?}"))),
        }
    }
}
