//! The responses of `DynamoDB` to a fault, in its own JSON.

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use serde_json::{Value, json};

use super::{call::RecordedCall, rule::Fault};

/// Returns the response that a fault sends in the database's place; `None` for the faults that send none.
pub fn to(fault: &Fault, call: &RecordedCall) -> Option<Response<Full<Bytes>>> {
    Some(match fault {
        Fault::Throttle => {
            let message = "The level of configured provisioned throughput for the table was exceeded. \
                           Consider increasing your provisioning level with the UpdateTable API.";
            error("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", message)
        }
        Fault::TransactionConflict { .. } if call.transaction_items.is_empty() => {
            let message = "Transaction is ongoing for the item";
            error("com.amazonaws.dynamodb.v20120810#TransactionConflictException", message)
        }
        Fault::TransactionConflict { position } => {
            let items = 0..call.transaction_items.len();
            let code = |item| if item == *position { "TransactionConflict" } else { "None" };
            canceled(&items.map(code).collect::<Vec<_>>(), call)
        }
        Fault::CancellationReasons(codes) => canceled(codes, call),
        Fault::TransactionInProgress => {
            let message = "The transaction with the given request token is already in progress.";
            error("com.amazonaws.dynamodb.v20120810#TransactionInProgressException", message)
        }
        Fault::Unprocessed => {
            // Nothing was read, so no capacity is consumed.
            let consumed = |table| json!({"TableName": table, "CapacityUnits": 0.0});
            let capacity: Vec<Value> = call.tables.iter().map(consumed).collect();
            let keys = &call.body["RequestItems"];
            let batch = json!({"Responses": {}, "UnprocessedKeys": keys, "ConsumedCapacity": capacity});
            with_status(StatusCode::OK, batch.to_string())
        }
        Fault::ServerError => {
            let kind = "com.amazonaws.dynamodb.v20120810#InternalServerError";
            let body = json!({"__type": kind, "message": "Internal server error"});
            with_status(StatusCode::INTERNAL_SERVER_ERROR, body.to_string())
        }
        Fault::Unavailable503 => with_status(StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Fault::AccessDenied => {
            let table = call.tables.first().map_or("*", String::as_str);
            let message = format!(
                "User: arn:aws:sts::123456789012:assumed-role/{caller}/{caller} is not authorized to perform: \
                 dynamodb:{} on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/{table} because no \
                 identity-based policy allows the action",
                call.operation,
                caller = call.caller,
            );
            error("com.amazon.coral.service#AccessDeniedException", &message)
        }
        Fault::TableMissing => {
            let message = "Requested resource not found";
            error("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", message)
        }
        Fault::Stall | Fault::LoseResponse | Fault::Hold(_) => return None,
    })
}

fn canceled(codes: &[&str], call: &RecordedCall) -> Response<Full<Bytes>> {
    let reason = |(position, code): (usize, &&str)| {
        let mut reason = json!({"Code": code});
        if *code != "None" {
            reason["Message"] = json!(message(code));
        }
        // If the request asks for it, a failed condition returns the existing item. For an item that is put only if it is
        // new, the item itself stands here for the one that a faster request put.
        let put = &call.body["TransactItems"][position]["Put"];
        if *code == "ConditionalCheckFailed" && put["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
            reason["Item"] = put["Item"].clone();
        }
        reason
    };
    let list = codes.join(", ");
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": codes.iter().enumerate().map(reason).collect::<Vec<_>>(),
        "Message": format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{list}]"),
    });
    with_status(StatusCode::BAD_REQUEST, body.to_string())
}

fn message(code: &str) -> &'static str {
    match code {
        "ConditionalCheckFailed" => "The conditional request failed",
        "TransactionConflict" => "Transaction is ongoing for the item",
        "ProvisionedThroughputExceeded" => "The level of configured provisioned throughput was exceeded",
        "ThrottlingError" => "Throughput exceeds the current capacity of your table or index",
        _ => "The item could not be processed",
    }
}

/// Returns a status 400.
fn error(kind: &str, message: &str) -> Response<Full<Bytes>> {
    with_status(StatusCode::BAD_REQUEST, json!({"__type": kind, "message": message}).to_string())
}

/// Returns a response with the headers of `DynamoDB`.
pub fn with_status(status: StatusCode, content: String) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-crc32", crc32fast::hash(content.as_bytes()))
        .header("x-amzn-requestid", uuid::Uuid::new_v4().simple().to_string().to_uppercase());
    response.body(Full::from(content)).expect("the headers are valid")
}
