"""Tests mails from outside: what users receive, and what stays private."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api import PASSWORD, Api, Response, TestUser
from consumer import Consumer, record
from journey import is_problem, logs
from report import SECONDS, Failure, check, within
from stack import Stack
from tables import Tables

TABLES = ("OutboxTable", "PasswordResetsTable")
# The hourly run leaves younger mails to the stream.
AGE = timedelta(minutes=5)
NEW_PASSWORD = "another bag of films"


@dataclass(frozen=True)
class Waiting:
    """A reset mail that is to be sent."""

    id: str
    user: TestUser


class Mail(Consumer):
    """The function `send-mail`, and the mails that SES accepted from it."""

    def __init__(self, stack: Stack, api: Api) -> None:
        super().__init__(stack, api, "send-mail", "MailDeadLetters")
        physical = stack.physical("AWS::DynamoDB::Table")
        self.tables = Tables(stack, {table: physical[table] for table in TABLES})

    def begin(self) -> Callable[[], bool]:
        """Adds a reset mail that has waited for some time. Returns whether it is sent."""
        waiting = self.waiting()
        return lambda: self.is_sent(waiting)

    def waiting(self) -> Waiting:
        """Adds a reset mail to a new user that has waited for some time."""
        user = self.api.new_user()
        return Waiting(self.tables.put_reset_mail(user.email, AGE), user)

    def is_sent(self, waiting: Waiting) -> bool:
        """Returns whether SES has accepted a mail, and its item has been deleted."""
        pending = waiting.id in {item["id"] for item in self.tables.items("OutboxTable")}
        return bool(self.received(waiting.user)) and not pending

    def is_idle(self) -> bool:
        """Returns whether no mail is waiting."""
        return not self.tables.items("OutboxTable")

    def received(self, user: TestUser) -> list[dict[str, Any]]:
        """Returns the mails to a user, the earliest first."""
        return [mail for mail in self.stack.cloud.mails() if user.email in mail["To"]]

    def arrived(self, user: TestUser, number: int) -> dict[str, Any]:
        """Waits for the mail to a user with this number, and returns it."""
        if not within(SECONDS, lambda: len(self.received(user)) >= number):
            raise Failure(f"mail {number} to {user.email} did not arrive: {self.received(user)}")
        return self.received(user)[number - 1]


def password_reset(mail: Mail) -> None:
    """A user loses the password, and gets back in."""
    api, stack = mail.api, mail.stack
    ann, stranger = api.new_user(), TestUser.new()
    check(api.log_in(ann, "not the password").status == 401, "a user has forgotten the password")
    asked, unknown = forgot(api, ann), forgot(api, stranger)
    check((asked.status, asked.body) == (202, {}), "a password reset is accepted", asked)
    check(alike(asked, unknown), "for an unknown email, the response is the same", (asked.headers, unknown.headers))
    letter = mail.arrived(ann, 1)
    parameters = stack.parameters()
    check((letter["Source"], letter["To"]) == (parameters["MailFrom"], [ann.email]), "a mail arrives", letter)
    link = rf"{re.escape(parameters['PasswordResetUrl'])}#reset_token=([\w-]{{43}})(?![\w-])"
    tokens = {tuple(set(re.findall(link, letter[part]))) for part in ("BodyText", "BodyHtml")}
    check(len(tokens) == 1 and len(min(tokens)) == 1, "its text and its HTML have the same link", letter)
    ((token,),) = tokens
    check(api.send("GET", "/api/auth/account", ann).status == 200, "until the reset, the session stays valid")
    reset = {"reset_token": token, "password": NEW_PASSWORD}
    response = api.send("POST", "/api/auth/reset", None, reset)
    check((response.status, response.body) == (200, {}), "the token of the link resets the password", response)
    check(api.send("GET", "/api/auth/account", ann).status == 401, "this ends the earlier session")
    again = api.send("POST", "/api/auth/reset", None, reset)
    check(is_problem(again, 403, "invalid_reset_token"), "the token works once", again)
    check(is_problem(api.log_in(ann), 401, "invalid_credentials"), "the old password is refused")
    response = api.log_in(ann, NEW_PASSWORD)
    check(response.status == 200, "the new password is accepted", response)
    ann.token = response.body["token"]
    notice = mail.arrived(ann, 2)
    check(is_notice(notice, letter, token), "a notice of the reset arrives", notice)
    change = {"current_password": NEW_PASSWORD, "new_password": PASSWORD}
    changed = api.send("PUT", "/api/auth/password", ann, change)
    check(changed.status == 200, "the user changes the password", changed)
    notice = mail.arrived(ann, 3)
    check(is_notice(notice, letter, token), "a notice of the change arrives", notice)
    check(within(SECONDS, mail.is_idle), "no mail is left in the outbox", mail.tables.items("OutboxTable"))
    check(not mail.received(stranger), "the unknown email received nothing")
    private(mail, token)


def forgot(api: Api, user: TestUser) -> Response:
    """Requests a password reset."""
    return api.send("POST", "/api/auth/forgot", None, {"email": user.email})


def alike(one: Response, other: Response) -> bool:
    """Returns whether two responses differ only in the time and in the id of the request."""
    either = [{**each.headers, "date": "", "apigw-requestid": ""} for each in (one, other)]
    return (one.status, one.body, either[0]) == (other.status, other.body, either[1])


def is_notice(notice: dict[str, Any], letter: dict[str, Any], token: str) -> bool:
    """Returns whether a mail reports a changed password, without a token or a password in it."""
    text = notice["BodyText"] + notice["BodyHtml"]
    secret = any(each in text for each in (token, "reset_token", PASSWORD, NEW_PASSWORD))
    return notice["Subject"] not in ("", letter["Subject"]) and "was changed" in notice["BodyText"] and not secret


def private(mail: Mail, token: str) -> None:
    """Checks what a user's reset leaves behind."""
    records = mail.tables.streamed("OutboxTable")
    keys = {tuple(each["dynamodb"]["Keys"]) for each in records}
    images = [each for each in records if each["dynamodb"].keys() & {"NewImage", "OldImage"}]
    check(keys == {("id",)} and not images, "the stream of the outbox has only ids", records)
    left = [item for items in mail.tables.all().values() for item in items if token in repr(item)]
    check(not left and not mail.tables.traces("@"), "no token and no email is left in a table", left)
    logs(mail.stack, token, NEW_PASSWORD, "reset_token=")
    for event in ("reset_requested", "reset_mail_sent", "password_reset"):
        logged = within(SECONDS, lambda event=event: mail.stack.logged(f'"{event}"'))
        check(logged, f"the logs contain {event}")


def other_sender(mail: Mail) -> None:
    """The role of `send-mail` allows no other sender, not even of the same domain."""
    variables = dict(mail.stack.variables(mail.function, "$LATEST"), MAIL_FROM="other@example.com")
    with mail.mapping_set(False):
        waiting = mail.waiting()
        with mail.configured(Environment={"Variables": variables}):
            failed = mail.failures(record(id=waiting.id), function=mail.function.name)
        refused = failed and not mail.received(waiting.user)
        check(refused, "the role allows no other sender of the domain", failed)
        denied = within(SECONDS, lambda: mail.stack.logged("AccessDeniedException"))
        check(denied, "the function logs why, and the mail waits")
        sent = not mail.failures(record(id=waiting.id)) and mail.is_sent(waiting)
        check(sent, "the address of MailFrom is allowed")
