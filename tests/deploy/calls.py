"""For each statement of each role, the call that needs it.

A call is first prepared, while everything is allowed, and then done, as often as one likes, until it succeeds: it says
whether it succeeded, and any failure but the one that a missing permission causes ends the run.
"""

from collections.abc import Callable

from api import Answer, Person, film
from purge import Purge, failures, record
from report import SECONDS, Failure, within

Act = Callable[[], bool]
Call = Callable[[Purge], Act]

# What the emulator does not enforce, and why. A call whose statement is listed here has to succeed without it.
NOT_ENFORCED = {
    "ListStreams": "the emulator's mapping reads the stream without asking the role's policies",
    "ReadStreamOfAccountDeletions": "the emulator's mapping reads the stream without asking the role's policies",
    "SendDeadLetter": "the emulator's mapping writes to the queue without asking the role's policies",
    "WriteLogs": "the emulator writes the functions' logs itself",
}
# Of the password that everybody in this test has.
HASH_OF_COST_4 = "$2b$04$RfDrkipKFz6cGxsNY8n5ceNtZgVjPHkJaIdQEXGeKt6Oh4taeBqfO"


def succeeded(answer: Answer) -> bool:
    """Whether an answer is a success, and not the error of a missing permission."""
    if answer.status in (200, 202):
        return True
    if answer.status == 500 and answer.headers["content-type"] == "application/problem+json":
        return False
    raise Failure(f"a success or our own 500 was to come, not {answer}")


def sign_up(purge: Purge) -> Act:
    """Signs up somebody new."""
    person = Person.new()
    return lambda: succeeded(purge.api.sign_up(person))


def log_in(purge: Purge) -> Act:
    """Logs in after a wrong password, which leaves failures to forget."""
    person = purge.api.person()
    if purge.api.log_in(person, "not the password").status != 401:
        raise Failure("a wrong password was to be refused")
    return lambda: succeeded(purge.api.log_in(person))


def renew_hash(purge: Purge) -> Act:
    """Logs in somebody whose hash has another cost than the functions', which the login puts right."""
    person = purge.api.person()
    purge.tables.set_hash(person.id, HASH_OF_COST_4)
    return lambda: succeeded(purge.api.log_in(person))


def change_password(purge: Purge) -> Act:
    """Changes a password."""
    person = purge.api.person()
    body = {"current_password": person.password, "new_password": "another bag of films"}
    return lambda: succeeded(purge.api.send("PUT", "/api/auth/password", person, body))


def of_person(method: str, path: str, body: object = None) -> Call:
    """A request that somebody sends who is logged in."""

    def call(purge: Purge) -> Act:
        person = purge.api.person()
        return lambda: succeeded(purge.api.send(method, path, person, body))

    return call


def create(purge: Purge) -> Act:
    """Adds a movie."""
    person, movie = purge.api.person(), film()
    return lambda: succeeded(purge.api.send("POST", "/api/movies", person, movie))


def of_movie(method: str, rename: bool = False) -> Call:
    """A request about a movie, from its owner."""

    def call(purge: Purge) -> Act:
        person = purge.api.person()
        path, body = f"/api/movies/{purge.api.movie(person)}", film() if rename else None
        return lambda: succeeded(purge.api.send(method, path, person, body))

    return call


def by_record(purge: Purge) -> Act:
    """Works off the account deletion that a record names."""
    person = purge.leave()

    def act() -> bool:
        if failures(purge.stack.invoke(purge.live, {"Records": [record(person.id)]})):
            return False
        if not purge.is_gone(person):
            raise Failure("the purge reported nothing, and yet something is left")
        return True

    return act


def hourly(purge: Purge) -> Act:
    """Works off whoever is left."""
    person = purge.leave()
    return lambda: not purge.stack.invoke(purge.schedule(), {})["error"] and purge.is_gone(person)


def out_of_time(purge: Purge) -> Act:
    """Wakes the next run, because there is no time for this one to look for a movie that is counted and not there."""
    person = purge.leave()

    def act() -> bool:
        with purge.in_a_hurry(), purge.tables.counted_too_high(person.id):
            failed = failures(purge.stack.invoke(purge.function.name, {"Records": [record(person.id)]}))
        woken = [item["run_count"] for item in purge.tables.items("AccountDeletionsTable") if item["user_id"] == person.id] == [1]
        if bool(failed) == woken:
            raise Failure(f"the purge reported {failed}, and woke the next run: {woken}")
        return woken

    return act


def woken(purge: Purge) -> Act:
    """Is woken by the stream."""
    person = purge.leave()

    def act() -> bool:
        with purge.mapping_set(True):
            return within(SECONDS, lambda: purge.is_gone(person))

    return act


def gives_up(purge: Purge) -> Act:
    """Gives up on a record."""

    def act() -> bool:
        with purge.mapping_set(True):
            return purge.gives_up()

    return act


GET_ACCOUNT = of_person("GET", "/api/auth/account")
LOG_OUT = of_person("POST", "/api/auth/logout", {})
LEAVE = of_person("DELETE", "/api/auth/account")
LIST = of_person("GET", "/api/movies")
GET, RENAME, DELETE = of_movie("GET"), of_movie("PUT", rename=True), of_movie("DELETE")

CALLS: dict[str, dict[str, Call]] = {
    "signup": {"PutUserAndEmailClaim": sign_up},
    "login": {
        "GetEmailClaimAndUser": log_in,
        "RenewHashOfUser": renew_hash,
        "GetFailures": log_in,
        "PutFailures": log_in,
        "CountFailures": log_in,
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
    "logout": {"GetUserOfToken": LOG_OUT, "EndSessionsOfUser": LOG_OUT},
    "delete-account": {"GetUserOfToken": LEAVE, "MarkUserAsDeleting": LEAVE, "PutAccountDeletion": LEAVE},
    "list-movies": {"QueryCatalog": LIST},
    "get-movie": {"GetMovie": GET},
    "create-movie": {"GetUserOfToken": create, "CountMovieOfUser": create, "PutMovieAndNameClaim": create},
    "update-movie": {
        "GetUserOfToken": RENAME,
        "GetMovie": RENAME,
        "UpdateMovie": RENAME,
        "DeleteOldNameClaim": RENAME,
        "PutNewNameClaim": RENAME,
    },
    "delete-movie": {
        "GetUserOfToken": DELETE,
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
        "ScanAccountDeletions": hourly,
        "ReadStreamOfAccountDeletions": woken,
        "ListStreams": woken,
        "SendDeadLetter": gives_up,
    },
}


def call_for(operation: str, sid: str) -> Call:
    """The call of an operation that needs a statement. Logs are written by every call."""
    calls = CALLS.get(operation, {})
    if sid in calls:
        return calls[sid]
    if calls and sid == "WriteLogs":
        return next(iter(calls.values()))
    raise Failure(f"tests/deploy/calls.py does not say which call of {operation} needs the statement {sid}")
