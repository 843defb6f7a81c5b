//! The mappings from tables' streams to functions.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::{functions::FunctionDefinition, resolver::Resource, tables::TableDefinition};

/// One `AWS::Lambda::EventSourceMapping` from a table's stream to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamMapping {
    /// The table, by its name on this machine.
    pub table: String,
    /// The function's operation, such as `purge-account`.
    pub operation: String,
    /// How many records an invocation gets at most.
    pub batch_size: usize,
    /// The records that are delivered, by their `eventName`; empty for all.
    pub event_names: Vec<String>,
    /// Whether a batch that failed is halved before the retry.
    pub bisects: bool,
    /// How often a batch is retried; `None` for no limit.
    pub retries: Option<u32>,
    /// Whether the function's response names the records that failed.
    pub reports_failures: bool,
}

impl StreamMapping {
    /// Returns whether the filter lets a record through.
    #[must_use]
    pub fn wants(&self, record: &Value) -> bool {
        self.event_names.is_empty() || self.event_names.iter().any(|name| record["eventName"] == **name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    #[serde(default = "default_enabled")]
    enabled: bool,
    #[serde(default = "default_batch_size")]
    batch_size: usize,
    maximum_retry_attempts: Option<i64>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    #[serde(default)]
    function_response_types: Vec<String>,
    #[serde(default)]
    filter_criteria: FilterCriteria,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

const fn default_enabled() -> bool {
    true
}

const fn default_batch_size() -> usize {
    100
}

/// Returns nothing for a mapping that is disabled.
pub fn read(
    resource: &Resource,
    tables: &[TableDefinition],
    functions: &[FunctionDefinition],
) -> Result<Option<StreamMapping>> {
    let Resource { written, place, .. } = resource;
    let properties: Properties = resource.read()?;
    if !properties.enabled {
        return Ok(None);
    }
    let source = &written["EventSourceArn"]["Fn::GetAtt"];
    let table = tables.iter().find(|table| source[0] == *table.logical_id && source[1] == "StreamArn");
    let table =
        table.with_context(|| format!("{place}.EventSourceArn: the StreamArn of a table is needed"))?;
    ensure!(table.stream.is_some(), "{place}.EventSourceArn: the table {} has no stream", table.logical_id);
    // On this machine there are no versions, so SAM's reference to an alias is the function itself.
    let target = written["FunctionName"]["Ref"].as_str().map(|name| name.trim_end_matches(".Alias"));
    let function = functions.iter().find(|function| target == Some(&function.logical_id));
    let function = function.with_context(|| format!("{place}.FunctionName: there is no such function"))?;
    ensure!(properties.batch_size > 0, "{place}.BatchSize: it must be positive");
    let mut event_names = Vec::new();
    for Filter { pattern } in properties.filter_criteria.filters {
        event_names.extend(names(&pattern).with_context(|| format!("{place}.FilterCriteria"))?);
    }
    Ok(Some(StreamMapping {
        table: table.name.clone(),
        operation: function.operation.clone(),
        batch_size: properties.batch_size,
        event_names,
        bisects: properties.bisect_batch_on_function_error,
        retries: properties.maximum_retry_attempts.and_then(|retries| u32::try_from(retries).ok()),
        reports_failures: properties.function_response_types.contains(&"ReportBatchItemFailures".to_owned()),
    }))
}

/// Returns the event names of a filter's pattern. A pattern on other members would need all of Lambda's rules.
fn names(pattern: &str) -> Result<Vec<String>> {
    let parsed: Value =
        serde_json::from_str(pattern).with_context(|| format!("the pattern {pattern} is not JSON"))?;
    match serde_json::from_value(parsed["eventName"].clone()) {
        Ok(names) if parsed.as_object().is_some_and(|members| members.len() == 1) => Ok(names),
        _ => bail!("the pattern {pattern} does not filter by eventName alone"),
    }
}
