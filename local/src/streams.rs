//! Reads the stream of a table of the embedded database, as Lambda does for a function that the stream triggers.

use anyhow::{Context as _, Result};
use dynoxide::Database;
use serde_json::{Value, json};

use crate::{
    clock,
    database::{EmbeddedDatabase, request},
    template::{ACCOUNT, REGION},
};

/// How long `DynamoDB` keeps a record. The embedded database keeps records forever.
const RETENTION: time::Duration = time::Duration::hours(24);

/// A position in a table's stream.
pub struct StreamReader {
    database: Database,
    arn: String,
    iterator: String,
}

impl StreamReader {
    /// Returns a reader that begins with the oldest record (`TRIM_HORIZON`).
    pub fn new(database: &EmbeddedDatabase, table: &str) -> Result<Self> {
        let database = database.engine().clone();
        let streams = serde_json::to_value(database.list_streams(request(json!({"TableName": table}))?)?)?;
        let arn = streams["Streams"][0]["StreamArn"].as_str();
        let arn = arn.with_context(|| format!("the table {table} has no stream"))?.to_owned();
        let stream = database.describe_stream(request(json!({"StreamArn": arn}))?)?;
        let shards = serde_json::to_value(stream)?["StreamDescription"]["Shards"].take();
        let start = json!({
            "StreamArn": arn, "ShardId": shards[0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = database.get_shard_iterator(request(start)?)?.shard_iterator;
        let iterator = iterator.with_context(|| format!("the stream of {table} cannot be read"))?;
        let (_, resource) = arn.split_once(":table/").with_context(|| format!("{arn} is not a stream"))?;
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{resource}");
        Ok(Self { database, arn, iterator })
    }

    /// Returns the records written since the last call, in order and in the form of Lambda's events; at most 1,000.
    pub fn next_records(&mut self) -> Result<Vec<Value>> {
        let response = self.database.get_records(request(json!({"ShardIterator": self.iterator}))?)?;
        self.iterator = response.next_shard_iterator.context("the stream has ended")?;
        let oldest = (clock::now() - RETENTION).unix_timestamp();
        let mut records = Vec::new();
        for record in response.records {
            let mut record = serde_json::to_value(record)?;
            // It is a whole number in Lambda's events.
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            let created =
                record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default() as i64;
            if created < oldest {
                continue;
            }
            record["dynamodb"]["ApproximateCreationDateTime"] = json!(created);
            record["awsRegion"] = json!(REGION);
            record["eventSourceARN"] = json!(self.arn);
            records.push(record);
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Storage, with_tables};

    const TABLE: &str = "AccountDeletionsTable";

    fn key(user: &str) -> Value {
        json!({"user_id": {"S": user}})
    }

    fn put(database: &EmbeddedDatabase, user: &str, text: &str) {
        let item = json!({"user_id": {"S": user}, "text": {"S": text}});
        database.put_item(TABLE, item).expect("an item");
    }

    /// Returns the name of each event with the user's id.
    fn events(records: &[Value]) -> Vec<(&str, &str)> {
        fn text<'a>(record: &'a Value, path: &str) -> &'a str {
            record.pointer(path).and_then(Value::as_str).expect("a text")
        }
        let user = "/dynamodb/Keys/user_id/S";
        records.iter().map(|record| (text(record, "/eventName"), text(record, user))).collect()
    }

    #[tokio::test]
    async fn every_write_is_reported_once_and_in_order() {
        let database = with_tables(Storage::Memory).await;
        let mut reader = StreamReader::new(&database, TABLE).expect("a reader");
        assert!(reader.next_records().expect("records").is_empty());
        put(&database, "ann", "");
        put(&database, "ben", "");
        put(&database, "ann", "again");
        let first = reader.next_records().expect("records");
        assert_eq!(events(&first), [("INSERT", "ann"), ("INSERT", "ben"), ("MODIFY", "ann")]);
        database.delete_item(TABLE, key("ben")).expect("a deletion");
        assert_eq!(events(&reader.next_records().expect("records")), [("REMOVE", "ben")]);
        assert!(reader.next_records().expect("records").is_empty());
        let again = StreamReader::new(&database, TABLE).expect("a reader").next_records();
        assert_eq!(again.expect("records")[..3], first);
    }

    #[tokio::test]
    async fn a_record_has_the_form_of_lambdas_events() {
        let database = with_tables(Storage::Memory).await;
        put(&database, "ann", "");
        let mut reader = StreamReader::new(&database, TABLE).expect("a reader");
        let mut record = reader.next_records().expect("records").remove(0);
        let created = record["dynamodb"]["ApproximateCreationDateTime"].take().as_i64().expect("seconds");
        assert!((clock::now().unix_timestamp() - created).abs() < 60, "{created}");
        let number = record["dynamodb"]["SequenceNumber"].take();
        assert!(number.as_str().is_some_and(|number| number.len() >= 21), "{number}");
        assert!(record["dynamodb"]["SizeBytes"].take().as_u64().is_some_and(|size| size > 0));
        assert!(record["eventID"].take().as_str().is_some_and(|id| !id.is_empty()));
        let arn = record["eventSourceARN"].take();
        let start = format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{TABLE}/stream/");
        assert!(arn.as_str().is_some_and(|arn| arn.starts_with(&start)), "{arn}");
        let expected = json!({
            "eventID": null, "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1", "eventSourceARN": null,
            "dynamodb": {
                "ApproximateCreationDateTime": null, "Keys": key("ann"), "SequenceNumber": null,
                "SizeBytes": null, "StreamViewType": "KEYS_ONLY",
            },
        });
        assert_eq!(record, expected);
    }

    #[tokio::test]
    async fn more_records_than_one_response_holds_are_read_to_the_end() {
        let database = with_tables(Storage::Memory).await;
        (0..1100).for_each(|number| put(&database, &number.to_string(), ""));
        let mut reader = StreamReader::new(&database, TABLE).expect("a reader");
        let lengths = [(); 3].map(|()| reader.next_records().expect("records").len());
        assert_eq!(lengths, [1000, 100, 0]);
    }

    #[tokio::test]
    async fn records_of_an_earlier_run_are_still_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::Directory(folder.path().to_owned());
        let first = with_tables(storage.clone()).await;
        put(&first, "ann", "");
        first.stop().await;
        let second = with_tables(storage).await;
        put(&second, "ben", "");
        let mut reader = StreamReader::new(&second, TABLE).expect("a reader");
        let records = reader.next_records().expect("records");
        assert_eq!(events(&records), [("INSERT", "ann"), ("INSERT", "ben")]);
    }

    #[tokio::test]
    async fn a_table_without_a_stream_is_named() {
        let database = with_tables(Storage::Memory).await;
        let error = StreamReader::new(&database, "MoviesTable").err().expect("no stream");
        assert_eq!(error.to_string(), "the table MoviesTable has no stream");
    }
}
