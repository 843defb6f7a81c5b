//! The operations of `DynamoDB`, with requests and responses in JSON.

use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};

/// Carries out an operation. Returns its response in JSON, or `None` if there is no such operation.
pub fn execute(database: &Database, operation: &str, request: &str) -> Option<Result<String, DynoxideError>> {
    macro_rules! one_of {
        ($($name:literal => $method:ident,)*) => {
            match operation {
                $($name => read(request).and_then(|request| database.$method(request)).and_then(write),)*
                _ => return None,
            }
        };
    }
    Some(one_of! {
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeStream" => describe_stream,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetItem" => get_item,
        "GetRecords" => get_records,
        "GetShardIterator" => get_shard_iterator,
        "ListStreams" => list_streams,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TagResource" => tag_resource,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UntagResource" => untag_resource,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    })
}

/// Reads a request. An error is a `SerializationException` if the text is not JSON or a value has another type, and
/// otherwise a `ValidationException`. dynoxide begins the messages of some errors with the kind: `VALIDATION:`.
fn read<Request: DeserializeOwned>(text: &str) -> Result<Request, DynoxideError> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let is_kind = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let (is_invalid, message) = match message.split_once(':').filter(|(word, _)| is_kind(word)) {
            Some((kind, message)) => (kind.starts_with("VALIDATION"), message),
            None => (error.is_data() && !message.contains("invalid type"), &*message),
        };
        let kind = if is_invalid {
            DynoxideError::ValidationException
        } else {
            DynoxideError::SerializationException
        };
        kind(message.to_owned())
    })
}

fn write(response: impl Serialize) -> Result<String, DynoxideError> {
    serde_json::to_string(&response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
