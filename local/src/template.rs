//! `template.yaml`, the single source of the tables, the functions, what wakes them and the CORS of the API.

mod cors;
mod functions;
mod intrinsics;
mod mappings;
mod rules;
mod schedules;
mod tables;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

pub use cors::Cors;
pub use functions::{FunctionDefinition, Route};
pub use mappings::StreamMapping;
pub use schedules::Schedule;
pub use tables::{AttributeDefinition, Index, KeyElement, Projection, Stream, TableDefinition, TimeToLive};

pub use intrinsics::{ACCOUNT, REGION};
use intrinsics::{Place, Resolver};

use crate::yaml;

/// A template that has been read and understood.
#[derive(Debug, Clone)]
pub struct Template {
    document: Value,
    tables: Vec<TableDefinition>,
    functions: Vec<FunctionDefinition>,
    stream_mappings: Vec<StreamMapping>,
    cors: Option<Cors>,
}

impl Template {
    /// Reads the template at `path`. What is wrong with it is said with the place where it is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_document(yaml::read(path)?).with_context(|| format!("{} is not usable", path.display()))
    }

    /// Reads a template from YAML text.
    pub fn parse(text: &str) -> Result<Self> {
        Self::from_document(yaml::parse(text)?)
    }

    /// Returns the template as a stack has it that gives these parameters these values. What a rule of the template
    /// refuses is an error.
    pub fn with_parameters(&self, values: &[(&str, &str)]) -> Result<Self> {
        let mut document = self.document.clone();
        for (name, value) in values {
            let parameter = document.pointer_mut(&format!("/Parameters/{name}"));
            parameter.with_context(|| format!("there is no parameter {name}"))?["Default"] = json!(value);
        }
        rules::check(&document)?;
        Self::from_document(document)
    }

    /// Every `AWS::DynamoDB::Table`, in the order of logical ids.
    #[must_use]
    pub fn tables(&self) -> &[TableDefinition] {
        &self.tables
    }

    /// Every `AWS::Serverless::Function`, in the order of logical ids.
    #[must_use]
    pub fn functions(&self) -> &[FunctionDefinition] {
        &self.functions
    }

    /// The function of one operation, such as `create-movie`.
    #[must_use]
    pub fn function(&self, operation: &str) -> Option<&FunctionDefinition> {
        self.functions.iter().find(|function| function.operation == operation)
    }

    /// Every `AWS::Lambda::EventSourceMapping` that is not switched off, in the order of logical ids.
    #[must_use]
    pub fn stream_mappings(&self) -> &[StreamMapping] {
        &self.stream_mappings
    }

    /// The CORS configuration of the HTTP API, if it has one.
    #[must_use]
    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// The whole template, with intrinsic functions in their long form: `{"Ref": …}`, `{"Fn::Sub": …}`.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    fn from_document(document: Value) -> Result<Self> {
        let resolver = Resolver::new(&document);
        let tables: Vec<_> = resources(&document, &resolver, "AWS::DynamoDB::Table")?
            .into_iter()
            .map(|resource| tables::read(&resolver, &resource))
            .collect::<Result<_>>()?;
        let functions: Vec<_> = resources(&document, &resolver, "AWS::Serverless::Function")?
            .into_iter()
            .map(|resource| functions::read(&document, &resolver, &resource))
            .collect::<Result<_>>()?;
        let stream_mappings = resources(&document, &resolver, "AWS::Lambda::EventSourceMapping")?
            .into_iter()
            .filter_map(|resource| mappings::read(&resolver, &resource, &tables, &functions).transpose())
            .collect::<Result<_>>()?;
        let api = resources(&document, &resolver, "AWS::Serverless::HttpApi")?;
        let cors = api.first().map(|api| cors::read(&resolver, api)).transpose()?.flatten();
        Ok(Self { document, tables, functions, stream_mappings, cors })
    }
}

/// One entry of `Resources` whose condition holds.
struct Resource<'a> {
    logical_id: &'a str,
    properties: &'a Map<String, Value>,
    place: Place,
}

fn resources<'a>(document: &'a Value, resolver: &Resolver, kind: &str) -> Result<Vec<Resource<'a>>> {
    let all =
        document.get("Resources").and_then(Value::as_object).context("the template has no Resources")?;
    let mut found = Vec::new();
    for (logical_id, resource) in all.iter().filter(|(_, resource)| resource["Type"] == kind) {
        let place = Place::root().at("Resources").at(logical_id);
        if let Some(condition) = resource.get("Condition").and_then(Value::as_str)
            && !resolver.condition(condition, &place.at("Condition"))?
        {
            continue;
        }
        let place = place.at("Properties");
        let properties = resource.get("Properties").and_then(Value::as_object);
        let properties = properties.with_context(|| format!("{place}: a mapping is needed"))?;
        found.push(Resource { logical_id, properties, place });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_whose_condition_is_false_is_left_out() {
        let template = Template::parse(
            "Conditions:
  Never: !Equals [a, b]
  Always: !Not [!Condition Never]
Resources:
  AbsentTable: {Type: AWS::DynamoDB::Table, Condition: Never, Properties: {}}
  PresentTable:
    Type: AWS::DynamoDB::Table
    Condition: Always
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
",
        )
        .expect("a valid template");
        let names: Vec<&str> = template.tables().iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["PresentTable"]);
    }

    #[test]
    fn given_parameters_decide_unless_a_rule_refuses_them() {
        let template = Template::parse(
            "Parameters: {Cost: {Type: Number, Default: 12}, Limit: {Type: Number, Default: 0}}
Rules:
  OnlyWithLimit:
    RuleCondition: !Not [!Equals [!Ref Limit, 0]]
    Assertions:
      - {Assert: {Fn::Contains: [['10', '12'], !Ref Cost]}, AssertDescription: A limit needs a cost}
Conditions: {Limits: !Not [!Equals [!Ref Limit, 0]]}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/f/
      ReservedConcurrentExecutions: !If [Limits, !Ref Limit, !Ref AWS::NoValue]
",
        )
        .expect("a valid template");
        let limit = |values: &[(&str, &str)]| {
            template.with_parameters(values).map(|template| template.functions()[0].reserved_concurrency)
        };
        assert_eq!(limit(&[]).expect("its defaults"), None);
        assert_eq!(limit(&[("Cost", "11")]).expect("the rule is not concerned"), None);
        assert_eq!(limit(&[("Limit", "20")]).expect("good values"), Some(20));
        let refused = limit(&[("Limit", "20"), ("Cost", "11")]).expect_err("the rule");
        assert_eq!(refused.to_string(), "OnlyWithLimit: A limit needs a cost");
        assert_eq!(limit(&[("Size", "1")]).expect_err("unknown").to_string(), "there is no parameter Size");
    }

    #[test]
    fn a_template_without_resources_is_refused() {
        let error = Template::parse("Description: nothing\n").expect_err("no resources");
        assert_eq!(error.to_string(), "the template has no Resources");
    }
}
