//! The capacity that DynamoDB charges for the requests of an invocation.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut},
    },
    error::BoxError,
    operation::{
        batch_get_item::{BatchGetItemInput, BatchGetItemOutput},
        delete_item::{DeleteItemInput, DeleteItemOutput},
        get_item::{GetItemInput, GetItemOutput},
        put_item::{PutItemInput, PutItemOutput},
        query::{QueryInput, QueryOutput},
        scan::{ScanInput, ScanOutput},
        transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemInput, UpdateItemOutput},
    },
    types::{ConsumedCapacity, ReturnConsumedCapacity},
};

use crate::telemetry::{Metric, measure};

/// Makes every request ask for its consumed capacity, and adds it to the record of the current invocation.
///
/// DynamoDB reports no capacity with an error, not even for a failed condition, which it charges. The sum therefore covers
/// the requests that succeeded.
#[derive(Debug)]
pub struct CapacityMeter;

/// Lists the DynamoDB operations in use: input, output, and the metric that they are charged to. An operation that is
/// missing here is not counted, and every test that makes it fails, because the tests check that each request asks for
/// its consumed capacity.
macro_rules! for_each_operation {
    ($act:ident) => {
        $act!(GetItemInput, GetItemOutput, Metric::ReadCapacityUnits);
        $act!(BatchGetItemInput, BatchGetItemOutput, Metric::ReadCapacityUnits);
        $act!(QueryInput, QueryOutput, Metric::ReadCapacityUnits);
        $act!(ScanInput, ScanOutput, Metric::ReadCapacityUnits);
        $act!(PutItemInput, PutItemOutput, Metric::WriteCapacityUnits);
        $act!(UpdateItemInput, UpdateItemOutput, Metric::WriteCapacityUnits);
        $act!(DeleteItemInput, DeleteItemOutput, Metric::WriteCapacityUnits);
        $act!(TransactWriteItemsInput, TransactWriteItemsOutput, Metric::WriteCapacityUnits);
    };
}

impl Intercept for CapacityMeter {
    fn name(&self) -> &'static str {
        "capacity meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        macro_rules! ask {
            ($Input:ty, $Output:ty, $charged_as:expr) => {
                if let Some(input) = context.input_mut().downcast_mut::<$Input>() {
                    input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                }
            };
        }
        for_each_operation!(ask);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        macro_rules! add_up {
            ($Input:ty, $Output:ty, $charged_as:expr) => {
                if let Some(output) = output.downcast_ref::<$Output>() {
                    output.consumed_capacity().into_iter().for_each(|part| charge(part, $charged_as));
                }
            };
        }
        for_each_operation!(add_up);
        Ok(())
    }
}

/// Adds the capacity of one table. Only transactions report read and write units separately: DynamoDB charges a retry of
/// a transaction that is already committed as a read.
fn charge(consumed: &ConsumedCapacity, usually: Metric) {
    let (read, written) = (consumed.read_capacity_units(), consumed.write_capacity_units());
    let parts = if read.is_some() || written.is_some() {
        [(Metric::ReadCapacityUnits, read), (Metric::WriteCapacityUnits, written)]
    } else {
        [(usually, consumed.capacity_units()), (usually, None)]
    };
    for (metric, units) in parts {
        if let Some(units) = units.filter(|units| *units > 0.0) {
            measure(metric, units);
        }
    }
}
