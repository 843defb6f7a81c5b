//! Evaluates the intrinsic functions of a template that need no deployed stack: `Ref`, `Fn::If`, `Fn::Sub` without
//! attributes, and the functions of conditions and rules.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The value of `AWS::Region` on this machine. The emulator and the local functions sign for it.
pub const REGION: &str = "eu-west-1";

/// The value of `AWS::AccountId` on this machine.
pub const ACCOUNT: &str = "123456789012";

/// Evaluates intrinsic functions with the parameters and conditions of one template.
pub struct Resolver<'a> {
    document: &'a Value,
    parameters: &'a Parameters,
}

/// The values of parameters, by name. Every other parameter has its default.
pub type Parameters = BTreeMap<String, Value>;

/// One entry of `Resources` whose condition holds.
pub struct Resource<'a> {
    pub logical_id: &'a str,
    /// The properties as written, with the branches of `Fn::If` that apply.
    pub written: Value,
    /// The properties with their intrinsic functions evaluated.
    pub properties: Value,
    /// Where the properties stand in the template, for messages.
    pub place: String,
}

impl Resource<'_> {
    /// Reads the evaluated properties as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        read(&self.properties, &self.place)
    }
}

/// Reads a value of the template as a `T`. An error names the place in the template.
pub fn read<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => anyhow!("{place}: {}", error.inner()),
        path => anyhow!("{place}.{path}: {}", error.inner()),
    })
}

impl<'a> Resolver<'a> {
    pub fn new(document: &'a Value, parameters: &'a Parameters) -> Self {
        Self { document, parameters }
    }

    /// Returns the resources of a type whose conditions hold, in the order of their logical ids.
    pub fn resources(&self, kind: &str) -> Result<Vec<Resource<'a>>> {
        let all = self.document["Resources"].as_object().context("the template has no Resources")?;
        let mut found = Vec::new();
        for (logical_id, resource) in all.iter().filter(|(_, resource)| resource["Type"] == kind) {
            let place = format!("Resources.{logical_id}");
            if let Some(condition) = resource["Condition"].as_str()
                && !self.condition(condition, &format!("{place}.Condition"))?
            {
                continue;
            }
            let written = self.choose(&resource["Properties"]);
            let properties = self.resolve(&written);
            found.push(Resource { logical_id, written, properties, place: format!("{place}.Properties") });
        }
        Ok(found)
    }

    /// Returns `value` with the intrinsic functions replaced by their values. A function that cannot be evaluated stays
    /// in its long form, so that reading it as text or as a number fails. `AWS::NoValue` becomes `null`, and is left out
    /// of mappings and lists.
    pub fn resolve(&self, value: &Value) -> Value {
        replace(&self.choose(value), &|function| match function {
            ("Ref", Value::String(target)) => self.reference(target),
            ("Fn::Sub", Value::String(text)) => self.substitute(text).map(Value::String),
            _ => None,
        })
    }

    /// Returns `value` with each `Fn::If` replaced by the branch that applies, and without `AWS::NoValue`. All other
    /// functions stay as written.
    pub fn choose(&self, value: &Value) -> Value {
        replace(value, &|function| match function {
            ("Ref", target) if target == "AWS::NoValue" => Some(Value::Null),
            ("Fn::If", Value::Array(parts)) => {
                let [Value::String(condition), yes, no] = parts.as_slice() else { return None };
                let holds = self.condition(condition, "Fn::If").ok()?;
                Some(self.choose(if holds { yes } else { no }))
            }
            _ => None,
        })
    }

    /// Fails with the description of the first rule that the parameters violate, as `CloudFormation` does before it
    /// creates anything.
    pub fn check_rules(&self) -> Result<()> {
        for (name, rule) in self.document["Rules"].as_object().into_iter().flatten() {
            let place = format!("Rules.{name}");
            if let Some(condition) = rule.get("RuleCondition")
                && !self.holds(condition, &place)?
            {
                continue;
            }
            let assertions = rule["Assertions"].as_array();
            for assertion in assertions.with_context(|| format!("{place}: assertions are needed"))? {
                let description = assertion["AssertDescription"].as_str().unwrap_or_default();
                ensure!(self.holds(&assertion["Assert"], &place)?, "{name}: {description}");
            }
        }
        Ok(())
    }

    fn reference(&self, target: &str) -> Option<Value> {
        if let Some(parameter) = self.document["Parameters"].get(target) {
            let value = self.parameters.get(target).or_else(|| parameter.get("Default"));
            return value.map(|value| typed(value, &parameter["Type"]));
        }
        if self.document["Resources"].get(target).is_some() {
            return Some(json!(target));
        }
        Some(match target {
            "AWS::Region" => json!(REGION),
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Partition" => json!("aws"),
            "AWS::StackName" => json!("movie-bag"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            _ => return None,
        })
    }

    fn substitute(&self, template: &str) -> Option<String> {
        let mut result = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            result.push_str(before);
            result.push_str(&text(&self.reference(name)?));
            rest = after;
        }
        Some(result + rest)
    }

    fn condition(&self, name: &str, place: &str) -> Result<bool> {
        let step = format!("{place}.{name}");
        ensure!(!place.split('.').any(|part| part == name), "{step}: the condition depends on itself");
        let condition = self.document["Conditions"].get(name);
        self.holds(condition.with_context(|| format!("{place}: there is no condition {name}"))?, &step)
    }

    /// Returns whether a written-out condition holds, such as `{"Fn::Equals": [a, b]}`.
    fn holds(&self, condition: &Value, place: &str) -> Result<bool> {
        let function = condition.as_object().and_then(intrinsic);
        match function.with_context(|| format!("{place}: {condition} is not a condition"))? {
            ("Condition", Value::String(name)) => self.condition(name, place),
            ("Fn::Equals", Value::Array(sides)) if sides.len() == 2 => {
                Ok(self.scalar(&sides[0], place)? == self.scalar(&sides[1], place)?)
            }
            ("Fn::Contains", Value::Array(parts)) if parts.len() == 2 => {
                let values = parts[0].as_array().into_iter().flatten();
                let values = values.map(|value| self.scalar(value, place)).collect::<Result<Vec<_>>>()?;
                Ok(values.contains(&self.scalar(&parts[1], place)?))
            }
            ("Fn::Not", Value::Array(parts)) if parts.len() == 1 => Ok(!self.holds(&parts[0], place)?),
            (name @ ("Fn::And" | "Fn::Or"), Value::Array(parts)) => {
                let parts = parts.iter().map(|part| self.holds(part, place)).collect::<Result<Vec<_>>>()?;
                Ok(if name == "Fn::And" { !parts.contains(&false) } else { parts.contains(&true) })
            }
            _ => bail!("{place}: {condition} is not a condition"),
        }
    }

    /// Evaluates a side of a comparison. `CloudFormation` compares every scalar as text.
    fn scalar(&self, value: &Value, place: &str) -> Result<String> {
        let resolved = self.resolve(value);
        ensure!(!resolved.is_object(), "{place}: {value} cannot be evaluated on this machine");
        Ok(text(&resolved))
    }
}

/// Returns `value` with the intrinsic functions in it replaced, and without the entries of mappings and lists for which the
/// replacement is `null`.
fn replace(value: &Value, replacement: &impl Fn((&str, &Value)) -> Option<Value>) -> Value {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| replace(item, replacement)).filter(|item| !item.is_null()).collect()
        }
        Value::Object(entries) => intrinsic(entries).and_then(replacement).unwrap_or_else(|| {
            let entries = entries.iter().map(|(name, entry)| (name.clone(), replace(entry, replacement)));
            entries.filter(|(_, entry)| !entry.is_null()).collect::<Map<_, _>>().into()
        }),
        scalar => scalar.clone(),
    }
}

/// Gives the value of a parameter the type that the parameter declares.
fn typed(value: &Value, kind: &Value) -> Value {
    match (kind.as_str(), value) {
        (Some("Number"), Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        (Some("CommaDelimitedList"), Value::String(text)) => text.split(',').map(str::trim).collect(),
        _ => value.clone(),
    }
}

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

    fn document(value: &str) -> Value {
        let text = format!(
            "Parameters: {{Stage: {{Default: production}}, Small: {{Type: Number, Default: '5'}}, Open: {{Type: String}}}}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
  IsSmall: !And [!Equals [!Ref Small, '5'], !Not [!Condition IsProduction]]
  Circular: !Not [!Condition Circular]
Resources: {{UsersTable: {{}}}}
Value: {value}"
        );
        crate::yaml::parse(&text).expect("valid YAML")
    }

    #[test]
    fn parameters_conditions_and_texts_are_evaluated() {
        for (yaml, expected) in [
            ("!Ref Small", json!(5)),
            ("!Ref UsersTable", json!("UsersTable")),
            ("!Sub '${Stage}-${AWS::Region}'", json!("production-eu-west-1")),
            ("!If [IsProduction, [1, !Ref AWS::NoValue], 2]", json!([1])),
            ("!If [IsSmall, yes, {a: !Ref AWS::NoValue, b: 1}]", json!({"b": 1})),
        ] {
            let document = document(yaml);
            let parameters = Parameters::new();
            let resolved = Resolver::new(&document, &parameters).resolve(&document["Value"]);
            assert_eq!(resolved, expected, "{yaml}");
        }
    }

    #[test]
    fn only_the_branches_that_apply_are_chosen() {
        let document =
            document("!If [IsSmall, 1, {a: !If [IsSmall, 1, !Ref UsersTable], b: !Ref AWS::NoValue}]");
        let small = Parameters::from([("Stage".to_owned(), json!("test"))]);
        for (parameters, expected) in
            [(Parameters::new(), json!({"a": {"Ref": "UsersTable"}})), (small, json!(1))]
        {
            assert_eq!(Resolver::new(&document, &parameters).choose(&document["Value"]), expected);
        }
    }

    #[test]
    fn a_function_that_cannot_be_evaluated_stays_as_written() {
        for yaml in [
            "!GetAtt UsersTable.Arn",
            "!Sub '${UsersTable.Arn}'",
            "!Sub '${UsersTable'",
            "!Ref Nothing",
            "!Ref Open",
            "!If [Nothing, 1, 2]",
            "!If [Circular, 1, 2]",
        ] {
            let document = document(yaml);
            let parameters = Parameters::new();
            let resolved = Resolver::new(&document, &parameters).resolve(&document["Value"]);
            assert_eq!(resolved, document["Value"], "{yaml}");
            let error = read::<String>(&resolved, "Value").expect_err(yaml).to_string();
            assert_eq!(error, "Value: invalid type: map, expected a string");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_evaluated_is_refused() {
        let document = document("");
        for (condition, message) in [
            ("Nothing", "here: there is no condition Nothing"),
            ("Circular", "here.Circular.Circular: the condition depends on itself"),
        ] {
            let parameters = Parameters::new();
            let error =
                Resolver::new(&document, &parameters).condition(condition, "here").expect_err(condition);
            assert_eq!(error.to_string(), message);
        }
    }
}
