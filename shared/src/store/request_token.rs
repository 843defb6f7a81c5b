//! The client request tokens of transactions.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextMut,
    },
    error::BoxError,
    operation::transact_write_items::TransactWriteItemsInput,
};

use crate::model::IdSource;

/// Gives each transaction a new id as its client request token, which stays the same when the SDK repeats the transaction.
///
/// The SDK's own tokens come from a generator whose seed is the time since the machine started. Processes of machines that
/// start alike, such as sandboxes of one snapshot, can make the same tokens. For ten minutes, `DynamoDB` refuses another
/// transaction with a known token (`IdempotentParameterMismatchException`).
#[derive(Debug)]
pub struct RequestTokens(pub IdSource);

impl Intercept for RequestTokens {
    fn name(&self) -> &'static str {
        "client request tokens"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            input.client_request_token = Some(self.0.next_id().to_string());
        }
        Ok(())
    }
}
