"""Access to the stack's tables that bypasses the API."""

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from stack import Stack

Item = dict[str, Any]


def kept(stack: Stack) -> dict[str, str]:
    """Returns the tables that outlive the stack, by logical id: not the counters, the mails and the reset tokens."""
    resources, tables = stack.template()["Resources"], stack.physical("AWS::DynamoDB::Table")
    return {table: name for table, name in tables.items() if resources[table]["DeletionPolicy"] == "Retain"}


class Tables:
    """Tables by logical id: by default those of the stack that outlive it, otherwise those with the given names."""

    def __init__(self, stack: Stack, names: dict[str, str] | None = None) -> None:
        self.names = names or kept(stack)
        self.client, self.streams = stack.cloud.client("dynamodb"), stack.cloud.client("dynamodbstreams")

    def items(self, table: str) -> list[Item]:
        """Returns every item of a table."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.names[table], ConsistentRead=True)
        read = TypeDeserializer().deserialize
        return [{name: read(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    def all(self) -> dict[str, list[Item]]:
        """Returns every item of all tables, sorted so that results can be compared."""
        return {table: sorted(self.items(table), key=repr) for table in self.names}

    def settings(self) -> dict[str, list[Any]]:
        """Returns the settings that a restored table may lack: deletion protection, stream, indexes, TTL."""
        found = {}
        for table, name in self.names.items():
            described = self.client.describe_table(TableName=name)["Table"]
            stream = described.get("StreamSpecification", {}).get("StreamViewType")
            indexes = sorted(index["IndexName"] for index in described.get("GlobalSecondaryIndexes", []))
            expiry = self.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"].get("AttributeName")
            found[table] = [described["DeletionProtectionEnabled"], stream, indexes, expiry]
        return found

    def recoverable(self) -> bool:
        """Returns whether point-in-time recovery is enabled for every table."""
        request, member = self.client.describe_continuous_backups, "ContinuousBackupsDescription"
        found = [request(TableName=name)[member]["PointInTimeRecoveryDescription"] for name in self.names.values()]
        return all(each["PointInTimeRecoveryStatus"] == "ENABLED" for each in found)

    def traces(self, *words: str) -> list[Item]:
        """Returns the items of all tables that contain one of these words."""
        return [item for items in self.all().values() for item in items if any(word in repr(item) for word in words)]

    def streamed(self, table: str) -> list[dict[str, Any]]:
        """Returns every record of the stream of a table."""
        (stream,) = self.streams.list_streams(TableName=self.names[table])["Streams"]
        arn, found = stream["StreamArn"], []
        for shard in self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.streams.get_shard_iterator(**start).get("ShardIterator")
            while iterator and (page := self.streams.get_records(ShardIterator=iterator))["Records"]:
                found += page["Records"]
                iterator = page.get("NextShardIterator")
        return found

    def put_reset_mail(self, email: str, age: timedelta) -> str:
        """Adds a mail as forgot-password would have done it some time ago, and returns its id."""
        mail, created = str(uuid.uuid4()), datetime.now(timezone.utc) - age
        texts = {"id": mail, "kind": "reset", "email": email, "created_at": f"{created:%Y-%m-%dT%H:%M:%S}.000Z"}
        self.client.put_item(
            TableName=self.names["OutboxTable"], Item={name: {"S": text} for name, text in texts.items()}
        )
        return mail

    def put_reset(self, user_id: str) -> str:
        """Stores a reset token of a new user as send-mail would do it, and returns the token."""
        token = secrets.token_bytes(32)
        item = {
            "token_hash": {"S": base64url(hashlib.sha256(token).digest())},
            "user_id": {"S": user_id},
            "session_epoch": {"N": "0"},
            "expires_at": {"N": str(int(time.time()) + 1800)},
        }
        self.client.put_item(TableName=self.names["PasswordResetsTable"], Item=item)
        return base64url(token)

    def set_hash(self, user_id: str, password_hash: str) -> None:
        """Replaces a user's password hash."""
        self.client.update_item(
            TableName=self.names["UsersTable"],
            Key={"pk": {"S": f"user#{user_id}"}},
            UpdateExpression="SET password_hash = :hash",
            ExpressionAttributeValues={":hash": {"S": password_hash}},
        )

    def put_account_deletion(self, user_id: str) -> None:
        """Creates an account deletion as delete-account would write it."""
        item = {"user_id": {"S": user_id}, "requested_at": {"S": "2026-01-01T00:00:00.000Z"}, "run_count": {"N": "0"}}
        self.client.put_item(TableName=self.names["AccountDeletionsTable"], Item=item)

    @contextmanager
    def counted_too_high(self, user_id: str) -> Iterator[None]:
        """Makes the user's movie count too high by one within the context."""
        self._count(user_id, 1)
        try:
            yield
        finally:
            self._count(user_id, -1)

    def _count(self, user_id: str, change: int) -> None:
        self.client.update_item(
            TableName=self.names["UsersTable"],
            Key={"pk": {"S": f"user#{user_id}"}},
            UpdateExpression="ADD movie_count :change",
            ExpressionAttributeValues={":change": {"N": str(change)}},
        )

    def delete_account_deletion(self, user_id: str) -> None:
        """Deletes an account deletion."""
        self.client.delete_item(TableName=self.names["AccountDeletionsTable"], Key={"user_id": {"S": user_id}})


def base64url(content: bytes) -> str:
    """Encodes bytes as base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
