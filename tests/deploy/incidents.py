"""Checks that the commands of the documents resolve failures of deployments."""

import copy

from api import Api, TestUser
from documents import block
from lifetime import listed
from report import Failure, check
from stack import RUNBOOK, Stack

SECURITY = "SECURITY.md"
ROTATION = "Rotating the signing key"
TABLE = "AWS::DynamoDB::Table"
# CodeDeploy's error message.
MOVED = "The Lambda function alias version does not match the current version in AppSpec file"
# Values that the template rejects, with at least one for each kind of rule, and part of the error message.
NOT_ALLOWED = [
    ("BcryptCost", "nine", "Number"),
    ("BcryptCost", "9", "not less than 10"),
    ("BcryptCost", "16", "not greater than 15"),
    ("Rollout", "Sometimes", "AllowedValues"),
    ("LogRetention", "2", "AllowedValues"),
    ("Release", "short", "must match pattern"),
    ("MailFrom", "bag", "must match pattern"),
    ("PasswordResetUrl", "https://bag.example.com/#reset", "must match pattern"),
    ("DomainName", "films.example", "DomainName requires CertificateArn"),
]


def not_created(stack: Stack) -> None:
    """A first deployment fails and is removed with the commands of the runbook."""
    tables = listed(stack.cloud, TABLE)
    # The account has enough concurrency for two of the three functions.
    reason = stack.refused("HashingConcurrency=400")
    check("UnreservedConcurrentExecution" in reason, "a stack that reserves too much concurrency fails", reason)
    check(stack.status() == "ROLLBACK_COMPLETE", "its creation is rolled back", stack.status())
    kept = listed(stack.cloud, TABLE) - tables
    check(len(kept) == 3, "its tables of data are retained", kept)
    reason = stack.refused()
    check("ROLLBACK_COMPLETE" in reason, "it cannot be deployed again", reason)
    stack.follow(RUNBOOK, "The first deployment", "delete-stack")
    left = listed(stack.cloud, TABLE) - tables
    check(not left, "the commands of the runbook delete it and its tables", left)


def not_allowed(stack: Stack) -> None:
    """Invalid parameters are rejected before anything is changed."""
    for parameter, value, words in NOT_ALLOWED:
        reason = stack.refused_value(parameter, value)
        if words not in reason:
            raise Failure(f"{parameter}={value} was not rejected because of {words!r}: {reason}")
    check(NOT_ALLOWED, f"{len(NOT_ALLOWED)} invalid values of parameters are rejected")


def several_origins(stack: Stack, api: Api) -> None:
    """A list parameter reaches API Gateway as a list."""
    stack.deploy("CorsOrigins=https://films.example,https://more.example")
    asked = {"access_control_request_method": "POST"}
    allowed = {}
    for origin in ("https://films.example", "https://more.example", "https://other.example"):
        response = api.send("OPTIONS", "/api/movies", origin=origin, **asked)
        allowed[origin] = response.headers.get("access-control-allow-origin")
    expected = {origin: origin if "other" not in origin else None for origin in allowed}
    check(allowed == expected, "each of several origins may call the API, and no other origin", allowed)
    stack.deploy("CorsOrigins=*")


def by_sam(stack: Stack) -> None:
    """`sam deploy` alone, which would keep the release and publish no versions, deploys nothing."""
    try:
        stack.run("sam deploy")
    except Failure as failure:
        check("--stack-name" in str(failure), "sam alone deploys nothing, so it cannot reuse a release", failure)
    else:
        raise Failure("sam must have no settings for deployments")


def route_removed(stack: Stack) -> None:
    """A route with a rate limit of its own can only be removed in two steps."""
    before = stack.template()
    (route, path, method) = ("POST /api/auth/login", "/api/auth/login", "post")
    limits, routes = copy.deepcopy(before), copy.deepcopy(before)
    (stage,) = [name for name, each in before["Resources"].items() if each["Type"] == "AWS::ApiGatewayV2::Stage"]
    for template in (limits, routes):
        del template["Resources"][stage]["Properties"]["RouteSettings"][route]
    del routes["Resources"]["Api"]["Properties"]["Body"]["paths"][path][method]
    reason = stack.update(routes)
    refused = reason and f"Unable to find Route by key {route}" in reason
    check(refused, "a route with a rate limit cannot be removed in one step", reason)
    reason = stack.update(limits)
    check(reason is None, "its rate limit can be removed first", reason)
    reason = stack.update(routes)
    check(reason is None, "and then the route", reason)
    reason = stack.update(before)
    check(reason is None, "both can be added in one step", reason)


def releases(stack: Stack) -> set[str]:
    """Returns the releases that the functions serve, normally one."""
    functions = stack.functions().values()
    return {stack.release(function, stack.live(function)["live"]) or "" for function in functions}


def serving(stack: Stack) -> str:
    """Returns the release that all functions serve."""
    found = releases(stack)
    if len(found) != 1:
        raise Failure(f"the functions serve different releases: {found}")
    return found.pop()


def roll_back(stack: Stack, release: str) -> None:
    """Rolls back with the commands of the runbook."""
    commands = [block(RUNBOOK, "Rolling back", "functions=$("), block(RUNBOOK, "Rolling back", "GOOD", GOOD=release)]
    stack.run("\n".join(commands))


def rolled_back(stack: Stack, api: Api, good: str) -> None:
    """A release is rolled back and followed by another."""
    ann, bad = api.new_user(), serving(stack)
    roll_back(stack, good)
    check(serving(stack) == good, "the commands of the runbook roll back every function")
    check(accepts(api, ann), "sessions stay valid")
    reason = stack.refused()
    check(MOVED in reason, "a gradual release is refused afterwards", reason)
    check(serving(stack) == good, "the functions stay rolled back", serving(stack))
    stack.follow(RUNBOOK, "Rolling back", "Rollout=AllAtOnce")
    check(serving(stack) > bad, "the deployment of the runbook replaces the release")
    check(stack.deploy() == "UPDATE_COMPLETE", "the next deployment is gradual again")
    check(accepts(api, ann), "sessions are still valid")


def key_compromised(stack: Stack, api: Api, good: str) -> None:
    """The signing key is compromised and replaced after a rollback."""
    ann, bad = api.new_user(), serving(stack)
    signing_key = stack.variables(stack.functions()["login"], "live")["JWT_SECRET_KEY"]
    commands = block(SECURITY, ROTATION, "deploy_keys()")
    found = stack.run(f'{commands}\necho "$OLD"').strip()
    check(found == signing_key, "the commands of SECURITY.md find the signing key")
    roll_back(stack, good)
    stack.run("\n".join([commands, block(SECURITY, ROTATION, "AllAtOnce")]))
    check(serving(stack) > bad, "a compromised key can be replaced at once, even after a rollback")
    check(not accepts(api, ann), "this ends every session")
    ann.token = api.log_in(ann).body["token"]
    check(stack.deploy() == "UPDATE_COMPLETE", "the next deployment is gradual")
    check(accepts(api, ann), "sessions of the new key stay valid")


def accepts(api: Api, user: TestUser) -> bool:
    """Returns whether the API accepts a user's token."""
    response = api.send("GET", "/api/auth/account", user)
    if response.status not in (200, 401):
        raise Failure(f"a token must be accepted or rejected: {response}")
    return response.status == 200
