"""What goes wrong with deployments, and that the commands of the documents mend it."""

import copy

from api import Api, Person
from documents import block
from lifetime import listed
from report import Failure, check
from stack import RUNBOOK, Stack

SECURITY = "SECURITY.md"
ROTATION = "Rotating the key of the tokens"
TABLE = "AWS::DynamoDB::Table"
# What CodeDeploy says.
MOVED = "The Lambda function alias version does not match the current version in AppSpec file"
# Values that the template does not allow, one for each kind of rule, and words of the reason.
NOT_ALLOWED = [
    ("BcryptCost", "nine", "Number"),
    ("BcryptCost", "9", "not less than 10"),
    ("BcryptCost", "16", "not greater than 15"),
    ("Rollout", "Sometimes", "AllowedValues"),
    ("LogRetention", "2", "AllowedValues"),
    ("Release", "short", "must match pattern"),
    ("DomainName", "films.example", "DomainName requires CertificateArn"),
]


def not_created(stack: Stack) -> None:
    """A first deployment that fails is cleared away with the commands of the runbook."""
    tables = listed(stack.cloud, TABLE)
    # Two of the three functions get them.
    reason = stack.refused("HashingConcurrency=400")
    check("UnreservedConcurrentExecution" in reason, "a stack that reserves more than the account has fails", reason)
    check(stack.status() == "ROLLBACK_COMPLETE", "its creation is rolled back", stack.status())
    kept = listed(stack.cloud, TABLE) - tables
    check(len(kept) == 3, "its tables are kept, as tables always are", kept)
    reason = stack.refused()
    check("ROLLBACK_COMPLETE" in reason, "it cannot be deployed again", reason)
    stack.follow(RUNBOOK, "The first deployment", "delete-stack")
    left = listed(stack.cloud, TABLE) - tables
    check(not left, "the commands of the runbook clear it away, with its tables", left)


def not_allowed(stack: Stack) -> None:
    """Parameters that the template does not allow are refused before anything is changed."""
    for parameter, value, words in NOT_ALLOWED:
        reason = stack.refused_value(parameter, value)
        if words not in reason:
            raise Failure(f"{parameter}={value} was to be refused because of {words!r}: {reason}")
    check(NOT_ALLOWED, f"{len(NOT_ALLOWED)} values that the template does not allow are refused")


def several_origins(stack: Stack, api: Api) -> None:
    """A parameter that is a list reaches API Gateway as one."""
    stack.deploy("CorsOrigins=https://films.example,https://more.example")
    asked = {"access_control_request_method": "POST"}
    allowed = {}
    for origin in ("https://films.example", "https://more.example", "https://other.example"):
        answer = api.send("OPTIONS", "/api/movies", origin=origin, **asked)
        allowed[origin] = answer.headers.get("access-control-allow-origin")
    expected = {origin: origin if "other" not in origin else None for origin in allowed}
    check(allowed == expected, "each of several origins may call the API, and no other", allowed)
    stack.deploy("CorsOrigins=*")


def by_sam(stack: Stack) -> None:
    """`sam deploy` alone, which would keep the release and so publish nothing, deploys nothing."""
    try:
        stack.run("sam deploy")
    except Failure as failure:
        check("--stack-name" in str(failure), "sam has no settings to deploy with, so no release is forgotten", failure)
    else:
        raise Failure("sam was to have no settings to deploy with")


def route_removed(stack: Stack) -> None:
    """A route with a limit of its own is removed in two steps, and not in one."""
    before = stack.template()
    (route, path, method) = ("POST /api/auth/login", "/api/auth/login", "post")
    limits, routes = copy.deepcopy(before), copy.deepcopy(before)
    (stage,) = [name for name, each in before["Resources"].items() if each["Type"] == "AWS::ApiGatewayV2::Stage"]
    for template in (limits, routes):
        del template["Resources"][stage]["Properties"]["RouteSettings"][route]
    del routes["Resources"]["Api"]["Properties"]["Body"]["paths"][path][method]
    reason = stack.update(routes)
    check(reason and f"Unable to find Route by key {route}" in reason, "a limited route is not removed at once", reason)
    reason = stack.update(limits)
    check(reason is None, "its limit can be removed first", reason)
    reason = stack.update(routes)
    check(reason is None, "and then the route", reason)
    reason = stack.update(before)
    check(reason is None, "both come back in one step", reason)


def releases(stack: Stack) -> set[str]:
    """The releases that functions serve, of which there should be one."""
    functions = stack.functions().values()
    return {stack.release(function, stack.live(function)["live"]) or "" for function in functions}


def serving(stack: Stack) -> str:
    """The release that all functions serve."""
    found = releases(stack)
    if len(found) != 1:
        raise Failure(f"all functions were to serve one release: {found}")
    return found.pop()


def roll_back(stack: Stack, release: str) -> None:
    """Rolls back with the commands of the runbook."""
    commands = [block(RUNBOOK, "Rolling back", "functions=$("), block(RUNBOOK, "Rolling back", "GOOD", GOOD=release)]
    stack.run("\n".join(commands))


def rolled_back(stack: Stack, api: Api, good: str) -> None:
    """A release is rolled back, and then the next follows."""
    ann, bad = api.person(), serving(stack)
    roll_back(stack, good)
    check(serving(stack) == good, "the commands of the runbook roll every function back")
    check(knows(api, ann), "sessions go on")
    reason = stack.refused()
    check(MOVED in reason, "no gradual release begins after that", reason)
    check(serving(stack) == good, "and the functions stay where they were put", serving(stack))
    stack.follow(RUNBOOK, "Rolling back", "Rollout=AllAtOnce")
    check(serving(stack) > bad, "the runbook's deployment takes over from there")
    check(stack.deploy() == "UPDATE_COMPLETE", "and the one after it is gradual again")
    check(knows(api, ann), "sessions went on")


def key_known(stack: Stack, api: Api, good: str) -> None:
    """The key becomes known while a release is rolled back."""
    ann, bad = api.person(), serving(stack)
    login = stack.lambda_.get_function_configuration(FunctionName=stack.functions()["login"].name, Qualifier="live")
    signs = login["Environment"]["Variables"]["JWT_SECRET_KEY"]
    commands = block(SECURITY, ROTATION, "deploy_keys()")
    check(stack.run(f'{commands}\necho "$OLD"').strip() == signs, "the commands of SECURITY.md find the key that signs")
    roll_back(stack, good)
    stack.run("\n".join([commands, block(SECURITY, ROTATION, "AllAtOnce")]))
    check(serving(stack) > bad, "after a rollback, too, a key that became known is changed at once")
    check(not knows(api, ann), "which ends every session")
    ann.token = api.log_in(ann).body["token"]
    check(stack.deploy() == "UPDATE_COMPLETE", "the next release is gradual")
    check(knows(api, ann), "and the sessions of the new key go on")


def knows(api: Api, person: Person) -> bool:
    """Whether a person's session is taken."""
    answer = api.send("GET", "/api/auth/account", person)
    if answer.status not in (200, 401):
        raise Failure(f"a session was to be taken or refused: {answer}")
    return answer.status == 200
