//! Reads YAML as JSON values. `CloudFormation`'s short tags become the long form: `!Ref X` is `{"Ref": "X"}`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads the file at `path`, which has one YAML document.
pub fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not usable YAML", path.display()))
}

/// Reads one YAML document from `text`.
pub fn parse(text: &str) -> Result<Value> {
    let documents = Yaml::load_from_str(text)?;
    match documents.as_slice() {
        [document] => value(document),
        others => bail!("one document expected, {} found", others.len()),
    }
}

fn value(node: &Yaml) -> Result<Value> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(boolean) => json!(boolean),
            Scalar::Integer(integer) => json!(integer),
            Scalar::FloatingPoint(number) => json!(number.into_inner()),
            Scalar::String(string) => json!(string),
        },
        Yaml::Sequence(items) => items.iter().map(value).collect::<Result<_>>()?,
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(name, entry)| Ok((key(name)?, value(entry)?)));
            Value::Object(entries.collect::<Result<_>>()?)
        }
        Yaml::Tagged(tag, inner) if tag.handle == "!" => intrinsic(&tag.suffix, value(inner)?),
        Yaml::Tagged(tag, _) => bail!("unknown tag {}{}", tag.handle, tag.suffix),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => bail!("{node:?} is not supported"),
    })
}

fn key(node: &Yaml) -> Result<String> {
    match value(node)? {
        Value::String(name) => Ok(name),
        scalar @ (Value::Number(_) | Value::Bool(_)) => Ok(scalar.to_string()),
        other => bail!("{other} cannot be the name of a member"),
    }
}

fn intrinsic(name: &str, argument: Value) -> Value {
    let (name, argument) = match (name, argument) {
        ("Ref" | "Condition", argument) => (name.to_owned(), argument),
        ("GetAtt", Value::String(path)) => {
            let parts: Vec<&str> = path.splitn(2, '.').collect();
            ("Fn::GetAtt".to_owned(), json!(parts))
        }
        (other, argument) => (format!("Fn::{other}"), argument),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_the_long_form() {
        let document =
            parse("a: !Ref Table\nb: !GetAtt Table.Arn\nc: !If [Big, !Sub '${A}-b', !Ref 'AWS::NoValue']\n");
        let expected = json!({
            "a": {"Ref": "Table"},
            "b": {"Fn::GetAtt": ["Table", "Arn"]},
            "c": {"Fn::If": ["Big", {"Fn::Sub": "${A}-b"}, {"Ref": "AWS::NoValue"}]},
        });
        assert_eq!(document.expect("valid YAML"), expected);
    }

    #[test]
    fn scalars_keep_their_types_and_status_codes_become_names() {
        let document =
            parse("a: 2010-09-09\nb: '3'\nc: 3\nd: ~\n'200': true\n201: on\n").expect("valid YAML");
        assert_eq!(
            document,
            json!({"a": "2010-09-09", "b": "3", "c": 3, "d": null, "200": true, "201": "on"})
        );
    }

    #[test]
    fn repeated_names_are_refused() {
        let error = format!("{:#}", parse("a: 1\na: 2\n").expect_err("a repeated name"));
        assert!(error.contains("duplicated key"), "{error}");
    }
}
