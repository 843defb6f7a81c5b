"""Turns mails on and off, and compares the stack with the template and with itself."""

import json

import translation
from api import PASSWORD, Api
from documents import block
from lifetime import through_the_alias
from report import Failure, check, note
from roles import Role, Statement
from stack import RUNBOOK, Stack
from tables import Tables

# The section of the runbook.
HEADING = "Mail"
# The functions that exist only where mails are sent, and the one that is different there.
OPERATIONS = {"forgot-password", "reset-password", "send-mail"}
NOTICES = "change-password"

Configuration = dict[str, tuple[dict[str, str], list[Statement]]]


def configuration(stack: Stack) -> Configuration:
    """Returns the environment variables and the statements of each function, by operation."""
    found = {}
    for operation, function in stack.functions().items():
        variables, role = dict(stack.variables(function, "live")), Role(stack, function)
        # Each deployment sets another release.
        del variables["RELEASE"]
        policies = [*role.inline().values(), *role.attached().values()]
        found[operation] = variables, [statement for policy in policies for statement in policy]
    return found


def silent(stack: Stack, api: Api) -> None:
    """Checks a stack that sends no mails."""
    others = {name: value for name, value in stack.parameters().items() if name not in translation.MAIL}
    translated = translation.active(translation.without_mail(), others)
    check(same_resources(stack, translated), "no resource of mails exists")
    bodies = {"forgot": {"email": "a@example.com"}, "reset": {"reset_token": "a", "password": PASSWORD}}
    for path, body in bodies.items():
        response = api.send("POST", f"/api/auth/{path}", None, body)
        unknown = (response.status, response.body) == (404, {"message": "Not Found"})
        check(unknown, f"/api/auth/{path} is an unknown route", response)
    variables, statements = configuration(stack)[NOTICES]
    notices = "OUTBOX_TABLE" in variables or "PutNotice" in {each["Sid"] for each in statements}
    check(not notices, f"{NOTICES} can put nothing into an outbox")


def same_resources(stack: Stack, translated: translation.Resources) -> bool:
    """Fails unless a stack has exactly the resources of a translated template."""
    expected = {name: each["Type"] for name, each in translated.items()}
    found = {name: each["ResourceType"] for name, each in stack.resources().items()}
    if found != expected:
        raise Failure(f"the stack must have other resources: {found.items() ^ expected.items()}")
    return True


def verified(stack: Stack) -> None:
    """Verifies the domain of the sender in SES with the commands of the runbook."""
    create = block(RUNBOOK, HEADING, "SigningHostedZone", DOMAIN="example.com")
    output = stack.run(f'{create}\n{block(RUNBOOK, HEADING, "VerifiedForSendingStatus")}')
    (tokens, _), end = json.JSONDecoder().raw_decode(output)
    check(len(tokens) == 3, "the commands of the runbook show what to add to the DNS", output)
    check(output[end:].split()[0] == "True", "and that the domain is verified", output)
    note("the emulator has no signing zone, and verifies a domain before its DKIM")


def turned_on(stack: Stack, tables: Tables) -> None:
    """Turns mails on with the command of the runbook."""
    before, data = configuration(stack), tables.all()
    stack.follow(RUNBOOK, HEADING, "MailFrom=bag@")
    check(stack.status() == "UPDATE_COMPLETE", "the command of the runbook turns mails on", stack.status())
    check(tables.all() == data, "every item of the tables of data stays")
    translated = translation.active(translation.source(), stack.parameters())
    check(same_resources(stack, translated), "the resources of mails exist")
    check(difference(before, configuration(stack)), f"every function but {NOTICES} has the same environment and role")
    through_the_alias(stack)


def turned_off(stack: Stack, api: Api, tables: Tables) -> None:
    """Turns mails off with the command of the runbook."""
    before, data = configuration(stack), tables.all()
    stack.follow(RUNBOOK, HEADING, 'MailFrom=""')
    check(stack.status() == "UPDATE_COMPLETE", "the command of the runbook turns mails off", stack.status())
    check(tables.all() == data, "every item of the tables of data stays")
    silent(stack, api)
    check(difference(configuration(stack), before), f"every function but {NOTICES} has the same environment and role")


def difference(without: Configuration, mailing: Configuration) -> bool:
    """Fails unless mails add their functions, one variable and one statement, and change nothing else."""
    if (added := mailing.keys() - without.keys()) != OPERATIONS:
        raise Failure(f"mails must add the functions {OPERATIONS}: {added}")
    variables, statements = mailing[NOTICES]
    expected = {operation: mailing[operation] for operation in mailing.keys() - OPERATIONS}
    expected[NOTICES] = (
        {name: value for name, value in variables.items() if name != "OUTBOX_TABLE"},
        [each for each in statements if each["Sid"] != "PutNotice"],
    )
    # Names only, because a value can be a key.
    if changed := {operation for operation in without if without[operation] != expected.get(operation)}:
        raise Failure(f"mails must change nothing else of these functions: {changed}")
    if len(variables) - 1 != len(without[NOTICES][0]) or len(statements) - 1 != len(without[NOTICES][1]):
        raise Failure(f"mails must add a variable and a statement to {NOTICES}")
    return True
