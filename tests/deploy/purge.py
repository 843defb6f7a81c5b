"""The purge from outside: what wakes it, and what becomes of a record that it cannot work off."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api import Api, Person
from report import SECONDS, Failure, check, note, within
from stack import Stack
from tables import Tables

# Seconds. AWS takes no limit of a record's age below 60; the emulator does.
SHORT = 1


class Purge:
    """The function `purge-account` with its mapping, its schedule and its queue."""

    def __init__(self, stack: Stack, api: Api, tables: Tables) -> None:
        self.stack, self.api, self.tables = stack, api, tables
        self.lambda_ = stack.lambda_
        self.function = stack.functions()["purge-account"]
        (self.mapping_id,) = stack.physical("AWS::Lambda::EventSourceMapping").values()
        (self.queue,) = stack.physical("AWS::SQS::Queue").values()
        self.sqs = stack.cloud.client("sqs")
        # What the mapping invokes.
        self.live: str = self.mapping()["FunctionArn"]

    def mapping(self) -> dict[str, Any]:
        """The event source mapping as it is now."""
        return self.lambda_.get_event_source_mapping(UUID=self.mapping_id)

    def schedule(self) -> str:
        """What the hourly rule invokes."""
        events = self.stack.cloud.client("events")
        (rule,) = self.stack.physical("AWS::Events::Rule").values()
        (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
        return target["Arn"]

    def leave(self, movies: int = 1) -> Person:
        """Somebody with movies who has just left."""
        person = self.api.person()
        for _ in range(movies):
            self.api.movie(person)
        self.api.ask("DELETE", "/api/auth/account", person)
        return person

    def is_gone(self, person: Person) -> bool:
        """Whether nothing is left of a person."""
        return not self.tables.traces(person.id, person.email)

    @contextmanager
    def mapping_set(self, enabled: bool) -> Iterator[None]:
        """Lets the stream wake the purge meanwhile, or not."""
        before = self.mapping()["State"] == "Enabled"
        self._set(Enabled=enabled)
        try:
            yield
        finally:
            self._set(Enabled=before)

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Gives the newest code, which no alias leads to, a second more than it keeps to wake the next run."""
        before = self.lambda_.get_function_configuration(FunctionName=self.function.name)["Timeout"]
        self.lambda_.update_function_configuration(FunctionName=self.function.name, Timeout=6)
        try:
            yield
        finally:
            self.lambda_.update_function_configuration(FunctionName=self.function.name, Timeout=before)

    @contextmanager
    def _blocked(self) -> Iterator[None]:
        """Lets the mapping invoke nothing, and records grow too old in no time.

        The emulator keeps to a limit of concurrency only where the newest code is invoked, so that is what it invokes.
        """
        function, age = self.function.name, self.mapping()["MaximumRecordAgeInSeconds"]
        self.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        self._set(FunctionName=function, MaximumRecordAgeInSeconds=SHORT)
        try:
            yield
        finally:
            self._set(FunctionName=self.live, MaximumRecordAgeInSeconds=age)
            self.lambda_.delete_function_concurrency(FunctionName=function)

    def _set(self, **settings: object) -> None:
        self.lambda_.update_event_source_mapping(UUID=self.mapping_id, **settings)

    def gives_up(self) -> bool:
        """Whether the queue gets a record that grows too old because the function may not run.

        Afterwards everything is as before, and the schedule has worked off the account deletion, which was still there.
        """
        # The stream is read in order, so that nothing older is under way any more once somebody new is gone.
        earlier = self.leave()
        if not within(SECONDS, lambda: self.is_gone(earlier)):
            raise Failure("the purge was to be woken by the stream")
        with self._blocked():
            person = self.leave()
            letter = within(SECONDS, self.letter)
        if not letter:
            return False
        stream = self.mapping()["EventSourceArn"]
        batch = letter["DDBStreamBatchInfo"]
        if (batch["streamArn"], batch["batchSize"]) != (stream, 1) or self.is_gone(person):
            raise Failure(f"the queue was to get one record of {stream}, whose account deletion stays: {letter}")
        if self.stack.invoke(self.schedule(), {})["error"] or not self.is_gone(person):
            raise Failure("the schedule was to work off the account deletion whose record was given up")
        return True

    def letter(self) -> dict[str, Any] | None:
        """Takes a message out of the queue of dead letters."""
        for message in self.sqs.receive_message(QueueUrl=self.queue).get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None


def record(user_id: str, number: str = "1") -> dict[str, Any]:
    """A record of the stream, as far as the purge reads it."""
    keys = {"user_id": {"S": user_id}}
    return {"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": number}}


def failures(answer: dict[str, Any]) -> list[str]:
    """The sequence numbers of the records that an answer of the purge reports."""
    if answer["error"]:
        raise Failure(f"the purge was to report records, not to fail as a whole: {answer['payload']}")
    return [failure["itemIdentifier"] for failure in answer["payload"]["batchItemFailures"]]


def poison(purge: Purge) -> None:
    """An account deletion that names nobody harms no other."""
    purge.tables.put_account_deletion("nobody")
    bob = purge.leave()
    gone = within(SECONDS, lambda: purge.is_gone(bob))
    check(gone, "an account deletion whose key names nobody holds up no other in the stream")
    logged = within(SECONDS, lambda: purge.stack.logged("a record failed"))
    check(logged, "the function logs that it failed")
    with purge.mapping_set(False):
        ann = purge.leave()
        answer = purge.stack.invoke(purge.live, {"Records": [record("nobody", "7"), record(ann.id, "8")]})
        check(failures(answer) == ["7"], "it reports that record, and only that one", answer)
        check(purge.is_gone(ann), "and has worked off the other one of the batch")
        cem = purge.leave()
        answer = purge.stack.invoke(purge.schedule(), {})
        worked_off = not answer["error"] and purge.is_gone(cem)
        check(worked_off, "the hourly run works off who is left, in spite of it", answer)
    purge.tables.delete_account_deletion("nobody")
    mapping = purge.mapping()
    retries = (mapping["FunctionResponseTypes"], mapping["MaximumRetryAttempts"], mapping["BisectBatchOnFunctionError"])
    five_times = retries == (["ReportBatchItemFailures"], 5, True)
    check(five_times, "the mapping is to try a reported record five times", retries)
    check(not purge.letter(), "so far the queue of dead letters is empty")
    note("the emulator does not read which records are reported, so it neither tries them again nor gives them up")
    given_up = purge.gives_up()
    check(given_up, "a record that grows too old reaches that queue, and the hourly run carries that account deletion out")
