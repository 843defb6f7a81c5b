//! Evaluates the intrinsic functions that a table's or function's definition may use. What needs a deployed stack
//! (`Fn::GetAtt` and the like) is refused with the place where it stands.

use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// What `AWS::Region` is on this machine; the emulator and the local functions sign for it.
pub const REGION: &str = "eu-west-1";

/// What `AWS::AccountId` is on this machine.
pub const ACCOUNT: &str = "123456789012";

/// Where in the template a value stands, for messages.
#[derive(Debug, Clone)]
pub struct Place(Vec<String>);

impl Place {
    pub fn root() -> Self {
        Self(Vec::new())
    }

    pub fn at(&self, name: impl fmt::Display) -> Self {
        let mut path = self.0.clone();
        path.push(name.to_string());
        Self(path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}

/// Evaluates intrinsic functions against one template's parameters and conditions.
pub struct Resolver<'a> {
    document: &'a Value,
}

impl<'a> Resolver<'a> {
    pub fn new(document: &'a Value) -> Self {
        Self { document }
    }

    /// `value` with every intrinsic function replaced by what it stands for; `AWS::NoValue` becomes `null` here and
    /// nothing inside mappings and lists.
    pub fn resolve(&self, value: &Value, place: &Place) -> Result<Value> {
        match value {
            Value::Array(items) => {
                let items =
                    items.iter().enumerate().map(|(index, item)| self.resolve(item, &place.at(index)));
                let items = items.filter(|item| !matches!(item, Ok(Value::Null)));
                Ok(Value::Array(items.collect::<Result<_>>()?))
            }
            Value::Object(entries) => match intrinsic(entries) {
                Some((name, argument)) => self.call(name, argument, place),
                None => self.resolve_entries(entries, place).map(Value::Object),
            },
            scalar => Ok(scalar.clone()),
        }
    }

    /// Whether the named condition holds.
    pub fn condition(&self, name: &str, place: &Place) -> Result<bool> {
        let step = format!("Conditions.{name}");
        ensure!(!place.0.contains(&step), "{place}: the condition {name} depends on itself");
        let condition = self.document.get("Conditions").and_then(|conditions| conditions.get(name));
        let condition = condition.with_context(|| format!("{place}: there is no condition {name}"))?;
        self.truth(condition, &place.at(step))
    }

    fn resolve_entries(&self, entries: &Map<String, Value>, place: &Place) -> Result<Map<String, Value>> {
        let resolved =
            entries.iter().map(|(name, entry)| Ok((name.clone(), self.resolve(entry, &place.at(name))?)));
        resolved.filter(|entry| !matches!(entry, Ok((_, Value::Null)))).collect()
    }

    fn call(&self, name: &str, argument: &Value, place: &Place) -> Result<Value> {
        match (name, argument) {
            ("Ref", Value::String(target)) => self.reference(target, place),
            ("Fn::Sub", Value::String(text)) => self.substitute(text, &Map::new(), place).map(Value::String),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Object(names)] => {
                    let names = self.resolve_entries(names, &place.at(name))?;
                    self.substitute(text, &names, place).map(Value::String)
                }
                _ => bail!("{place}: Fn::Sub takes a text, or a text and a mapping"),
            },
            ("Fn::If", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(condition), yes, no] => {
                    let chosen = if self.condition(condition, place)? { yes } else { no };
                    self.resolve(chosen, place)
                }
                _ => bail!("{place}: Fn::If takes a condition's name and two values"),
            },
            ("Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not", _) => {
                self.truth(&json!({name: argument}), place).map(Value::Bool)
            }
            _ => bail!("{place}: {name} cannot be evaluated on this machine"),
        }
    }

    /// Whether a condition holds that is written out, such as `{"Fn::Equals": [a, b]}`.
    pub fn truth(&self, condition: &Value, place: &Place) -> Result<bool> {
        let (name, argument) = condition
            .as_object()
            .and_then(intrinsic)
            .with_context(|| format!("{place}: {condition} is not a condition"))?;
        match (name, argument) {
            ("Condition", Value::String(name)) => self.condition(name, place),
            ("Fn::Equals", Value::Array(sides)) if sides.len() == 2 => {
                Ok(text(&self.resolve(&sides[0], place)?) == text(&self.resolve(&sides[1], place)?))
            }
            ("Fn::Contains", Value::Array(parts)) if parts.len() == 2 => {
                let (values, sought) = (self.resolve(&parts[0], place)?, self.resolve(&parts[1], place)?);
                let values = values.as_array().with_context(|| format!("{place}: {values} is not a list"))?;
                Ok(values.iter().any(|value| text(value) == text(&sought)))
            }
            ("Fn::Not", Value::Array(parts)) if parts.len() == 1 => Ok(!self.truth(&parts[0], place)?),
            ("Fn::And" | "Fn::Or", Value::Array(parts)) => {
                let truths = parts.iter().map(|part| self.truth(part, place)).collect::<Result<Vec<_>>>()?;
                Ok(if name == "Fn::And" { truths.iter().all(|holds| *holds) } else { truths.contains(&true) })
            }
            _ => bail!("{place}: {condition} is not a condition"),
        }
    }

    fn reference(&self, target: &str, place: &Place) -> Result<Value> {
        if let Some(parameter) = self.document.get("Parameters").and_then(|parameters| parameters.get(target))
        {
            let default = parameter.get("Default").cloned();
            return default.with_context(|| format!("{place}: the parameter {target} has no Default"));
        }
        if self.document.get("Resources").is_some_and(|resources| resources.get(target).is_some()) {
            return Ok(json!(target));
        }
        Ok(match target {
            "AWS::NoValue" => Value::Null,
            "AWS::Region" => json!(REGION),
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Partition" => json!("aws"),
            "AWS::StackName" => json!("movie-bag"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            _ => bail!("{place}: there is no parameter or resource {target}"),
        })
    }

    fn substitute(&self, template: &str, names: &Map<String, Value>, place: &Place) -> Result<String> {
        let mut result = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .with_context(|| format!("{place}: \"{template}\" lacks a closing brace"))?;
            result.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                result.extend(["${", literal, "}"]);
            } else if let Some(value) = names.get(name) {
                result.push_str(&text(value));
            } else {
                ensure!(!name.contains('.'), "{place}: ${{{name}}} cannot be evaluated on this machine");
                result.push_str(&text(&self.reference(name, place)?));
            }
            rest = after;
        }
        Ok(result + rest)
    }
}

/// `CloudFormation` compares and inserts every scalar as text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn intrinsic(entries: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let is_intrinsic = matches!(name.as_str(), "Ref" | "Condition") || name.starts_with("Fn::");
    is_intrinsic.then_some((name, argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(yaml: &str) -> Result<Value> {
        let document = crate::yaml::parse(&format!(
            "Parameters: {{Stage: {{Default: production}}, Small: {{Default: 5}}, Open: {{Type: String}}}}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
  IsSmall: !And [!Equals [!Ref Small, '5'], !Not [!Condition IsProduction]]
  Circular: !Not [!Condition Circular]
Resources: {{UsersTable: {{}}}}
Value: {yaml}"
        ))?;
        Resolver::new(&document).resolve(&document["Value"], &Place::root().at("Value"))
    }

    #[test]
    fn parameters_conditions_and_texts_are_evaluated() {
        let cases = [
            ("!Ref Small", json!(5)),
            ("!Ref UsersTable", json!("UsersTable")),
            ("!Sub '${Stage}-${!Stage}-${AWS::Region}'", json!("production-${Stage}-eu-west-1")),
            ("!Sub ['${Size} of ${Stage}', {Size: !Ref Small}]", json!("5 of production")),
            ("!If [IsProduction, [1, !Ref AWS::NoValue], 2]", json!([1])),
            ("!If [IsSmall, yes, {a: !Ref AWS::NoValue, b: 1}]", json!({"b": 1})),
        ];
        for (yaml, expected) in cases {
            assert_eq!(resolve(yaml).expect(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_named_with_its_place() {
        let cases = [
            ("{a: [!GetAtt UsersTable.Arn]}", "Value.a.0: Fn::GetAtt cannot be evaluated on this machine"),
            ("!Sub '${UsersTable.Arn}'", "Value: ${UsersTable.Arn} cannot be evaluated on this machine"),
            ("!Sub '${UsersTable'", "Value: \"${UsersTable\" lacks a closing brace"),
            ("!Ref Nothing", "Value: there is no parameter or resource Nothing"),
            ("!Ref Open", "Value: the parameter Open has no Default"),
            ("!If [Nothing, 1, 2]", "Value: there is no condition Nothing"),
            ("!If [IsSmall, 1]", "Value: Fn::If takes a condition's name and two values"),
            ("!If [Circular, 1, 2]", "Value.Conditions.Circular: the condition Circular depends on itself"),
        ];
        for (yaml, message) in cases {
            assert_eq!(resolve(yaml).expect_err(yaml).to_string(), message, "{yaml}");
        }
    }
}
