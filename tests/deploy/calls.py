"""For each statement of each role, a call that needs it.

A call is prepared while every permission is granted. The prepared call can then be made repeatedly until it succeeds.
It returns whether it succeeded; a failure with another cause than a missing permission ends the run.
"""

from collections.abc import Callable

from api import Response, TestUser, film
from purge import Purge, failures, record
from report import SECONDS, Failure, within

PreparedCall = Callable[[], bool]
Call = Callable[[Purge], PreparedCall]

# Statements that the emulator does not enforce, with the reason. Without one of these, its call must succeed.
NOT_ENFORCED = {
    "ListStreams": "the emulator's mapping reads the stream without checking the role's policies",
    "ReadStreamOfAccountDeletions": "the emulator's mapping reads the stream without checking the role's policies",
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


def sign_up(purge: Purge) -> PreparedCall:
    """Signs up a new user."""
    user = TestUser.new()
    return lambda: succeeded(purge.api.sign_up(user))


def log_in(purge: Purge) -> PreparedCall:
    """Logs in after a failed password attempt, so that there is a counter to delete."""
    user = purge.api.new_user()
    if purge.api.log_in(user, "not the password").status != 401:
        raise Failure("a wrong password was not refused")
    return lambda: succeeded(purge.api.log_in(user))


def fail_to_log_in(purge: Purge) -> PreparedCall:
    """Tries to log in with a wrong password, each time as another user, because too many failures cause a wait."""

    def refused() -> bool:
        response = purge.api.log_in(purge.api.new_user(), "not the password")
        return response.status == 401 or succeeded(response)

    return refused


def renew_hash(purge: Purge) -> PreparedCall:
    """Logs in as a user whose hash does not have the configured cost, so that the login replaces it."""
    user = purge.api.new_user()
    purge.tables.set_hash(user.id, HASH_OF_COST_4)
    return lambda: succeeded(purge.api.log_in(user))


def change_password(purge: Purge) -> PreparedCall:
    """Changes a password."""
    user = purge.api.new_user()
    body = {"current_password": user.password, "new_password": "another bag of films"}
    return lambda: succeeded(purge.api.send("PUT", "/api/auth/password", user, body))


def authenticated(method: str, path: str, body: object = None) -> Call:
    """Returns a call that sends a request with the token of a user."""

    def call(purge: Purge) -> PreparedCall:
        user = purge.api.new_user()
        return lambda: succeeded(purge.api.send(method, path, user, body))

    return call


def ended_session(method: str, path: str, body: object = None) -> Call:
    """Returns a call whose write is refused because the session has ended; a read then shows this."""

    def call(purge: Purge) -> PreparedCall:
        user = purge.api.new_user()
        movie = purge.api.new_movie(user)
        if purge.api.send("POST", "/api/auth/logout", user, {}).status != 200:
            raise Failure("a user could not log out")

        def refused() -> bool:
            response = purge.api.send(method, path.replace("{id}", movie), user, body)
            return response.status == 401 or succeeded(response)

        return refused

    return call


def create_movie(purge: Purge) -> PreparedCall:
    """Creates a movie."""
    user, movie = purge.api.new_user(), film()
    return lambda: succeeded(purge.api.send("POST", "/api/movies", user, movie))


def list_own(purge: Purge) -> PreparedCall:
    """Lists the movies of a user."""
    user = purge.api.new_user()
    return lambda: succeeded(purge.api.send("GET", f"/api/movies?added_by={user.id}"))


def by_owner(method: str, rename: bool = False) -> Call:
    """Returns a call that sends a request for a movie with the token of its owner."""

    def call(purge: Purge) -> PreparedCall:
        user = purge.api.new_user()
        path, body = f"/api/movies/{purge.api.new_movie(user)}", film() if rename else None
        return lambda: succeeded(purge.api.send(method, path, user, body))

    return call


def by_record(purge: Purge) -> PreparedCall:
    """Carries out the account deletion of a stream record."""
    user = purge.deleting_user()

    def call() -> bool:
        if failures(purge.stack.invoke(purge.live, {"Records": [record(user.id)]})):
            return False
        if not purge.is_deleted(user):
            raise Failure("purge-account reported no failure, but items of the user are left")
        return True

    return call


def by_schedule(purge: Purge) -> PreparedCall:
    """Carries out all pending account deletions."""
    user = purge.deleting_user()
    return lambda: not purge.stack.invoke(purge.schedule(), {})["error"] and purge.is_deleted(user)


def out_of_time(purge: Purge) -> PreparedCall:
    """Triggers the next run, because this one has no time to look for a movie that is counted but does not exist."""
    user = purge.deleting_user()

    def call() -> bool:
        with purge.short_timeout(), purge.tables.counted_too_high(user.id):
            failed = failures(purge.stack.invoke(purge.function.name, {"Records": [record(user.id)]}))
        deletions = purge.tables.items("AccountDeletionsTable")
        retriggered = [item["run_count"] for item in deletions if item["user_id"] == user.id] == [1]
        if bool(failed) == retriggered:
            raise Failure(f"purge-account reported {failed}, and triggered the next run: {retriggered}")
        return retriggered

    return call


def by_stream(purge: Purge) -> PreparedCall:
    """Lets the stream trigger purge-account."""
    user = purge.deleting_user()

    def call() -> bool:
        with purge.mapping_set(True):
            return within(SECONDS, lambda: purge.is_deleted(user))

    return call


def dead_letter(purge: Purge) -> PreparedCall:
    """Lets the mapping send a record to the dead-letter queue."""

    def call() -> bool:
        with purge.mapping_set(True):
            return purge.discards_expired_record()

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
    "purge-account": {
        "GetUser": by_record,
        "CountMoviesOffUser": by_record,
        "DeleteUserAndEmailClaim": by_record,
        "QueryOwner": by_record,
        "BatchGetMovies": by_record,
        "DeleteMoviesAndNameClaims": by_record,
        "GetAccountDeletion": by_record,
        "UpdateAccountDeletion": out_of_time,
        "DeleteAccountDeletion": by_record,
        "ScanAccountDeletions": by_schedule,
        "ReadStreamOfAccountDeletions": by_stream,
        "ListStreams": by_stream,
        "SendDeadLetter": dead_letter,
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
