"""Calls every route of the deployed API through the emulated API Gateway."""

import json
import shutil
import subprocess

from api import PASSWORD, Api, Response, TestUser, film
from report import SECONDS, Failure, check, within
from stack import PROJECT, Stack
from tables import Tables


def is_problem(response: Response, status: int, code: str) -> bool:
    """Returns whether a response is a problem document with this status and code."""
    kind = response.headers.get("content-type")
    return response.status == status and kind == "application/problem+json" and response.body["code"] == code


def movies(api: Api) -> None:
    """Two users and their movies."""
    ann, bob = api.new_user(), api.new_user()
    check(ann.id != bob.id and ann.token and bob.token, "two users sign up and log in")
    made = api.send("POST", "/api/movies", ann, film())
    path = made.headers.get("location", "")
    check(made.status == 200 and path == f"/api/movies/{made.body['id']}", "a movie is created", made)
    # The list reads an index, which is eventually consistent.
    listed = within(SECONDS, lambda: api.send("GET", "/api/movies").body == [made.body])
    check(listed, "the list contains it", api.send("GET", "/api/movies"))
    check(api.send("GET", path).body == made.body, "it can be read")
    renamed = api.send("PUT", path, ann, {"name": "Orlando, 1992"})
    check(renamed.status == 200 and renamed.body["name"] == "Orlando, 1992", "its owner renames it", renamed)
    # Spaces arrive decoded, and a comma does not separate values.
    query = f"/api/movies?added_by={ann.id}&name_prefix=ORLANDO,%20+19"
    found = within(SECONDS, lambda: api.send("GET", query).body == [renamed.body])
    check(found, "it is found by its owner and the beginning of its name", api.send("GET", query))
    check(api.send("GET", query.replace(ann.id, bob.id)).body == [], "it is not in the list of another user")
    tags = made.headers.get("etag"), renamed.headers.get("etag")
    check(all(tags) and tags[0] != tags[1], "each version of it has a tag of its own", tags)
    unchanged = api.send("GET", path, if_none_match=tags[1])
    check((unchanged.status, unchanged.headers.get("etag")) == (304, tags[1]), "it has not changed since", unchanged)
    stale = api.send("PUT", path, ann, {"genres": ["Drama"]}, if_match=tags[0])
    check(is_problem(stale, 412, "precondition_failed"), "a change of an older version is refused", stale)
    # API Gateway joins header lines with a comma.
    changed = api.send("PUT", path, ann, {"genres": ["Drama"]}, if_match=f'"other",{tags[1]}')
    check(changed.status == 200, "a change of the current version succeeds", changed)
    taken = api.send("POST", "/api/movies", bob, film() | {"name": "orlando,  1992"})
    check(is_problem(taken, 409, "movie_name_taken"), "no other movie can have the name", taken)
    refused = api.send("PUT", path, bob, {"name": "Mine"})
    check(refused.status == 403, "another user cannot rename it", refused)
    check(is_problem(api.send("DELETE", path), 401, "missing_token"), "deleting it requires a token")
    check(api.send("DELETE", path, ann).status == 200, "its owner deletes it")
    check(is_problem(api.send("GET", path), 404, "movie_not_found"), "afterwards it does not exist")


def compression(api: Api) -> None:
    """A page of the list that is large enough to be compressed."""
    ann = api.new_user()
    ids = {api.new_movie(ann) for _ in range(10)}
    listed = within(SECONDS, lambda: ids <= {movie["id"] for movie in api.send("GET", "/api/movies").body})
    check(listed, "the list contains ten movies", api.send("GET", "/api/movies"))
    plain = api.send("GET", "/api/movies")
    check("content-encoding" not in plain.headers, "it is not compressed unless requested", plain.headers)
    page = api.send("GET", "/api/movies", origin="https://films.example", accept_encoding="br, gzip;q=0.5")
    check(page.headers.get("content-encoding") == "gzip", "it is compressed on request", page.headers)
    check(page.body == plain.body, "the compressed page arrives intact", page)
    check(page.size < plain.size / 2, "it has less than half the bytes", f"{page.size} of {plain.size}")


def account(api: Api) -> None:
    """Reading an account, changing its password, and logging out."""
    ann = api.new_user()
    api.new_movie(ann)
    shown = api.send("GET", "/api/auth/account", ann)
    check((shown.body.get("email"), shown.body.get("movie_count")) == (ann.email, 1), "the account can be read", shown)
    change = {"current_password": ann.password, "new_password": "another bag of films"}
    changed = api.send("PUT", "/api/auth/password", ann, change)
    check(changed.status == 200, "the password is changed", changed)
    check(api.send("GET", "/api/auth/account", ann).status == 401, "this ends the earlier session")
    check(is_problem(api.log_in(ann), 401, "invalid_credentials"), "the old password is refused")
    ann.token = changed.body["token"]
    check(api.send("POST", "/api/auth/logout", ann, {}).status == 200, "the user logs out")
    check(api.send("GET", "/api/auth/account", ann).status == 401, "this ends the session")


def gateway(api: Api) -> None:
    """Behavior of API Gateway itself."""
    refused = api.send("GET", "/api/auth/account").headers
    renamed = refused.get("x-amzn-remapped-www-authenticate", "").startswith("Bearer")
    check(renamed and "www-authenticate" not in refused, "it may rename www-authenticate", refused)
    unknown = api.send("GET", "/api/nothing")
    check((unknown.status, unknown.body) == (404, {"message": "Not Found"}), "an unknown route results in 404", unknown)
    preflight = api.send("OPTIONS", "/api/movies", origin="https://films.example", access_control_request_method="POST")
    allowed = preflight.headers.get("access-control-allow-methods", "")
    check(preflight.status == 204 and "POST" in allowed, "a CORS preflight request succeeds", preflight.headers)
    listed = api.send("GET", "/api/movies", origin="https://films.example")
    check("access-control-allow-origin" in listed.headers, "a page of this origin may read responses", listed.headers)


def page(api: Api) -> None:
    """The page about the API, in a real browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise Failure("no browser: install Chromium or Chrome")
    command = ["node", ".ci/browser/docs.mjs", browser, f"http://{api.host}"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=900)
    print(result.stdout, end="")
    check(result.returncode == 0, "people use it with mouse, keyboard and phone", result.stderr)


def account_deletion(api: Api, tables: Tables, seconds: float = SECONDS) -> None:
    """Requests an account deletion, which the stream must trigger and complete within so many seconds."""
    ann = api.new_user()
    made = [api.new_movie(ann) for _ in range(3)]
    response = api.send("DELETE", "/api/auth/account", ann)
    check(response.status == 202, "an account deletion is accepted", response)
    check(is_problem(api.log_in(ann), 401, "invalid_credentials"), "the user can no longer log in")
    words = (ann.id, ann.email, *made)
    deleted = within(seconds, lambda: not tables.traces(*words))
    check(deleted, "purge-account, triggered by the stream, deletes every item of the user, the movies and the email")
    again = api.new_user(TestUser(ann.email))
    check(again.id != ann.id, "the email can be used for another signup", again)


def logs(stack: Stack, *secrets: str) -> None:
    """The logs of the previous steps, which must not contain these secrets either."""
    logins = [json.loads(line) for line in stack.logged("logged_in")]
    check(len(logins) > 1, "the logs contain the logins in JSON")
    secret = [line for text in ("@example.com", PASSWORD, "eyJ", *secrets) for line in stack.logged(text)]
    check(not secret, "no line contains an email, a password or a token", secret)
