"""A client of the deployed API, and people who use it."""

import http.client
import itertools
import json
from dataclasses import dataclass
from typing import Any

from report import Failure

PASSWORD = "a bag full of films"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.status} {json.dumps(self.body)}"


@dataclass
class Person:
    """Somebody with an account, or who is going to have one."""

    email: str
    password: str = PASSWORD
    id: str = ""
    token: str = ""

    @staticmethod
    def new() -> "Person":
        """Somebody nobody has seen before."""
        return Person(f"person{next(NUMBERS)}@example.com")


class Api:
    """The API behind the emulated API Gateway, which knows it by its host name."""

    def __init__(self, port: int, host: str) -> None:
        self.port = port
        self.host = host

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the API."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(self, method: str, path: str, person: Person | None = None, body: object = None, **headers: str) -> Answer:
        """Sends one request. An underscore in the name of a header stands for a hyphen."""
        fields = {"host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        if person:
            fields["authorization"] = f"Bearer {person.token}"
        if body is not None:
            fields["content-type"] = "application/json"
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), fields)
            response = connection.getresponse()
            text = response.read().decode()
            answered = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        return Answer(response.status, answered, json.loads(text) if text else None)

    def ask(self, method: str, path: str, person: Person | None = None, body: object = None) -> Any:
        """Sends a request that has to succeed. Returns the body of the answer."""
        answer = self.send(method, path, person, body)
        if answer.status not in (200, 202):
            raise Failure(f"{method} {path} was to succeed: {answer}")
        return answer.body

    def log_in(self, person: Person, password: str | None = None) -> Answer:
        """Tries to log in."""
        body = {"email": person.email, "password": password or person.password}
        return self.send("POST", "/api/auth/login", None, body)

    def sign_up(self, person: Person) -> Answer:
        """Tries to sign up."""
        body = {"email": person.email, "password": person.password}
        return self.send("POST", "/api/auth/signup", None, body)

    def person(self, person: Person | None = None) -> Person:
        """Signs up somebody, and logs them in."""
        person = person or Person.new()
        for answer in (self.sign_up(person), self.log_in(person)):
            if answer.status != 200:
                raise Failure(f"somebody was to sign up and log in: {answer}")
            person.id, person.token = answer.body.get("id", person.id), answer.body.get("token", "")
        return person

    def movie(self, person: Person) -> str:
        """Adds a movie. Returns its id."""
        return self.ask("POST", "/api/movies", person, film())["id"]


def film() -> dict[str, object]:
    """A movie whose name nobody has used."""
    return {"name": f"Film {next(NUMBERS)}", "casts": ["Tilda Swinton"], "genres": ["Drama"]}
