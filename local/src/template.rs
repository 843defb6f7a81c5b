//! `template.yaml`, the single source of the tables, the functions with their routes and triggers, and the CORS of the API.
//! Its modules, each of which uses only those before it: `resolver`, `tables`, `functions`, `mappings`.

mod functions;
mod mappings;
mod resolver;
mod tables;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::yaml;
pub use functions::{FunctionDefinition, Route, Schedule};
pub use mappings::StreamMapping;
pub use resolver::{ACCOUNT, REGION};
use resolver::{Parameters, Resolver, Resource};
pub use tables::{Index, Stream, TableDefinition, TimeToLive};

/// The value of the parameter `MailFrom` on this machine: the address from which mails are sent.
pub const MAIL_FROM: &str = "movie-bag@example.com";

/// The parameters that the stack on this machine sets, if its template has them. They turn its optional parts on.
const ON_THIS_MACHINE: [(&str, &str); 1] = [("MailFrom", MAIL_FROM)];

/// A template that has been read and understood, for a stack on this machine: with its optional parts.
#[derive(Debug, Clone)]
pub struct Template {
    document: Value,
    parameters: Parameters,
    tables: Vec<TableDefinition>,
    functions: Vec<FunctionDefinition>,
    stream_mappings: Vec<StreamMapping>,
    cors: Option<Cors>,
}

/// `CorsConfiguration` of the `AWS::Serverless::HttpApi`. Reading refuses a property that the gateway does not support.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Cors {
    /// The origins whose pages may call the API, or `*` for all.
    pub allow_origins: Vec<String>,
    /// The methods that a page may use.
    pub allow_methods: Vec<String>,
    /// The headers that a page may send.
    pub allow_headers: Vec<String>,
    /// The headers of a response that a page may read.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser may remember a preflight response.
    pub max_age: Option<u64>,
}

impl Template {
    /// Reads the template at `path`. An error names the place in the template.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_document(yaml::read(path)?).with_context(|| format!("{} is not usable", path.display()))
    }

    /// Reads a template from YAML text.
    pub fn parse(text: &str) -> Result<Self> {
        Self::from_document(yaml::parse(text)?)
    }

    /// Returns the template of a stack that gives these parameters these values. Values that a rule of the template
    /// refuses are an error.
    pub fn with_parameters(&self, values: &[(&str, &str)]) -> Result<Self> {
        let mut parameters = self.parameters.clone();
        for (name, value) in values {
            let exists = self.document["Parameters"].get(name).is_some();
            ensure!(exists, "there is no parameter {name}");
            parameters.insert((*name).to_owned(), json!(value));
        }
        Resolver::new(&self.document, &parameters).check_rules()?;
        Self::evaluate(self.document.clone(), parameters)
    }

    /// Returns every `AWS::DynamoDB::Table`, in the order of logical ids.
    #[must_use]
    pub fn tables(&self) -> &[TableDefinition] {
        &self.tables
    }

    /// Returns every `AWS::Serverless::Function`, in the order of logical ids.
    #[must_use]
    pub fn functions(&self) -> &[FunctionDefinition] {
        &self.functions
    }

    /// Returns the function of one operation, such as `create-movie`.
    #[must_use]
    pub fn function(&self, operation: &str) -> Option<&FunctionDefinition> {
        self.functions.iter().find(|function| function.operation == operation)
    }

    /// Returns every enabled `AWS::Lambda::EventSourceMapping`, in the order of logical ids.
    #[must_use]
    pub fn stream_mappings(&self) -> &[StreamMapping] {
        &self.stream_mappings
    }

    /// Returns the CORS configuration of the HTTP API, if it has one.
    #[must_use]
    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// Returns the whole template, with intrinsic functions in their long form: `{"Ref": …}`, `{"Fn::Sub": …}`.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    fn from_document(document: Value) -> Result<Self> {
        let known = ON_THIS_MACHINE.iter().filter(|(name, _)| document["Parameters"].get(name).is_some());
        let parameters = known.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        Self::evaluate(document, parameters)
    }

    fn evaluate(document: Value, parameters: Parameters) -> Result<Self> {
        let resolver = Resolver::new(&document, &parameters);
        let tables = resolver.resources("AWS::DynamoDB::Table")?;
        let tables: Vec<_> = tables.iter().map(tables::read).collect::<Result<_>>()?;
        let functions = resolver.resources("AWS::Serverless::Function")?;
        let functions = functions.iter().map(|resource| functions::read(&document, &resolver, resource));
        let functions: Vec<_> = functions.collect::<Result<_>>()?;
        let mappings = resolver.resources("AWS::Lambda::EventSourceMapping")?;
        let mappings = mappings.iter().map(|resource| mappings::read(resource, &tables, &functions));
        let stream_mappings = mappings.filter_map(Result::transpose).collect::<Result<_>>()?;
        let api = resolver.resources("AWS::Serverless::HttpApi")?;
        let cors = api.first().map(cors).transpose()?.flatten();
        Ok(Self { document, parameters, tables, functions, stream_mappings, cors })
    }
}

/// Returns nothing for an API that sets no CORS.
fn cors(api: &Resource) -> Result<Option<Cors>> {
    let Resource { properties, place, .. } = api;
    let stage = properties["StageName"].as_str().unwrap_or("$default");
    // Any other stage would come first in every path.
    ensure!(stage == "$default", "{place}.StageName: only $default is supported on this machine");
    let configuration = properties.get("CorsConfiguration");
    let place = format!("{place}.CorsConfiguration");
    configuration.map(|configuration| resolver::read(configuration, &place)).transpose()
}

#[cfg(test)]
mod tests;
