"""Plays the session of docs/TUTORIAL.md with the Python client that docs/CLIENTS.md generates.

`run.py` sets the environment variables API to the address of the API, and OUTPUT to a file with the output of
`cargo local`. mypy checks this file, so it compiles only if the generated types have the members that it reads.
"""

import datetime
import os
import time
import urllib.parse

import local_api
from movie_bag_client import AuthenticatedClient, Client
from movie_bag_client.api.accounts import delete_account, get_account, login, logout, signup
from movie_bag_client.api.movies import create_movie, delete_movie, get_movie, list_movies, update_movie
from movie_bag_client.api.passwords import change_password, forgot_password, reset_password
from movie_bag_client.models import (
    Account,
    ChangePasswordRequest,
    CreateMovieRequest,
    EmailTakenProblem,
    ForgotPasswordRequest,
    Identified,
    IncorrectPasswordProblem,
    InvalidCredentialsProblem,
    InvalidCursorProblem,
    InvalidResetTokenProblem,
    InvalidTokenProblem,
    LoggedOut,
    LoginRequest,
    Movie,
    MovieNameTakenProblem,
    MovieNotFoundProblem,
    NotOwnerProblem,
    PasswordReset,
    PreconditionFailedProblem,
    ResetPasswordRequest,
    ResetRequested,
    Session,
    SignupRequest,
    UpdateMovieRequest,
    ValidationFailedProblem,
)
from movie_bag_client.types import UNSET

API = os.environ["API"]
ANN, BOB = "python-ann@clients.example", "python-bob@clients.example"
anyone = Client(API, raise_on_unexpected_status=True)


def authenticated(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(API, token=token, raise_on_unexpected_status=True)


def log_in(email: str, password: str) -> AuthenticatedClient:
    session = login.sync(client=anyone, body=LoginRequest(email, password))
    assert isinstance(session, Session), session
    assert session.token_type == "Bearer" and session.expires_in == 7 * 24 * 60 * 60
    return authenticated(session.token)


def add_movie(client: AuthenticatedClient, name: str, casts: list[str], genres: list[str]) -> Movie:
    movie = create_movie.sync(client=client, body=CreateMovieRequest(name, casts, genres))
    assert isinstance(movie, Movie), movie
    return movie


def listed(client: Client, added_by: str, name_prefix: str = "") -> list[str]:
    movies = list_movies.sync(client=client, added_by=added_by, name_prefix=name_prefix or UNSET)
    assert isinstance(movies, list), movies
    return [movie.name for movie in movies]


# Sign up and log in.
user = signup.sync(client=anyone, body=SignupRequest(ANN, "a bag full of films"))
assert isinstance(user, Identified), user
taken_email = signup.sync(client=anyone, body=SignupRequest(ANN.upper(), "a bag full of films"))
assert isinstance(taken_email, EmailTakenProblem), taken_email
assert taken_email.code == "email_taken" and taken_email.status == 409
ann = log_in(ANN, "a bag full of films")

# Add a movie and read it without a token.
added = create_movie.sync_detailed(
    client=ann, body=CreateMovieRequest("The Shawshank Redemption", ["Tim Robbins", "Morgan Freeman"], ["Drama"])
)
movie = added.parsed
assert isinstance(movie, Movie), movie
assert movie.added_by == user.id and movie.created_at == movie.updated_at
assert datetime.datetime.now(datetime.UTC) - movie.created_at < datetime.timedelta(minutes=10)
assert added.headers["location"] == f"/api/movies/{movie.id}"
assert get_movie.sync(movie.id, client=anyone) == movie
assert list_movies.sync(client=anyone) == [movie]

# Change it, but only as it was last seen.
changed = update_movie.sync_detailed(movie.id, client=ann, body=UpdateMovieRequest(genres=["Drama", "Crime"]))
assert isinstance(changed.parsed, Movie) and changed.parsed.genres == ["Drama", "Crime"], changed
tag = changed.headers["etag"]
unchanged = get_movie.sync_detailed(movie.id, client=anyone, if_none_match=tag)
assert unchanged.status_code == 304 and unchanged.parsed is None, unchanged
recast = UpdateMovieRequest(casts=["Tim Robbins", "Morgan Freeman", "Bob Gunton"])
assert isinstance(update_movie.sync(movie.id, client=ann, body=recast, if_match=tag), Movie)
stale = update_movie.sync(movie.id, client=ann, body=recast, if_match=tag)
assert isinstance(stale, PreconditionFailedProblem) and stale.code == "precondition_failed", stale

# Handle errors.
again = CreateMovieRequest("the  shawshank redemption", ["Tim Robbins"], ["Drama"])
taken_name = create_movie.sync(client=ann, body=again)
assert isinstance(taken_name, MovieNameTakenProblem) and taken_name.movie_id == movie.id, taken_name
faulty = create_movie.sync(client=ann, body=CreateMovieRequest("", ["Al Pacino"], []))
assert isinstance(faulty, ValidationFailedProblem), faulty
assert [error.field for error in faulty.errors] == ["name", "genres"] and faulty.errors[0].message, faulty
no_token = delete_movie.sync(movie.id, client=authenticated("no.good.token"))
assert isinstance(no_token, InvalidTokenProblem) and no_token.code == "invalid_token", no_token

# Only the owner can change a movie.
assert isinstance(signup.sync(client=anyone, body=SignupRequest(BOB, "popcorn and a soda")), Identified)
bob = log_in(BOB, "popcorn and a soda")
refused = delete_movie.sync(movie.id, client=bob)
assert isinstance(refused, NotOwnerProblem) and refused.request_id, refused
alien = add_movie(bob, "Alien", ["Sigourney Weaver"], ["Science Fiction"])

# Page through the list, and find movies.
page = list_movies.sync_detailed(client=anyone, limit=1)
assert page.parsed == [alien], page
address = page.headers["link"].partition("<")[2].partition(">")[0]
cursor = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["cursor"][0]
rest = list_movies.sync_detailed(client=anyone, limit=1, cursor=cursor)
assert isinstance(rest.parsed, list) and [each.id for each in rest.parsed] == [movie.id], rest
assert "link" not in rest.headers
assert isinstance(list_movies.sync(client=anyone, cursor="made_up"), InvalidCursorProblem)
assert listed(anyone, added_by=user.id) == [movie.name]
assert listed(anyone, added_by=user.id, name_prefix="the  SHAW") == [movie.name]
assert listed(anyone, added_by=user.id, name_prefix="a") == []

# Delete a movie.
assert delete_movie.sync(movie.id, client=ann) == Identified(movie.id)
gone = get_movie.sync(movie.id, client=anyone)
assert isinstance(gone, MovieNotFoundProblem) and gone.status == 404, gone

# Reset a lost password.
assert forgot_password.sync(client=anyone, body=ForgotPasswordRequest(ANN)) == ResetRequested()
token = local_api.mailed_token(os.environ["OUTPUT"], ANN)
reset = ResetPasswordRequest(token, "another bag of films")
assert reset_password.sync(client=anyone, body=reset) == PasswordReset()
assert isinstance(reset_password.sync(client=anyone, body=reset), InvalidResetTokenProblem)
assert isinstance(get_account.sync(client=ann), InvalidTokenProblem)

# Change the password and log out.
ann = log_in(ANN, "another bag of films")
guess = ChangePasswordRequest("not her password", "a third bag of films")
assert isinstance(change_password.sync(client=ann, body=guess), IncorrectPasswordProblem)
change = ChangePasswordRequest("another bag of films", "a third bag of films")
session = change_password.sync(client=ann, body=change)
assert isinstance(session, Session), session
assert logout.sync(client=authenticated(session.token)) == LoggedOut()

# Delete the account.
ann = log_in(ANN, "a third bag of films")
add_movie(ann, "Heat", ["Al Pacino", "Robert De Niro"], ["Crime"])
account = get_account.sync(client=ann)
assert isinstance(account, Account), account
assert account.email == ANN and account.movie_count == 1 and account.movie_limit == 1000, account
assert delete_account.sync(client=ann) == Identified(user.id)
unknown = login.sync(client=anyone, body=LoginRequest(ANN, "a third bag of films"))
assert isinstance(unknown, InvalidCredentialsProblem) and unknown.code == "invalid_credentials", unknown
deadline = time.monotonic() + 60
while listed(anyone, added_by=user.id):
    assert time.monotonic() < deadline, "the movies of a deleted account are still listed"
    time.sleep(0.1)
assert delete_movie.sync(alien.id, client=bob) == Identified(alien.id)
print("the Python client has played the session")
