"""Gives Schemathesis the tokens that operations need, and excludes the failures that are not failures of this API.

Schemathesis imports this file; `run.py` sets the environment variables API to the address of the API, and OUTPUT
to a file with the output of `cargo local`.
"""

import atexit
import collections
import http.client
import itertools
import json
import os
import re
import unicodedata
import urllib.parse

import local_api
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

API = os.environ["API"]
# The current password in the example of `change-password`, so that this example succeeds.
PASSWORD = "a bag full of old movies"
ACCOUNTS = itertools.count(1)
SOURCES = itertools.count(1)


def call(method, path, token=None, body=None, source="127.0.0.1"):
    """Sends a request that must succeed, from a loopback address, and returns the response's body."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    address = urllib.parse.urlsplit(API)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20, source_address=(source, 0))
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.status not in (200, 202):
        raise RuntimeError(f"{method} {path} did not succeed: {content}")
    return json.loads(content)


def new_account():
    """Signs up with an unused email."""
    account = {"email": f"user{next(ACCOUNTS)}@schemathesis.example", "password": PASSWORD}
    call("POST", "/api/auth/signup", body=account)
    return account


class Authorization:
    def get(self, case, context):
        """Returns the token of a new account."""
        return call("POST", "/api/auth/login", body=new_account())["token"]

    def set(self, case, token, context):
        case.headers = case.headers or {}
        case.headers["authorization"] = f"Bearer {token}"


def needs_token(*tags):
    """Returns a filter for the operations with one of these tags that need a token."""

    def matches(context):
        operation = context.operation
        return bool(operation.definition.raw["security"]) and not set(tags).isdisjoint(operation.tags)

    return matches


# One account owns all movies, so that a request can change what an earlier one has created.
@schemathesis.auth(refresh_interval=3600, retry_on=[]).apply_to(needs_token("Movies"))
class MovieOwner(Authorization):
    token = None

    def get(self, case, context):
        MovieOwner.token = super().get(case, context)
        return MovieOwner.token


# Each request to an operation on accounts gets an account of its own, because some operations end sessions or accounts.
@schemathesis.auth(refresh_interval=None).apply_to(needs_token("Accounts", "Passwords"))
class NewAccount(Authorization):
    pass


def issue_reset_token():
    """Returns a reset token of a new account."""
    email = new_account()["email"]
    # Each source address has a limit.
    source = f"127.{1 + next(SOURCES)}.0.1"
    call("POST", "/api/auth/forgot", body={"email": email}, source=source)
    return local_api.mailed_token(os.environ["OUTPUT"], email)


RESET_TOKENS = []


@schemathesis.hook.apply_to(operation_id="reset-password")
def after_call(context, case, response):
    if response.status_code == 200:
        RESET_TOKENS.clear()


# A password that is made up is never the current one, a reset token never valid, and an entity tag never the movie's, so
# no valid request with one would succeed. The stateful phase sends such passwords and reset tokens, and
# tests/api/versions.rs sends real tags.
@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta.generation.mode.is_positive:
        return
    operation, phase = case.operation.definition.raw["operationId"], case.meta.phase.name
    if operation == "change-password" and phase == "fuzzing":
        case.body["current_password"] = PASSWORD
    if operation == "reset-password" and phase != "stateful":
        if not RESET_TOKENS:
            RESET_TOKENS.append(issue_reset_token())
        case.body["reset_token"] = RESET_TOKENS[0]
    if "if-match" in (case.headers or {}):
        case.headers["if-match"] = "*"


def delete_movies():
    """Deletes the movies of a scenario.

    Hypothesis ends the stateful phase early if the same requests get other responses than in an earlier scenario.
    """
    for movie in call("GET", "/api/movies?limit=500"):
        call("DELETE", f"/api/movies/{movie['id']}", token=MovieOwner.token)


schemathesis.stateful.APIStateMachine.teardown = lambda _: delete_movies()


with open("shared/src/model/password/common.txt", encoding="utf-8") as file:
    COMMON_PASSWORDS = set(file.read().splitlines())


def size(text):
    return len(text.encode())


def total_size(texts):
    return sum(size(text.strip()) for text in texts)


def local_part(email):
    return email.partition("@")[0]


def same(text, other):
    return text.lower() == other.lower()


def has_only_context_words(password):
    letters = rest = "".join(character for character in password.upper().lower() if character.isalpha())
    for word in ["movies", "movie", "bag", "api"]:
        rest = rest.replace(word, "")
    return bool(letters) and not rest


def canonical(name):
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


# White space, and characters with the Unicode property `Default_Ignorable_Code_Point`.
INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)

# The rules that JSON Schema cannot express, by the message about a value that breaks them; descriptions in openapi.yaml
# state them. Each function returns whether a value breaks the rule, so rejecting any other value is still a failure.
RULES = {
    "must be one email address, such as ann@example.com": lambda email, _: len(local_part(email)) > 64,
    "must have at most 72 bytes": lambda password, _: size(password) > 72,
    "is one of the most common passwords": lambda password, _: password.upper().lower() in COMMON_PASSWORDS,
    "must not be a variation of the name of this service": lambda password, _: has_only_context_words(password),
    "must not be the name part of the email": lambda password, body: same(password, local_part(body["email"])),
    "must have at most 1024 bytes": lambda credential, _: size(credential) > 1024,
    "must not be empty": lambda text, _: not text.strip(),
    "must contain a visible character": lambda text, _: bool(INVISIBLE.fullmatch(text)),
    "is too long once its characters are written out": lambda name, _: size(canonical(name)) > 1000,
    "must have at most 4096 bytes of UTF-8 in total": lambda casts, _: total_size(casts) > 4096,
    "must have at most 1024 bytes of UTF-8 in total": lambda genres, _: total_size(genres) > 1024,
}


def breaks_rule(error, parameters):
    """Returns whether the value that an error is about breaks the rule that the error names."""
    rule = RULES.get(error["message"])
    if rule is None:
        return False
    name, index = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", error["field"]).groups()
    value = parameters[name]
    return rule(value if index is None else value[int(index)], parameters)


def adds_only_a_header(meta):
    """Returns whether an invalid request is a valid one with a header that openapi.yaml does not name."""
    invalid = [location for location, component in meta.components.items() if component.mode.is_negative]
    return invalid == ["header"] and meta.phase.data.description == "Object with unexpected properties"


def reason_to_exclude(failure, case, response):
    """Returns why a failure is not one of this API, or `None`."""
    if isinstance(failure, UnsupportedMethodResponse):
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
        if response.status_code == 404 and response.json() == {"message": "Not Found"}:
            return "API Gateway responds with 404 to a method that has no route"
    if isinstance(failure, AcceptedNegativeData) and adds_only_a_header(case.meta):
        return "servers ignore headers that they do not know"
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        problem = response.json()
        parameters = case.body if isinstance(case.body, dict) else case.query
        if problem["code"] == "invalid_cursor" and "cursor" in parameters:
            return "only the server can make a valid cursor"
        if problem["code"] == "validation_failed" and all(breaks_rule(it, parameters) for it in problem["errors"]):
            return "JSON Schema cannot express that a value " + problem["errors"][0]["message"]
    return None


EXCLUDED = collections.Counter()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    reason = reason_to_exclude(failure, case, response)
    if reason:
        EXCLUDED[reason] += 1
    return reason is None


@atexit.register
def report():
    for reason, count in sorted(EXCLUDED.items()):
        print(f"excluded {count} failures: {reason}")
