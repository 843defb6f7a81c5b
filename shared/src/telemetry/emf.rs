//! Metrics as members of a log line, in CloudWatch's embedded metric format (EMF).
//!
//! "Specification: Embedded metric format" in the CloudWatch user guide defines it: `_aws` names metrics and dimensions,
//! and the members next to it hold their values.

use serde::Serialize;

use super::{
    metric::{Dimensions, Metric, Unit},
    record::Measurements,
};
use crate::model::Timestamp;

const NAMESPACE: &str = "MovieBag";

/// The members that add metrics to a line.
#[derive(Serialize)]
pub(super) struct Embedded<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata,
    #[serde(rename = "Stage")]
    stage: &'a str,
    #[serde(rename = "Operation")]
    operation: &'a str,
    #[serde(flatten)]
    values: &'a Measurements,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    /// In milliseconds since 1970.
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

/// Metrics with the same dimensions.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: Metric,
    unit: Unit,
}

impl<'a> Embedded<'a> {
    /// Creates the members for these measurements; `None` if there are none.
    pub(super) fn new(
        time: Timestamp,
        stage: &'a str,
        operation: &'a str,
        values: &'a Measurements,
    ) -> Option<Self> {
        let directives = Dimensions::ALL.map(|dimensions| Directive {
            namespace: NAMESPACE,
            dimensions: [dimensions.names()],
            metrics: values
                .keys()
                .filter(|metric| metric.dimensions() == dimensions)
                .map(|metric| Definition { name: *metric, unit: metric.unit() })
                .collect(),
        });
        let cloud_watch_metrics: Vec<Directive> =
            directives.into_iter().filter(|directive| !directive.metrics.is_empty()).collect();
        let metadata = Metadata { timestamp: time.unix_milliseconds(), cloud_watch_metrics };
        (!values.is_empty()).then_some(Self { metadata, stage, operation, values })
    }
}
