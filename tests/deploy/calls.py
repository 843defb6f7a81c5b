"""For each statement of each role, a call that needs it.

A call is prepared while every permission is granted. The prepared call can then be made repeatedly until it succeeds.
It returns whether it succeeded; a failure with another cause than a missing permission ends the run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from api import Api, Response, TestUser, film
from consumer import Consumer, record
from mail import Mail
from purge import Purge
from report import SECONDS, Failure, within
from stack import Stack
from tables import Tables


@dataclass(frozen=True)
class Deployed:
    """The stack with everything that the calls use."""

    stack: Stack
    api: Api
    tables: Tables
    purge: Purge
    mail: Mail


PreparedCall = Callable[[], bool]
Call = Callable[[Deployed], PreparedCall]

# How a call finds the function that a stream triggers.
Triggered = Callable[[Deployed], Consumer]
PURGE: Triggered = attrgetter("purge")
MAIL: Triggered = attrgetter("mail")

# Statements that the emulator does not enforce, with the reason. Without one of these, its call must succeed.
NOT_ENFORCED = {
    "ListStreams": "the emulator's mapping reads the stream without checking the role's policies",
    "ReadStreamOfAccountDeletions": "the emulator's mapping reads the stream without checking the role's policies",
    "ReadStreamOfOutbox": "the emulator's mapping reads the stream without checking the role's policies",
    "SendDeadLetter": "the emulator's mapping writes to the queue without checking the role's policies",
    "WriteLogs": "the emulator itself writes the functions' logs",
}
# A hash of the password of every test user.
HASH_OF_COST_4 = "$2b$04$RfDrkipKFz6cGxsNY8n5ceNtZgVjPHkJaIdQEXGeKt6Oh4taeBqfO"


def succeeded(response: Response) -> bool:
    """Returns whether a response is a success rather than the error that a missing permission causes."""
    if response.status in (200, 202):
        return True
    if response.status == 500 and response.headers["content-type"] == "application/problem+json":
        return False
    raise Failure(f"expected a success or a 500 of the function: {response}")


def sign_up(deployed: Deployed) -> PreparedCall:
    """Signs up a new user."""
    user = TestUser.new()
    return lambda: succeeded(deployed.api.sign_up(user))


def read_description(deployed: Deployed) -> PreparedCall:
    """Reads the description of the API."""
    return lambda: succeeded(deployed.api.send("GET", "/api/openapi.json"))


def log_in(deployed: Deployed) -> PreparedCall:
    """Logs in after a failed password attempt, so that there is a counter to delete."""
    user = deployed.api.new_user()
    if deployed.api.log_in(user, "not the password").status != 401:
        raise Failure("a wrong password was not refused")
    return lambda: succeeded(deployed.api.log_in(user))


def fail_to_log_in(deployed: Deployed) -> PreparedCall:
    """Tries to log in with a wrong password, each time as another user, because too many failures cause a wait."""

    def refused() -> bool:
        response = deployed.api.log_in(deployed.api.new_user(), "not the password")
        return response.status == 401 or succeeded(response)

    return refused


def renew_hash(deployed: Deployed) -> PreparedCall:
    """Logs in as a user whose hash does not have the configured cost, so that the login replaces it."""
    user = deployed.api.new_user()
    deployed.tables.set_hash(user.id, HASH_OF_COST_4)
    return lambda: succeeded(deployed.api.log_in(user))


def change_password(deployed: Deployed) -> PreparedCall:
    """Changes a password."""
    user = deployed.api.new_user()
    body = {"current_password": user.password, "new_password": "another bag of films"}
    return lambda: succeeded(deployed.api.send("PUT", "/api/auth/password", user, body))


def authenticated(method: str, path: str, body: object = None) -> Call:
    """Returns a call that sends a request with the token of a user."""

    def call(deployed: Deployed) -> PreparedCall:
        user = deployed.api.new_user()
        return lambda: succeeded(deployed.api.send(method, path, user, body))

    return call


def ended_session(method: str, path: str, body: object = None) -> Call:
    """Returns a call whose write is refused because the session has ended; a read then shows this."""

    def call(deployed: Deployed) -> PreparedCall:
        user = deployed.api.new_user()
        movie = deployed.api.new_movie(user)
        if deployed.api.send("POST", "/api/auth/logout", user, {}).status != 200:
            raise Failure("a user could not log out")

        def refused() -> bool:
            response = deployed.api.send(method, path.replace("{id}", movie), user, body)
            return response.status == 401 or succeeded(response)

        return refused

    return call


def create_movie(deployed: Deployed) -> PreparedCall:
    """Creates a movie."""
    user, movie = deployed.api.new_user(), film()
    return lambda: succeeded(deployed.api.send("POST", "/api/movies", user, movie))


def list_own(deployed: Deployed) -> PreparedCall:
    """Lists the movies of a user."""
    user = deployed.api.new_user()
    return lambda: succeeded(deployed.api.send("GET", f"/api/movies?added_by={user.id}"))


def by_owner(method: str, rename: bool = False) -> Call:
    """Returns a call that sends a request for a movie with the token of its owner."""

    def call(deployed: Deployed) -> PreparedCall:
        user = deployed.api.new_user()
        path, body = f"/api/movies/{deployed.api.new_movie(user)}", film() if rename else None
        return lambda: succeeded(deployed.api.send(method, path, user, body))

    return call


def forgot_password(deployed: Deployed) -> PreparedCall:
    """Requests a password reset."""
    body = {"email": deployed.api.new_user().email}
    return lambda: succeeded(deployed.api.send("POST", "/api/auth/forgot", None, body))


def reset_password(deployed: Deployed) -> PreparedCall:
    """Resets the password of a user with a failed login, so that there is a counter to delete."""
    user = deployed.api.new_user()
    if deployed.api.log_in(user, "not the password").status != 401:
        raise Failure("a wrong password was not refused")
    body = {"reset_token": deployed.mail.tables.put_reset(user.id), "password": "another bag of films"}
    return lambda: succeeded(deployed.api.send("POST", "/api/auth/reset", None, body))


def deletion_by_record(deployed: Deployed) -> PreparedCall:
    """Carries out the account deletion of a stream record."""
    user = deployed.purge.deleting_user()

    def call() -> bool:
        if deployed.purge.failures(record(user_id=user.id)):
            return False
        if not deployed.purge.is_deleted(user):
            raise Failure("purge-account reported no failure, but items of the user are left")
        return True

    return call


def out_of_time(deployed: Deployed) -> PreparedCall:
    """Triggers the next run, because this one has no time to look for a movie that is counted but does not exist."""
    purge = deployed.purge
    user = purge.deleting_user()

    def call() -> bool:
        # One second besides the time that the function reserves for triggering the next run.
        with purge.configured(Timeout=6), deployed.tables.counted_too_high(user.id):
            failed = purge.failures(record(user_id=user.id), function=purge.function.name)
        deletions = deployed.tables.items("AccountDeletionsTable")
        retriggered = [item["run_count"] for item in deletions if item["user_id"] == user.id] == [1]
        if bool(failed) == retriggered:
            raise Failure(f"purge-account reported {failed}, and triggered the next run: {retriggered}")
        return retriggered

    return call


def mail_by_record(deployed: Deployed) -> PreparedCall:
    """Sends the reset mail of a stream record."""
    waiting = deployed.mail.waiting()

    def call() -> bool:
        if deployed.mail.failures(record(id=waiting.id)):
            return False
        if not deployed.mail.is_sent(waiting):
            raise Failure("send-mail reported no failure, but the mail is not sent")
        return True

    return call


def by_schedule(triggered: Triggered) -> Call:
    """Returns a call that does all pending work of a function."""

    def call(deployed: Deployed) -> PreparedCall:
        consumer = triggered(deployed)
        done = consumer.begin()
        return lambda: consumer.run_hourly() and done()

    return call


def by_stream(triggered: Triggered) -> Call:
    """Returns a call that lets the stream trigger a function."""

    def call(deployed: Deployed) -> PreparedCall:
        consumer = triggered(deployed)
        done = consumer.begin()

        def runs() -> bool:
            with consumer.mapping_set(True):
                return within(SECONDS, done)

        return runs

    return call


def dead_letter(triggered: Triggered) -> Call:
    """Returns a call that lets the mapping of a function send a record to the dead-letter queue."""

    def call(deployed: Deployed) -> PreparedCall:
        consumer = triggered(deployed)

        def discarded() -> bool:
            with consumer.mapping_set(True):
                return consumer.discards_expired_record()

        return discarded

    return call


GET_ACCOUNT = authenticated("GET", "/api/auth/account")
LOG_OUT = authenticated("POST", "/api/auth/logout", {})
DELETE_ACCOUNT = authenticated("DELETE", "/api/auth/account")
LIST = authenticated("GET", "/api/movies")
GET, RENAME, DELETE = by_owner("GET"), by_owner("PUT", rename=True), by_owner("DELETE")
LOG_OUT_AGAIN = ended_session("POST", "/api/auth/logout", {})
DELETE_ACCOUNT_AFTER_LOGOUT = ended_session("DELETE", "/api/auth/account")
CREATE_AFTER_LOGOUT = ended_session("POST", "/api/movies", film())
CHANGE_AFTER_LOGOUT = ended_session("PUT", "/api/movies/{id}", {"genres": ["Drama"]})
DELETE_AFTER_LOGOUT = ended_session("DELETE", "/api/movies/{id}")

CALLS: dict[str, dict[str, Call]] = {
    "signup": {"PutUserAndEmailClaim": sign_up},
    "login": {
        "GetEmailClaimAndUser": log_in,
        "RenewHashOfUser": renew_hash,
        "GetFailures": log_in,
        "PutFailures": log_in,
        "CountFailures": fail_to_log_in,
        "DeleteFailures": log_in,
    },
    "get-account": {"GetUser": GET_ACCOUNT},
    "change-password": {
        "GetUser": change_password,
        "ReplacePasswordOfUser": change_password,
        "GetFailures": change_password,
        "PutFailures": change_password,
        "CountFailures": change_password,
        "DeleteFailures": change_password,
        "PutNotice": change_password,
    },
    "forgot-password": {"CountRequests": forgot_password, "PutMail": forgot_password},
    "reset-password": {
        "GetReset": reset_password,
        "GetUser": reset_password,
        "ReplacePasswordOfUser": reset_password,
        "DeleteReset": reset_password,
        "PutNotice": reset_password,
        "DeleteFailures": reset_password,
    },
    "logout": {"GetUserOfToken": LOG_OUT_AGAIN, "EndSessionsOfUser": LOG_OUT},
    "delete-account": {
        "GetUserOfToken": DELETE_ACCOUNT_AFTER_LOGOUT,
        "MarkUserAsDeleting": DELETE_ACCOUNT,
        "PutAccountDeletion": DELETE_ACCOUNT,
    },
    "list-movies": {"QueryCatalog": LIST, "QueryOwner": list_own},
    "get-movie": {"GetMovie": GET},
    "create-movie": {
        "GetUserOfToken": CREATE_AFTER_LOGOUT,
        "CountMovieOfUser": create_movie,
        "PutMovieAndNameClaim": create_movie,
    },
    "update-movie": {
        "GetUserOfToken": CHANGE_AFTER_LOGOUT,
        "BatchGetUserOfToken": RENAME,
        "BatchGetMovie": RENAME,
        "UpdateMovie": RENAME,
        "DeleteOldNameClaim": RENAME,
        "PutNewNameClaim": RENAME,
    },
    "delete-movie": {
        "GetUserOfToken": DELETE_AFTER_LOGOUT,
        "GetMovie": DELETE,
        "DeleteMovieAndNameClaim": DELETE,
        "CountMovieOfUser": DELETE,
    },
    # Its role has no other statement.
    "api-docs": {"WriteLogs": read_description},
    "purge-account": {
        "GetUser": deletion_by_record,
        "CountMoviesOffUser": deletion_by_record,
        "DeleteUserAndEmailClaim": deletion_by_record,
        "QueryOwner": deletion_by_record,
        "BatchGetMovies": deletion_by_record,
        "DeleteMoviesAndNameClaims": deletion_by_record,
        "GetAccountDeletion": deletion_by_record,
        "UpdateAccountDeletion": out_of_time,
        "DeleteAccountDeletion": deletion_by_record,
        "ScanAccountDeletions": by_schedule(PURGE),
        "ReadStreamOfAccountDeletions": by_stream(PURGE),
        "ListStreams": by_stream(PURGE),
        "SendDeadLetter": dead_letter(PURGE),
    },
    "send-mail": {
        "GetMail": mail_by_record,
        "ScanMails": by_schedule(MAIL),
        "GetEmailClaimAndUser": mail_by_record,
        "MarkMailAsCounted": mail_by_record,
        "CountMails": mail_by_record,
        "PutReset": mail_by_record,
        "DeleteMail": mail_by_record,
        "SendMail": mail_by_record,
        "ReadStreamOfOutbox": by_stream(MAIL),
        "ListStreams": by_stream(MAIL),
        "SendDeadLetter": dead_letter(MAIL),
    },
}


def call_for(operation: str, sid: str) -> Call:
    """Returns the call of an operation that needs a statement. Every call writes logs."""
    calls = CALLS.get(operation, {})
    if sid in calls:
        return calls[sid]
    if calls and sid == "WriteLogs":
        return next(iter(calls.values()))
    raise Failure(f"tests/deploy/calls.py has no call of {operation} for the statement {sid}")
