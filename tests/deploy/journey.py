"""Every route of the deployed API, as people would use them, through the emulated API Gateway."""

import json

from api import PASSWORD, Answer, Api, Person, film
from report import SECONDS, check, within
from stack import Stack
from tables import Tables


def is_problem(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer is an error of ours."""
    kind = answer.headers.get("content-type")
    return answer.status == status and kind == "application/problem+json" and answer.body["code"] == code


def movies(api: Api) -> None:
    """Two people and their movies."""
    ann, bob = api.person(), api.person()
    check(ann.id != bob.id and ann.token and bob.token, "two people sign up and log in")
    made = api.send("POST", "/api/movies", ann, film())
    path = made.headers.get("location", "")
    check(made.status == 200 and path == f"/api/movies/{made.body['id']}", "a movie is created", made)
    # The list is an index, which may lag behind.
    listed = within(SECONDS, lambda: api.send("GET", "/api/movies").body == [made.body])
    check(listed, "the list shows it", api.send("GET", "/api/movies"))
    check(api.send("GET", path).body == made.body, "it can be read")
    renamed = api.send("PUT", path, ann, {"name": "Orlando"})
    check(renamed.status == 200 and renamed.body["name"] == "Orlando", "its owner renames it", renamed)
    taken = api.send("POST", "/api/movies", bob, film() | {"name": "orlando"})
    check(is_problem(taken, 409, "movie_name_taken"), "nobody else can use the name", taken)
    refused = api.send("PUT", path, bob, {"name": "Mine"})
    check(refused.status == 403, "another user may not rename it", refused)
    check(is_problem(api.send("DELETE", path), 401, "missing_token"), "without a token nobody may delete it")
    check(api.send("DELETE", path, ann).status == 200, "its owner deletes it")
    check(is_problem(api.send("GET", path), 404, "movie_not_found"), "then it is gone")


def account(api: Api) -> None:
    """A person's account: reading it, another password, logging out."""
    ann = api.person()
    api.movie(ann)
    shown = api.send("GET", "/api/auth/account", ann)
    check((shown.body.get("email"), shown.body.get("movie_count")) == (ann.email, 1), "the account is shown", shown)
    change = {"current_password": ann.password, "new_password": "another bag of films"}
    changed = api.send("PUT", "/api/auth/password", ann, change)
    check(changed.status == 200, "the password is changed", changed)
    check(api.send("GET", "/api/auth/account", ann).status == 401, "which ends the earlier session")
    check(is_problem(api.log_in(ann), 401, "invalid_credentials"), "the old password is refused")
    ann.token = changed.body["token"]
    check(api.send("POST", "/api/auth/logout", ann, {}).status == 200, "logging out succeeds")
    check(api.send("GET", "/api/auth/account", ann).status == 401, "and ends the session")


def gateway(api: Api) -> None:
    """What API Gateway does by itself."""
    refused = api.send("GET", "/api/auth/account").headers
    renamed = refused.get("x-amzn-remapped-www-authenticate", "").startswith("Bearer")
    check(renamed and "www-authenticate" not in refused, "it may rename the header that asks for a token", refused)
    unknown = api.send("GET", "/api/nothing")
    check((unknown.status, unknown.body) == (404, {"message": "Not Found"}), "an unknown route is 404", unknown)
    preflight = api.send("OPTIONS", "/api/movies", origin="https://films.example", access_control_request_method="POST")
    allowed = preflight.headers.get("access-control-allow-methods", "")
    check(preflight.status == 204 and "POST" in allowed, "a browser's preflight is answered", preflight.headers)
    listed = api.send("GET", "/api/movies", origin="https://films.example")
    check("access-control-allow-origin" in listed.headers, "and its page may read the answers", listed.headers)


def leaving(api: Api, tables: Tables, seconds: float = SECONDS) -> None:
    """Leaving for good: within so many seconds the stream wakes the purge, and then nothing is left."""
    ann = api.person()
    made = [api.movie(ann) for _ in range(3)]
    left = api.send("DELETE", "/api/auth/account", ann)
    check(left.status == 202, "leaving is accepted", left)
    check(is_problem(api.log_in(ann), 401, "invalid_credentials"), "at once nobody can log in")
    words = (ann.id, ann.email, *made)
    gone = within(seconds, lambda: not tables.traces(*words))
    check(gone, "the purge, woken by the stream, leaves no item of the user, the movies or the email")
    again = api.person(Person(ann.email))
    check(again.id != ann.id, "the email is free for another signup", again)


def logs(stack: Stack) -> None:
    """What all of this left in the logs."""
    logins = [json.loads(line) for line in stack.logged("logged_in")]
    check(len(logins) > 1, "the logs tell of the logins, in JSON")
    secret = [line for text in ("@example.com", PASSWORD, "eyJ") for line in stack.logged(text)]
    check(not secret, "no line has an email, a password or a token", secret)
