//! Reads the stream of a table of the embedded database, as Lambda does for a function that the stream wakes.

use anyhow::{Context as _, Result};
use dynoxide::Database;
use serde_json::{Value, json};

use crate::{
    clock,
    database::{EmbeddedDatabase, request},
    template::{ACCOUNT, REGION},
};

/// How long `DynamoDB` keeps a record. The embedded database keeps them for ever.
const RETENTION: time::Duration = time::Duration::hours(24);

/// A place in a table's stream.
pub struct StreamReader {
    database: Database,
    arn: String,
    iterator: String,
}

impl StreamReader {
    /// A reader that begins with the oldest record there is (`TRIM_HORIZON`).
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

    /// What has been written since the last call, in its order, as the records of the event that Lambda hands to a
    /// function; at most 1000 at once.
    pub fn next_records(&mut self) -> Result<Vec<Value>> {
        let answer = self.database.get_records(request(json!({"ShardIterator": self.iterator}))?)?;
        self.iterator = answer.next_shard_iterator.context("the stream has ended")?;
        let oldest = (clock::now() - RETENTION).unix_timestamp();
        let mut records = Vec::new();
        for record in answer.records {
            let mut record = serde_json::to_value(record)?;
            // A whole number in Lambda's events.
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
    use crate::{database::Storage, template::Template};

    async fn database(storage: Storage) -> EmbeddedDatabase {
        let template = Template::parse(
            "
Resources:
  AccountDeletionsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: user_id, AttributeType: S}]
      KeySchema: [{AttributeName: user_id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  MoviesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
",
        )
        .expect("a valid template");
        let database = EmbeddedDatabase::start(storage, 0).await.expect("a database");
        database.create_tables(template.tables()).expect("tables");
        database
    }

    fn item(user: &str, pass: u32) -> Value {
        json!({"user_id": {"S": user}, "pass": {"N": pass.to_string()}})
    }

    fn put(database: &EmbeddedDatabase, user: &str, pass: u32) {
        database.put_item("AccountDeletionsTable", item(user, pass)).expect("an item");
    }

    /// What happened to whom.
    fn told(records: &[Value]) -> Vec<(&str, &str)> {
        records
            .iter()
            .map(|record| {
                let name = record["eventName"].as_str().expect("a name");
                (name, record["dynamodb"]["Keys"]["user_id"]["S"].as_str().expect("a key"))
            })
            .collect()
    }

    #[tokio::test]
    async fn every_write_is_told_once_and_in_order() {
        let database = database(Storage::Memory).await;
        let mut reader = StreamReader::new(&database, "AccountDeletionsTable").expect("a reader");
        assert!(reader.next_records().expect("records").is_empty());
        put(&database, "ann", 0);
        put(&database, "ben", 0);
        put(&database, "ann", 1);
        let first = reader.next_records().expect("records");
        assert_eq!(told(&first), [("INSERT", "ann"), ("INSERT", "ben"), ("MODIFY", "ann")]);
        database.delete_item("AccountDeletionsTable", json!({"user_id": {"S": "ben"}})).expect("a deletion");
        assert_eq!(told(&reader.next_records().expect("records")), [("REMOVE", "ben")]);
        assert!(reader.next_records().expect("records").is_empty());
        let again = StreamReader::new(&database, "AccountDeletionsTable").expect("a reader").next_records();
        assert_eq!(again.expect("records")[..3], first);
    }

    #[tokio::test]
    async fn a_record_has_the_form_that_lambda_gives_it() {
        let database = database(Storage::Memory).await;
        put(&database, "ann", 0);
        let mut reader = StreamReader::new(&database, "AccountDeletionsTable").expect("a reader");
        let mut record = reader.next_records().expect("records").remove(0);
        let created = record["dynamodb"]["ApproximateCreationDateTime"].take().as_i64().expect("seconds");
        assert!((clock::now().unix_timestamp() - created).abs() < 60, "{created}");
        let number = record["dynamodb"]["SequenceNumber"].take();
        assert!(number.as_str().is_some_and(|number| number.len() >= 21), "{number}");
        assert!(record["dynamodb"]["SizeBytes"].take().as_u64().is_some_and(|size| size > 0));
        assert!(record["eventID"].take().as_str().is_some_and(|id| !id.is_empty()));
        let arn = record["eventSourceARN"].take();
        let start = "arn:aws:dynamodb:eu-west-1:123456789012:table/AccountDeletionsTable/stream/";
        assert!(arn.as_str().is_some_and(|arn| arn.starts_with(start)), "{arn}");
        let expected = json!({
            "eventID": null, "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1", "eventSourceARN": null,
            "dynamodb": {
                "ApproximateCreationDateTime": null, "Keys": {"user_id": {"S": "ann"}}, "SequenceNumber": null,
                "SizeBytes": null, "StreamViewType": "KEYS_ONLY",
            },
        });
        assert_eq!(record, expected);
    }

    #[tokio::test]
    async fn more_than_one_answer_holds_is_read_to_the_end() {
        let database = database(Storage::Memory).await;
        (0..1100).for_each(|number| put(&database, &number.to_string(), 0));
        let mut reader = StreamReader::new(&database, "AccountDeletionsTable").expect("a reader");
        let lengths = [(); 3].map(|()| reader.next_records().expect("records").len());
        assert_eq!(lengths, [1000, 100, 0]);
    }

    #[tokio::test]
    async fn what_an_earlier_run_wrote_is_still_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::Directory(folder.path().to_owned());
        let first = database(storage.clone()).await;
        put(&first, "ann", 0);
        first.stop().await;
        let second = database(storage).await;
        put(&second, "ben", 0);
        let mut reader = StreamReader::new(&second, "AccountDeletionsTable").expect("a reader");
        let records = reader.next_records().expect("records");
        assert_eq!(told(&records), [("INSERT", "ann"), ("INSERT", "ben")]);
    }

    #[tokio::test]
    async fn a_table_without_a_stream_is_named() {
        let database = database(Storage::Memory).await;
        let error = StreamReader::new(&database, "MoviesTable").err().expect("no stream");
        assert_eq!(error.to_string(), "the table MoviesTable has no stream");
    }
}
