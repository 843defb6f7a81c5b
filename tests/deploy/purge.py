"""Tests `purge-account` from outside: what triggers it, and what happens to a record that it cannot process."""

from collections.abc import Callable

from api import Api, TestUser
from consumer import Consumer, record
from report import SECONDS, check, note, within
from stack import Stack
from tables import Tables


class Purge(Consumer):
    """The function `purge-account`."""

    def __init__(self, stack: Stack, api: Api, tables: Tables) -> None:
        super().__init__(stack, api, "purge-account", "PurgeDeadLetters")
        self.tables = tables

    def begin(self) -> Callable[[], bool]:
        """Requests an account deletion. Returns whether it is complete."""
        user = self.deleting_user()
        return lambda: self.is_deleted(user)

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
        failed = purge.failures(record("7", user_id="not-an-id"), record("8", user_id=ann.id))
        check(failed == ["7"], "it reports this record and no other", failed)
        check(purge.is_deleted(ann), "it carries out the other deletion of the batch")
        cem = purge.deleting_user()
        deleted = purge.run_hourly() and purge.is_deleted(cem)
        check(deleted, "the hourly run carries out the other pending deletions")
    purge.tables.delete_account_deletion("not-an-id")
    retries = purge.retries()
    five_times = retries == (["ReportBatchItemFailures"], 5, True)
    check(five_times, "the mapping is configured to retry a reported record five times", retries)
    check(not purge.dead_letter(), "the dead-letter queue is still empty")
    note("the emulator ignores which records are reported, so it neither retries nor discards them")
    discarded = purge.discards_expired_record()
    check(discarded, "an expired record reaches the queue, and the hourly run carries out its account deletion")
