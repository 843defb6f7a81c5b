"""Tests `purge-account` from outside: what triggers it, and what happens to a record that it cannot process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api import Api, TestUser
from report import SECONDS, Failure, check, note, within
from stack import Stack
from tables import Tables

# AWS accepts no maximum record age below 60 seconds; the emulator does.
SHORT_RECORD_AGE_SECONDS = 1


class Purge:
    """The function `purge-account` with its mapping, its schedule and its queue."""

    def __init__(self, stack: Stack, api: Api, tables: Tables) -> None:
        self.stack, self.api, self.tables = stack, api, tables
        self.lambda_ = stack.lambda_
        self.function = stack.functions()["purge-account"]
        (self.mapping_id,) = stack.physical("AWS::Lambda::EventSourceMapping").values()
        (self.queue,) = stack.physical("AWS::SQS::Queue").values()
        self.sqs = stack.cloud.client("sqs")
        # The ARN of the alias, which the mapping invokes.
        self.live: str = self.mapping()["FunctionArn"]

    def mapping(self) -> dict[str, Any]:
        """Returns the current configuration of the event source mapping."""
        return self.lambda_.get_event_source_mapping(UUID=self.mapping_id)

    def schedule(self) -> str:
        """Returns the ARN that the hourly rule invokes."""
        events = self.stack.cloud.client("events")
        (rule,) = self.stack.physical("AWS::Events::Rule").values()
        (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
        return target["Arn"]

    def deleting_user(self, movies: int = 1) -> TestUser:
        """Creates a user with movies, and requests the deletion of the account."""
        user = self.api.new_user()
        for _ in range(movies):
            self.api.new_movie(user)
        self.api.send_ok("DELETE", "/api/auth/account", user)
        return user

    def is_deleted(self, user: TestUser) -> bool:
        """Returns whether no item of a user is left."""
        return not self.tables.traces(user.id, user.email)

    @contextmanager
    def mapping_set(self, enabled: bool) -> Iterator[None]:
        """Enables or disables the mapping within the context."""
        before = self.mapping()["State"] == "Enabled"
        self._set(Enabled=enabled)
        try:
            yield
        finally:
            self._set(Enabled=before)

    @contextmanager
    def short_timeout(self) -> Iterator[None]:
        """Leaves `$LATEST` only one second besides the time that it reserves for triggering the next run."""
        before = self.lambda_.get_function_configuration(FunctionName=self.function.name)["Timeout"]
        self.lambda_.update_function_configuration(FunctionName=self.function.name, Timeout=6)
        try:
            yield
        finally:
            self.lambda_.update_function_configuration(FunctionName=self.function.name, Timeout=before)

    @contextmanager
    def _blocked(self) -> Iterator[None]:
        """Prevents the mapping from invoking the function, and lets records expire quickly.

        The emulator applies reserved concurrency only to invocations of `$LATEST`, so the mapping invokes that.
        """
        function, age = self.function.name, self.mapping()["MaximumRecordAgeInSeconds"]
        self.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        self._set(FunctionName=function, MaximumRecordAgeInSeconds=SHORT_RECORD_AGE_SECONDS)
        try:
            yield
        finally:
            self._set(FunctionName=self.live, MaximumRecordAgeInSeconds=age)
            self.lambda_.delete_function_concurrency(FunctionName=function)

    def _set(self, **settings: object) -> None:
        self.lambda_.update_event_source_mapping(UUID=self.mapping_id, **settings)

    def discards_expired_record(self) -> bool:
        """Returns whether a record that expires because the function cannot run reaches the dead-letter queue.

        Afterwards the configuration is as before, and the schedule has carried out the pending account deletion.
        """
        # The stream is read in order, so no older record is pending once the deletion of a new user is complete.
        earlier = self.deleting_user()
        if not within(SECONDS, lambda: self.is_deleted(earlier)):
            raise Failure("the stream did not trigger purge-account")
        with self._blocked():
            user = self.deleting_user()
            letter = within(SECONDS, self.dead_letter)
        if not letter:
            return False
        stream = self.mapping()["EventSourceArn"]
        batch = letter["DDBStreamBatchInfo"]
        if (batch["streamArn"], batch["batchSize"]) != (stream, 1) or self.is_deleted(user):
            raise Failure(f"expected one dead letter of {stream}, and the account deletion still pending: {letter}")
        if self.stack.invoke(self.schedule(), {})["error"] or not self.is_deleted(user):
            raise Failure("the schedule did not carry out the account deletion of the discarded record")
        return True

    def dead_letter(self) -> dict[str, Any] | None:
        """Removes a message from the dead-letter queue and returns it."""
        for message in self.sqs.receive_message(QueueUrl=self.queue).get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None


def record(user_id: str, number: str = "1") -> dict[str, Any]:
    """Returns a stream record with the members that purge-account reads."""
    keys = {"user_id": {"S": user_id}}
    return {"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": number}}


def failures(result: dict[str, Any]) -> list[str]:
    """Returns the sequence numbers of the records that an invocation of purge-account reports as failed."""
    if result["error"]:
        raise Failure(f"purge-account failed as a whole instead of reporting records: {result['payload']}")
    return [failure["itemIdentifier"] for failure in result["payload"]["batchItemFailures"]]


def bad_record(purge: Purge) -> None:
    """Checks that an account deletion with an invalid user id does not affect the others."""
    purge.tables.put_account_deletion("not-an-id")
    bob = purge.deleting_user()
    deleted = within(SECONDS, lambda: purge.is_deleted(bob))
    check(deleted, "an account deletion with an invalid user id does not delay others in the stream")
    logged = within(SECONDS, lambda: purge.stack.logged("a record failed"))
    check(logged, "the function logs the failure")
    with purge.mapping_set(False):
        ann = purge.deleting_user()
        result = purge.stack.invoke(purge.live, {"Records": [record("not-an-id", "7"), record(ann.id, "8")]})
        check(failures(result) == ["7"], "it reports this record and no other", result)
        check(purge.is_deleted(ann), "it carries out the other deletion of the batch")
        cem = purge.deleting_user()
        result = purge.stack.invoke(purge.schedule(), {})
        deleted = not result["error"] and purge.is_deleted(cem)
        check(deleted, "the hourly run carries out the other pending deletions", result)
    purge.tables.delete_account_deletion("not-an-id")
    mapping = purge.mapping()
    retries = (mapping["FunctionResponseTypes"], mapping["MaximumRetryAttempts"], mapping["BisectBatchOnFunctionError"])
    five_times = retries == (["ReportBatchItemFailures"], 5, True)
    check(five_times, "the mapping is configured to retry a reported record five times", retries)
    check(not purge.dead_letter(), "the dead-letter queue is still empty")
    note("the emulator ignores which records are reported, so it neither retries nor discards them")
    discarded = purge.discards_expired_record()
    check(discarded, "an expired record reaches the queue, and the hourly run carries out its account deletion")
