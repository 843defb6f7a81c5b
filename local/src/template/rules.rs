//! The rules of a template: what `CloudFormation` refuses before it makes anything.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::intrinsics::{Place, Resolver};

/// Fails with the description of the first assertion that the values of the parameters do not fulfil.
pub(super) fn check(document: &Value) -> Result<()> {
    let resolver = Resolver::new(document);
    for (name, rule) in document.get("Rules").and_then(Value::as_object).into_iter().flatten() {
        let place = Place::root().at("Rules").at(name);
        if let Some(condition) = rule.get("RuleCondition")
            && !resolver.truth(condition, &place.at("RuleCondition"))?
        {
            continue;
        }
        let assertions = rule["Assertions"].as_array();
        for assertion in assertions.with_context(|| format!("{place}: assertions are needed"))? {
            let holds = resolver.truth(&assertion["Assert"], &place.at("Assert"))?;
            ensure!(holds, "{name}: {}", assertion["AssertDescription"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}
