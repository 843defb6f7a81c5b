"""A function that the stream of a table and an hourly schedule trigger, tested from outside."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from api import Api
from report import SECONDS, Failure, within
from stack import Stack

# AWS accepts no maximum record age below 60 seconds; the emulator does.
SHORT_RECORD_AGE_SECONDS = 1


class Consumer(ABC):
    """A function with its mapping, its schedule and its dead-letter queue."""

    def __init__(self, stack: Stack, api: Api, operation: str, queue: str) -> None:
        self.stack, self.api = stack, api
        self.lambda_, self.sqs = stack.lambda_, stack.cloud.client("sqs")
        self.function = stack.functions()[operation]
        name = operation.title().replace("-", "")
        self.mapping_id = stack.physical("AWS::Lambda::EventSourceMapping")[f"{name}Mapping"]
        self.rule = stack.physical("AWS::Events::Rule")[f"{name}FunctionHourly"]
        self.queue = stack.physical("AWS::SQS::Queue")[queue]
        # The ARN of the alias, which the mapping invokes.
        self.live: str = self.mapping()["FunctionArn"]

    @abstractmethod
    def begin(self) -> Callable[[], bool]:
        """Adds work to the table, and with it a record to the stream. Returns whether the work is done."""

    def mapping(self) -> dict[str, Any]:
        """Returns the current configuration of the event source mapping."""
        return self.lambda_.get_event_source_mapping(UUID=self.mapping_id)

    def schedule(self) -> str:
        """Returns the ARN that the hourly rule invokes."""
        (target,) = self.stack.cloud.client("events").list_targets_by_rule(Rule=self.rule)["Targets"]
        return target["Arn"]

    def run_hourly(self) -> bool:
        """Invokes the function as its schedule does. Returns whether it succeeded."""
        return not self.stack.invoke(self.schedule(), {})["error"]

    def failures(self, *records: dict[str, Any], function: str = "") -> list[str]:
        """Invokes the function with records. Returns the sequence numbers of those that it reports as failed."""
        result = self.stack.invoke(function or self.live, {"Records": records})
        if result["error"]:
            raise Failure(f"{self.function.operation} failed instead of reporting records: {result['payload']}")
        return [failure["itemIdentifier"] for failure in result["payload"]["batchItemFailures"]]

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
    def configured(self, **settings: Any) -> Iterator[None]:
        """Changes the configuration of `$LATEST` within the context."""
        name = self.function.name
        before = self.lambda_.get_function_configuration(FunctionName=name)
        self.lambda_.update_function_configuration(FunctionName=name, **settings)
        try:
            yield
        finally:
            self.lambda_.update_function_configuration(FunctionName=name, **{each: before[each] for each in settings})

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

    def retries(self) -> tuple[Any, ...]:
        """Returns how the mapping retries a batch."""
        mapping = self.mapping()
        return mapping["FunctionResponseTypes"], mapping["MaximumRetryAttempts"], mapping["BisectBatchOnFunctionError"]

    def discards_expired_record(self) -> bool:
        """Returns whether a record that expires because the function cannot run reaches the dead-letter queue.

        Afterwards the configuration is as before, and the schedule has done the pending work.
        """
        # The stream is read in order, so no older record is pending once new work is done.
        if not within(SECONDS, self.begin()):
            raise Failure(f"the stream did not trigger {self.function.operation}")
        with self._blocked():
            done = self.begin()
            letter = within(SECONDS, self.dead_letter)
        if not letter:
            return False
        stream = self.mapping()["EventSourceArn"]
        batch = letter["DDBStreamBatchInfo"]
        if (batch["streamArn"], batch["batchSize"]) != (stream, 1) or done():
            raise Failure(f"expected one dead letter of {stream}, and the work still pending: {letter}")
        if not self.run_hourly() or not done():
            raise Failure(f"the schedule of {self.function.operation} did not do the work of the discarded record")
        return True

    def dead_letter(self) -> dict[str, Any] | None:
        """Removes a message from the dead-letter queue and returns it."""
        for message in self.sqs.receive_message(QueueUrl=self.queue).get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None


def record(number: str = "1", **key: str) -> dict[str, Any]:
    """Returns a stream record of a new item with this key, with the members that the functions read."""
    keys = {name: {"S": value} for name, value in key.items()}
    return {"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": number}}
