"""A client of the deployed API, and the test users that call it."""

import gzip
import http.client
import itertools
import json
from dataclasses import dataclass
from typing import Any

from report import Failure

PASSWORD = "a bag full of films"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Response:
    """An HTTP response with its decompressed and decoded JSON body. Repeated headers are joined by commas."""

    status: int
    headers: dict[str, str]
    body: Any
    # The number of bytes in which the body was sent.
    size: int

    def __str__(self) -> str:
        return f"{self.status} {json.dumps(self.body)}"


@dataclass
class TestUser:
    """A user who has an account or is about to sign up."""

    email: str
    password: str = PASSWORD
    id: str = ""
    token: str = ""

    @staticmethod
    def new() -> "TestUser":
        """Returns a user with an unused email."""
        return TestUser(f"user{next(NUMBERS)}@example.com")


class Api:
    """The API behind the emulated API Gateway, which identifies it by its host name."""

    def __init__(self, port: int, host: str) -> None:
        self.port = port
        self.host = host

    def connect(self) -> http.client.HTTPConnection:
        """Returns a connection to the API."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(
        self, method: str, path: str, user: TestUser | None = None, body: object = None, **headers: str
    ) -> Response:
        """Sends a request. An underscore in the name of a header stands for a hyphen."""
        fields = {"host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            fields["authorization"] = f"Bearer {user.token}"
        if body is not None:
            fields["content-type"] = "application/json"
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), fields)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        received: dict[str, str] = {}
        for name, value in response.getheaders():
            earlier = received.get(name.lower())
            received[name.lower()] = value if earlier is None else f"{earlier}, {value}"
        text = gzip.decompress(content) if received.get("content-encoding") == "gzip" else content
        return Response(response.status, received, json.loads(text) if text else None, len(content))

    def send_ok(self, method: str, path: str, user: TestUser | None = None, body: object = None) -> Any:
        """Sends a request that must succeed, and returns the body of the response."""
        response = self.send(method, path, user, body)
        if response.status not in (200, 202):
            raise Failure(f"{method} {path} did not succeed: {response}")
        return response.body

    def log_in(self, user: TestUser, password: str | None = None) -> Response:
        """Sends a login request."""
        body = {"email": user.email, "password": password or user.password}
        return self.send("POST", "/api/auth/login", None, body)

    def sign_up(self, user: TestUser) -> Response:
        """Sends a signup request."""
        body = {"email": user.email, "password": user.password}
        return self.send("POST", "/api/auth/signup", None, body)

    def new_user(self, user: TestUser | None = None) -> TestUser:
        """Signs up a user and logs in. Returns the user with an id and a token."""
        user = user or TestUser.new()
        for response in (self.sign_up(user), self.log_in(user)):
            if response.status != 200:
                raise Failure(f"a user could not sign up and log in: {response}")
            user.id, user.token = response.body.get("id", user.id), response.body.get("token", "")
        return user

    def new_movie(self, user: TestUser) -> str:
        """Creates a movie, and returns its id."""
        return self.send_ok("POST", "/api/movies", user, film())["id"]


def film() -> dict[str, object]:
    """Returns a movie with an unused name."""
    return {"name": f"Film {next(NUMBERS)}", "casts": ["Tilda Swinton"], "genres": ["Drama"]}
