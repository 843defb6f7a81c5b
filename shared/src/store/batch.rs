//! Reading several items with one request.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};

use super::{failure::StoreError, item::Item};

/// The first wait before a retry of keys that DynamoDB left unprocessed, which it does when it throttles. Each further
/// wait is twice as long, up to the longest. There is no jitter, because DynamoDB rarely leaves keys of a few items
/// unprocessed, and callers do not start at the same time.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// The keys to read, by table.
pub(super) type BatchKeys = HashMap<String, KeysAndAttributes>;

/// The items found, by table, in no particular order.
pub(super) type BatchItems = HashMap<String, Vec<Item>>;

/// Takes the item of a table of which one key was wanted; `None` if it was not found.
pub(super) fn take_only(found: &mut BatchItems, table: &str) -> Option<Item> {
    found.remove(table)?.pop()
}

/// Returns the items with these keys: up to 100, and 16 MB, in all tables together.
///
/// `BatchGetItem`, repeated with exponential backoff until no key is left unprocessed: the caller limits the time. IAM:
/// `BatchGetItem` on each table.
pub(super) async fn get(client: &Client, mut wanted: BatchKeys) -> Result<BatchItems, StoreError> {
    let mut found = BatchItems::new();
    let mut backoff = FIRST_BACKOFF;
    loop {
        let output = client.batch_get_item().set_request_items(Some(wanted)).send().await?;
        for (table, items) in output.responses.unwrap_or_default() {
            found.entry(table).or_default().extend(items);
        }
        wanted = output.unprocessed_keys.unwrap_or_default();
        if wanted.is_empty() {
            return Ok(found);
        }
        tokio::time::sleep(backoff).await;
        backoff = MAX_BACKOFF.min(backoff * 2);
    }
}
