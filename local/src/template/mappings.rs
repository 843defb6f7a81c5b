//! Which functions the streams of tables wake.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{FunctionDefinition, Resource, TableDefinition, intrinsics::Resolver};

/// One `AWS::Lambda::EventSourceMapping` from a table's stream to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamMapping {
    /// The mapping's name in the template.
    pub logical_id: String,
    /// The table, by its name on this machine.
    pub table: String,
    /// The function's operation, such as `purge-account`.
    pub operation: String,
    /// How many records an invocation gets at most.
    pub batch_size: usize,
    /// The records that are delivered, by their `eventName`; empty for all.
    pub event_names: Vec<String>,
    /// Whether a batch that failed is halved before it is tried again.
    pub bisects: bool,
    /// How often a batch is tried again, if that has an end.
    pub retries: Option<u32>,
    /// Whether the function's answer names the records that failed.
    pub reports_failures: bool,
}

impl StreamMapping {
    /// Whether the filter lets a record through.
    #[must_use]
    pub fn wants(&self, record: &Value) -> bool {
        self.event_names.is_empty() || self.event_names.iter().any(|name| record["eventName"] == **name)
    }
}

/// Gives nothing for a mapping that is switched off.
pub(super) fn read(
    resolver: &Resolver,
    resource: &Resource,
    tables: &[TableDefinition],
    functions: &[FunctionDefinition],
) -> Result<Option<StreamMapping>> {
    let Resource { logical_id, properties, place } = resource;
    let property = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    let setting = |name: &str| resolver.resolve(property(name), &place.at(name));
    let switch = |name: &str, default: bool| -> Result<bool> {
        let value = setting(name)?;
        let switch = value.as_bool().or_else(|| value.as_str()?.parse().ok());
        let switch = switch.or_else(|| value.is_null().then_some(default));
        switch.with_context(|| format!("{place}.{name}: {value} is neither true nor false"))
    };
    if !switch("Enabled", true)? {
        return Ok(None);
    }
    let source = property("EventSourceArn");
    let table = tables.iter().find(|table| attribute_of(source, &table.logical_id, "StreamArn"));
    let table =
        table.with_context(|| format!("{place}.EventSourceArn: the StreamArn of a table is needed"))?;
    ensure!(table.stream.is_some(), "{place}.EventSourceArn: the table {} has no stream", table.logical_id);
    let target = property("FunctionName");
    // On this machine there are no versions, so SAM's reference to an alias is the function itself.
    let name = target["Ref"].as_str().map(|name| name.trim_end_matches(".Alias"));
    let function = functions.iter().find(|function| {
        name == Some(&function.logical_id) || attribute_of(target, &function.logical_id, "Arn")
    });
    let function = function.with_context(|| format!("{place}.FunctionName: there is no such function"))?;

    let batch_size = match setting("BatchSize")? {
        Value::Null => 100,
        size => {
            let number = size.as_u64().or_else(|| size.as_str()?.parse().ok());
            let number = number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
            number.with_context(|| format!("{place}.BatchSize: {size} is not a positive whole number"))?
        }
    };
    let retries = match setting("MaximumRetryAttempts")? {
        Value::Null => None,
        written => {
            let number = written.as_i64().or_else(|| written.as_str()?.parse().ok());
            let number = number.filter(|number| (-1..=10_000).contains(number)).with_context(|| {
                format!("{place}.MaximumRetryAttempts: {written} is not a number from -1 to 10000")
            })?;
            u32::try_from(number).ok()
        }
    };
    let responses = setting("FunctionResponseTypes")?;
    let reports_failures =
        responses.as_array().into_iter().flatten().any(|kind| kind == "ReportBatchItemFailures");
    Ok(Some(StreamMapping {
        logical_id: (*logical_id).to_owned(),
        table: table.name.clone(),
        operation: function.operation.clone(),
        batch_size,
        event_names: event_names(&setting("FilterCriteria")?)
            .with_context(|| format!("{place}.FilterCriteria"))?,
        bisects: switch("BisectBatchOnFunctionError", false)?,
        retries,
        reports_failures,
    }))
}

fn attribute_of(value: &Value, logical_id: &str, attribute: &str) -> bool {
    let path = value["Fn::GetAtt"].as_array().map(Vec::as_slice);
    matches!(path, Some([id, name]) if id == logical_id && name == attribute)
}

/// The event names of every filter's pattern. A pattern that looks at anything else would need all of Lambda's rules.
fn event_names(criteria: &Value) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for filter in criteria["Filters"].as_array().into_iter().flatten() {
        let pattern = filter["Pattern"].as_str().context("a filter has no pattern")?;
        let parsed: Value =
            serde_json::from_str(pattern).with_context(|| format!("the pattern {pattern} is not JSON"))?;
        let keys = parsed.as_object().map(|entries| entries.keys().map(String::as_str).collect::<Vec<_>>());
        let chosen: Option<Vec<String>> = serde_json::from_value(parsed["eventName"].clone()).ok();
        match chosen {
            Some(chosen) if keys.as_deref() == Some(&["eventName"]) => names.extend(chosen),
            _ => bail!("the pattern {pattern} does not choose by names in eventName alone"),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Template;

    const ACCOUNT_DELETIONS: &str = r#"
Parameters: {Retries: {Type: Number, Default: 5}}
Resources:
  AccountDeletionsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: user_id, AttributeType: S}]
      KeySchema: [{AttributeName: user_id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  PurgeAccountFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: target/lambda/purge-account/}
  AccountDeletions:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt AccountDeletionsTable.StreamArn
      FunctionName: !Ref PurgeAccountFunction
      StartingPosition: TRIM_HORIZON
      BatchSize: 10
      BisectBatchOnFunctionError: true
      MaximumRetryAttempts: !Ref Retries
      FunctionResponseTypes: [ReportBatchItemFailures]
      FilterCriteria: {Filters: [{Pattern: '{"eventName": ["INSERT", "MODIFY"]}'}]}
      DestinationConfig: {OnFailure: {Destination: !GetAtt Queue.Arn}}
"#;

    #[test]
    fn a_mapping_is_read_with_its_filter_and_its_retries() {
        let template = Template::parse(ACCOUNT_DELETIONS).expect("a valid template");
        let expected = StreamMapping {
            logical_id: "AccountDeletions".to_owned(),
            table: "AccountDeletionsTable".to_owned(),
            operation: "purge-account".to_owned(),
            batch_size: 10,
            event_names: vec!["INSERT".to_owned(), "MODIFY".to_owned()],
            bisects: true,
            retries: Some(5),
            reports_failures: true,
        };
        assert_eq!(template.stream_mappings(), [expected]);
        let mapping = &template.stream_mappings()[0];
        assert!(mapping.wants(&json!({"eventName": "MODIFY"})));
        assert!(!mapping.wants(&json!({"eventName": "REMOVE"})));
        assert!(template.function("purge-account").expect("the function").routes.is_empty());
    }

    #[test]
    fn what_a_mapping_leaves_out_is_as_in_lambda() {
        let (head, _) = ACCOUNT_DELETIONS.split_once("      StartingPosition").expect("the mapping's head");
        let by_arn = head.replace("!Ref PurgeAccountFunction", "!GetAtt PurgeAccountFunction.Arn");
        for text in [head, by_arn.as_str()] {
            let template = Template::parse(text).expect("a valid template");
            let [mapping] = template.stream_mappings() else { panic!("one mapping expected") };
            assert_eq!((mapping.batch_size, mapping.retries), (100, None));
            assert!(!mapping.bisects && !mapping.reports_failures);
            assert!(mapping.wants(&json!({"eventName": "REMOVE"})));
        }
        let endless = ACCOUNT_DELETIONS.replace("!Ref Retries", "-1");
        let endless = Template::parse(&endless).expect("a valid template");
        assert_eq!(endless.stream_mappings()[0].retries, None);
        let off = Template::parse(&format!("{head}      Enabled: false\n")).expect("a valid template");
        assert!(off.stream_mappings().is_empty());
    }

    #[test]
    fn a_mapping_that_cannot_be_followed_is_named_with_its_place() {
        let place = "Resources.AccountDeletions.Properties";
        let cases = [
            (
                "AccountDeletionsTable.StreamArn",
                "AccountDeletionsTable.Arn",
                "EventSourceArn: the StreamArn of a table is needed",
            ),
            (
                "      StreamSpecification: {StreamViewType: KEYS_ONLY}\n",
                "",
                "EventSourceArn: the table AccountDeletionsTable has no stream",
            ),
            ("!Ref PurgeAccountFunction", "purge", "FunctionName: there is no such function"),
            ("BatchSize: 10", "BatchSize: 0", "BatchSize: 0 is not a positive whole number"),
            ("!Ref Retries", "many", "MaximumRetryAttempts: \"many\" is not a number from -1 to 10000"),
            (
                r#""eventName": ["INSERT", "MODIFY"]"#,
                r#""dynamodb": {}"#,
                "FilterCriteria: the pattern {\"dynamodb\": {}} does not choose by names in eventName alone",
            ),
        ];
        for (written, broken, message) in cases {
            let error = Template::parse(&ACCOUNT_DELETIONS.replace(written, broken)).expect_err(message);
            assert_eq!(format!("{error:#}"), format!("{place}.{message}"));
        }
    }
}
