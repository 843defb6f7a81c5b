//! Answers that `DynamoDB` would give, in its own JSON.

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use serde_json::{Value, json};

use super::{Call, Fault};

/// The answer that a fault gives in the database's place; `None` for the faults that are no answer.
pub fn to(fault: &Fault, call: &Call) -> Option<Response<Full<Bytes>>> {
    let bad = StatusCode::BAD_REQUEST;
    Some(match fault {
        Fault::Throttle => {
            let message = "The level of configured provisioned throughput for the table was exceeded. \
                           Consider increasing your provisioning level with the UpdateTable API.";
            error(bad, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", message)
        }
        Fault::TransactionConflict { .. } if call.transaction_items.is_empty() => {
            let message = "Transaction is ongoing for the item";
            error(bad, "com.amazonaws.dynamodb.v20120810#TransactionConflictException", message)
        }
        Fault::TransactionConflict { position } => {
            let items = 0..call.transaction_items.len();
            let code = |item| if item == *position { "TransactionConflict" } else { "None" };
            cancelled(&items.map(code).collect::<Vec<_>>(), call)
        }
        Fault::CancellationReasons(codes) => cancelled(codes, call),
        Fault::Unprocessed => {
            // Nothing was read, so nothing is charged.
            let charged = |table| json!({"TableName": table, "CapacityUnits": 0.0});
            let capacity: Vec<Value> = call.tables.iter().map(charged).collect();
            let keys = &call.body["RequestItems"];
            body(
                StatusCode::OK,
                &json!({"Responses": {}, "UnprocessedKeys": keys, "ConsumedCapacity": capacity}),
            )
        }
        Fault::ServerError => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "com.amazonaws.dynamodb.v20120810#InternalServerError",
            "Internal server error",
        ),
        Fault::Unavailable503 => answer(StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
        Fault::AccessDenied => {
            let table = call.tables.first().map_or("*", String::as_str);
            let message = format!(
                "User: arn:aws:sts::123456789012:assumed-role/{caller}/{caller} is not authorized to perform: \
                 dynamodb:{} on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/{table} because no \
                 identity-based policy allows the action",
                call.operation,
                caller = call.caller,
            );
            error(bad, "com.amazon.coral.service#AccessDeniedException", &message)
        }
        Fault::TableMissing => {
            let message = "Requested resource not found";
            error(bad, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", message)
        }
        Fault::Stall | Fault::LoseResponse | Fault::Hold(_) => return None,
    })
}

fn cancelled(codes: &[&str], call: &Call) -> Response<Full<Bytes>> {
    let reason = |(position, code): (usize, &&str)| {
        let mut reason = json!({"Code": code});
        if *code != "None" {
            reason["Message"] = json!(message(code));
        }
        // A condition that failed shows the item that is there, if the request asks for it. One that is put only if it is
        // new stands here for the one that was quicker.
        let put = &call.body["TransactItems"][position]["Put"];
        if *code == "ConditionalCheckFailed" && put["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
            reason["Item"] = put["Item"].clone();
        }
        reason
    };
    let list = codes.join(", ");
    body(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": codes.iter().enumerate().map(reason).collect::<Vec<_>>(),
            "Message": format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{list}]"
            ),
        }),
    )
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

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    body(status, &json!({"__type": kind, "message": message}))
}

fn body(status: StatusCode, content: &Value) -> Response<Full<Bytes>> {
    answer(status, Bytes::from(content.to_string()))
}

fn answer(status: StatusCode, content: Bytes) -> Response<Full<Bytes>> {
    let checksum = crc32fast::hash(&content);
    let mut answer = Response::new(Full::new(content));
    *answer.status_mut() = status;
    let headers = [
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-crc32", checksum.to_string()),
        ("x-amzn-requestid", uuid::Uuid::new_v4().simple().to_string().to_uppercase()),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
