//! How `DynamoDB` behaves under load: transactions take a while and conflict with other writes, eventually consistent
//! reads lag, batches come back incomplete, and busy items are throttled. The embedded database does none of this.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use super::{
    batch::Split,
    call::RecordedCall,
    in_flight::{Flight, InFlight},
    items::{Item, KeySchemas},
    replica::Replica,
    rule::Fault,
};
use crate::{database::EmbeddedDatabase, observed::lock, template::TableDefinition};

/// The load of `DynamoDB` that the proxy simulates for all requests.
///
/// Conflicts follow [Transaction conflict handling] in the developer guide. While a `TransactWriteItems` is in flight,
/// `DynamoDB` rejects each `PutItem`, `UpdateItem` and `DeleteItem` of one of its items, and each other
/// `TransactWriteItems` that writes or checks one of them. Reads never conflict. There are no rules for `TransactGetItems`
/// and `BatchWriteItem`, because the functions do not use them.
///
/// [Transaction conflict handling]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// How long a transaction is in flight before the database carries it out.
    pub transaction_time: Duration,
    /// The longest time for which a write is hidden from eventually consistent reads, such as all reads of an index.
    pub longest_lag: Duration,
    /// With `Some(n)`, every nth request that names an item by its key is throttled; with `None`, none is. A throttled item
    /// cancels its transaction with the reason `ThrottlingError`, and stays unprocessed in a `BatchGetItem`.
    pub throttled: Option<NonZero<u32>>,
    /// Whether every other `BatchGetItem` with several keys processes only the first half.
    pub splits_batches: bool,
}

impl Weather {
    /// A heavily loaded `DynamoDB`.
    pub const STORM: Self = Self {
        transaction_time: Duration::from_millis(5),
        longest_lag: Duration::from_millis(200),
        throttled: NonZero::new(20),
        splits_batches: true,
    };
}

/// The weather, and what has happened in it.
pub struct CurrentWeather {
    weather: Weather,
    key_schemas: KeySchemas,
    in_flight: InFlight,
    /// How many requests have named each item.
    named: Mutex<HashMap<Item, u32>>,
    last_batch_was_split: AtomicBool,
    replica: Replica,
}

/// How to forward a request that the weather lets through.
#[derive(Debug, Default)]
pub struct Passage {
    /// The address of the database that responds instead of the usual one.
    pub endpoint: Option<String>,
    /// The keys that are processed, if these are not all.
    pub split: Option<Split>,
    /// The transaction, which is in flight until the response.
    _flight: Option<Flight>,
}

impl CurrentWeather {
    pub async fn start(
        weather: Weather,
        database: &EmbeddedDatabase,
        tables: &[TableDefinition],
    ) -> Result<Self> {
        Ok(Self {
            weather,
            key_schemas: KeySchemas::new(tables),
            in_flight: InFlight::default(),
            named: Mutex::default(),
            last_batch_was_split: AtomicBool::default(),
            replica: Replica::start(database, tables, weather.longest_lag).await?,
        })
    }

    /// Waits until a request may reach the database, and returns how to forward it, or the fault to respond with instead.
    pub async fn let_through(&self, call: &RecordedCall) -> Result<Result<Passage, Fault>> {
        let token = call.body["ClientRequestToken"].as_str();
        if token.is_some_and(|token| self.in_flight.is_committed(token)) {
            return Ok(Ok(Passage::default()));
        }
        let items = self.key_schemas.items(call);
        let throttled: Vec<bool> = items.iter().map(|item| self.throttles(item)).collect();
        let (mut flight, mut split) = (None, None);
        match call.operation.as_str() {
            "TransactWriteItems" if throttled.contains(&true) => {
                let code = |throttled| if throttled { "ThrottlingError" } else { "None" };
                return Ok(Err(Fault::CancellationReasons(throttled.into_iter().map(code).collect())));
            }
            "TransactWriteItems" => {
                match self.in_flight.begin(token, &items) {
                    Ok(begun) => flight = Some(begun),
                    Err(conflict) => return Ok(Err(conflict)),
                }
                tokio::time::sleep(self.weather.transaction_time).await;
            }
            "BatchGetItem" => {
                let processed = self.processed(&throttled);
                if !processed.contains(&true) {
                    return Ok(Err(Fault::Throttle));
                }
                split = processed.contains(&false).then(|| Split::new(&call.body, &processed));
            }
            _ if throttled.contains(&true) => return Ok(Err(Fault::Throttle)),
            "PutItem" | "UpdateItem" | "DeleteItem" if items.iter().any(|item| self.in_flight.has(item)) => {
                return Ok(Err(Fault::TransactionConflict { position: 0 }));
            }
            _ => {}
        }
        let endpoint = is_eventually_consistent(call).then(|| self.replica.endpoint()).transpose()?;
        Ok(Ok(Passage { endpoint, split, _flight: flight }))
    }

    /// Records that the database has carried out a request.
    pub fn carried_out(&self, call: &RecordedCall) -> Result<()> {
        let is_write =
            ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].contains(&&*call.operation);
        if is_write {
            self.key_schemas.items(call).into_iter().try_for_each(|item| self.replica.note(item))?;
        }
        if let Some(token) = call.body["ClientRequestToken"].as_str() {
            self.in_flight.commit(token);
        }
        Ok(())
    }

    /// Makes eventually consistent reads show the current state of an item.
    pub fn show(&self, table: &str, key: Value) -> Result<()> {
        self.replica.show(Item { table: table.to_owned(), key })
    }

    /// Counts a request for an item, and returns whether it is throttled.
    fn throttles(&self, item: &Item) -> bool {
        let Some(every) = self.weather.throttled else { return false };
        let mut named = lock(&self.named);
        let count = named.entry(item.clone()).or_default();
        *count += 1;
        *count % every == 0
    }

    /// Returns for each key of a batch whether it is processed.
    fn processed(&self, throttled: &[bool]) -> Vec<bool> {
        let several = self.weather.splits_batches && throttled.len() > 1;
        let halved = several && !self.last_batch_was_split.fetch_not(Ordering::Relaxed);
        let most = if halved { throttled.len() / 2 } else { throttled.len() };
        throttled.iter().enumerate().map(|(position, throttled)| position < most && !throttled).collect()
    }
}

fn is_eventually_consistent(call: &RecordedCall) -> bool {
    let is_consistent = |read: &Value| read["ConsistentRead"] == true;
    match call.operation.as_str() {
        "GetItem" | "Query" | "Scan" => !is_consistent(&call.body),
        "BatchGetItem" => {
            let tables = call.body["RequestItems"].as_object();
            !tables.is_some_and(|tables| tables.values().any(is_consistent))
        }
        _ => false,
    }
}
