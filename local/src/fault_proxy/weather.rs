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

/// The behavior of `DynamoDB` toward all requests. It depends on the number and the times of the requests, and never on
/// chance.
///
/// Conflicts follow the developer guide, [Transaction conflict handling]. A `PutItem`, `UpdateItem` or `DeleteItem` is
/// rejected while a `TransactWriteItems` that includes its item is in flight, and so is another `TransactWriteItems` that
/// includes one of its items, also as a `ConditionCheck`. Reads never conflict with it. The functions make no
/// `TransactGetItems` and no `BatchWriteItem`, so these have no rules here.
///
/// [Transaction conflict handling]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// How long a transaction is in flight before the database carries it out.
    pub transaction_time: Duration,
    /// The longest time for which a write is hidden from eventually consistent reads, such as all reads of an index.
    pub longest_lag: Duration,
    /// Every so many requests that name an item by its key, one is throttled; `None` for never. The items of a transaction
    /// have the reason `ThrottlingError`, and the keys of a `BatchGetItem` stay unprocessed.
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

/// A request that the weather lets through.
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

    /// Returns when a request may reach the database, or the fault that it meets instead.
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

    /// Notes that the database has carried out a request.
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

    /// Lets all reads show an item as it is now.
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
