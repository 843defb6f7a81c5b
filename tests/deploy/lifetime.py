"""The life of a stack: it is deployed, updated with data in it, restored, deleted and imported again."""

import re
import time
from datetime import datetime, timezone
from typing import Any

from api import Api
from cloud import Cloud
from documents import PROJECT, block, blocks
from report import Failure, check, note
from stack import RUNBOOK, Stack
from tables import Tables

# How each service lists its resources: the request, the member of the response with the list, and the name of an entry.
LISTS: dict[str, tuple[str, str, str, str]] = {
    "AWS::ApiGatewayV2::Api": ("apigatewayv2", "get_apis", "Items", "ApiId"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "AWS::DynamoDB::Table": ("dynamodb", "list_tables", "TableNames", ""),
    "AWS::Events::Rule": ("events", "list_rules", "Rules", "Name"),
    "AWS::IAM::ManagedPolicy": ("iam", "list_policies", "Policies", "Arn"),
    "AWS::IAM::Role": ("iam", "list_roles", "Roles", "RoleName"),
    "AWS::Lambda::EventSourceMapping": ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    "AWS::Lambda::Function": ("lambda", "list_functions", "Functions", "FunctionName"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "AWS::Logs::MetricFilter": ("logs", "describe_metric_filters", "metricFilters", "filterName"),
    "AWS::SNS::Topic": ("sns", "list_topics", "Topics", "TopicArn"),
    "AWS::SQS::Queue": ("sqs", "list_queues", "QueueUrls", ""),
    "AWS::SecretsManager::Secret": ("secretsmanager", "list_secrets", "SecretList", "Name"),
}


def equipped(stack: Stack) -> None:
    """The runbook names the versions of the tools that this test uses."""
    commands = {
        "aws-sam-cli": "sam --version",
        "awscli": "aws --version",
        "cargo-lambda": "cargo-lambda lambda --version",
    }
    named = dict(re.findall(r"pip\sinstall ([\w-]+)==([\d.]+)", (PROJECT / RUNBOOK).read_text()))
    used = {tool: stack.run(command) for tool, command in commands.items()}
    same = set(named) == set(used) and all(re.search(rf"\b{named[tool]}\b", used[tool]) for tool in named)
    check(same, "the runbook names the versions of the tools that this test uses", (named, used))


def created(stack: Stack) -> None:
    """Deploys the stack for the first time."""
    status = stack.deploy("BcryptCost=10")
    check(status == "CREATE_COMPLETE", "the stack is created", status)


def updated(stack: Stack, api: Api, tables: Tables) -> None:
    """Deploys another release with another parameter to a stack with data."""
    functions = stack.functions().values()
    ann = api.new_user()
    path = f"/api/movies/{api.new_movie(ann)}"
    movie, before = api.send_ok("GET", path), {function.name: stack.live(function) for function in functions}
    status = stack.deploy("BcryptCost=11")
    check(status == "UPDATE_COMPLETE", "another release is deployed", status)
    check({function.name for function in stack.functions().values()} == set(before), "the functions stay the same")
    for function in functions:
        old, new = before[function.name], stack.live(function)
        if set(new) != {"live"} or int(new["live"]) != int(old["live"]) + 1:
            raise Failure(f"the alias of {function.operation} did not move to the version after {old}: {new}")
        variables = stack.variables(function, "live")
        if variables.get("BCRYPT_COST", "11") != "11":
            raise Failure(f"{function.operation} does not have the new parameter: {variables}")
        # Unlike the emulator, AWS publishes no version of a function in which nothing has changed.
        published = [stack.release(function, version) for version in (old["live"], new["live"])]
        if None in published or published[0] == published[1]:
            raise Failure(f"the versions of {function.operation} do not have different releases: {published}")
    check(functions, "every alias points to a new version with the new parameter")
    check(api.send_ok("GET", path) == movie, "the movie still exists")
    check(api.send("GET", "/api/auth/account", ann).status == 200, "the session stays valid")
    check(api.log_in(ann).status == 200, "the password is still accepted")
    (user,) = [item for item in tables.items("UsersTable") if item.get("id") == ann.id]
    check(user["password_hash"].startswith("$2b$11$"), "its hash now has the new cost")


def through_the_alias(stack: Stack) -> None:
    """Every caller invokes an alias, which a gradual rollout requires."""
    gateway, events = stack.cloud.client("apigatewayv2"), stack.cloud.client("events")
    called = [entry["IntegrationUri"] for entry in gateway.get_integrations(ApiId=stack.api_id())["Items"]]
    for rule in stack.physical("AWS::Events::Rule").values():
        called += [target["Arn"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
    mappings = stack.physical("AWS::Lambda::EventSourceMapping").values()
    called += [stack.lambda_.get_event_source_mapping(UUID=mapping)["FunctionArn"] for mapping in mappings]
    others = [name for name in called if not name.removesuffix("/invocations").endswith(":live")]
    # A function may have several routes. One with a mapping has a schedule instead.
    found = {name.partition(":function:")[2].partition(":")[0] for name in called}
    complete = found == {function.name for function in stack.functions().values()}
    check(complete and not others, "routes, mappings and schedules invoke aliases", others or called)


def restored(stack: Stack, tables: Tables) -> None:
    """Restores the tables with the commands of the runbook, which also stop the functions."""
    data, heading = tables.all(), "Restoring the data of an earlier moment"
    # Wait until the second of the last write is over, so that the restored data includes it.
    time.sleep(1)
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for commands in blocks(RUNBOOK, heading, MOMENT=moment):
        stack.run(commands)
    names = {table: f"{stack.name}-{table.removesuffix('Table')}-restored" for table in tables.names}
    new = Tables(stack, names)
    check(new.all() == data, "the commands of the runbook restore every item of every table")
    # Compared with the template, because the emulator loses some settings of the stack's own tables.
    expected = {table: settings(stack.template()["Resources"][table]["Properties"]) for table in names}
    found = new.settings()
    check(found == expected and new.recoverable(), "they have the settings of the template", (found, expected))
    note("the emulator imports only tables with names that it generated, so these are not imported into a stack")


def settings(table: dict[str, Any]) -> list[Any]:
    """Returns the settings of a table in a template, in the form of `Tables.settings`."""
    stream = table.get("StreamSpecification", {}).get("StreamViewType")
    indexes = sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes", []))
    expiry = table.get("TimeToLiveSpecification", {}).get("AttributeName")
    return [table["DeletionProtectionEnabled"], stream, indexes, expiry]


def deleted(stack: Stack, tables: Tables) -> str:
    """Deletes the stack, and returns the id that it had."""
    stack_id, data, resources = stack.identity(), tables.all(), names_in(stack)
    check(data["UsersTable"] and data["MoviesTable"], "the tables have data")
    for kind, names in resources.items():
        if missing := names - listed(stack.cloud, kind):
            raise Failure(f"the service does not list these resources of type {kind}: {missing}")
    stack.delete()
    left = {kind: names & listed(stack.cloud, kind) for kind, names in resources.items()}
    kept = left.pop("AWS::DynamoDB::Table")
    check(kept == set(tables.names.values()), "the stack is deleted, and its tables of data are retained", kept)
    check(tables.all() == data, "they contain the same items as before")
    check(not any(left.values()), "no other resource of it is left", left)
    return stack_id


def imported(stack: Stack, tables: Tables, old_stack_id: str) -> None:
    """Imports the tables of a deleted stack into a new one, and deploys the other resources."""
    data = tables.all()
    # The runbook's variables: `AccountDeletionsTable` is ACCOUNT_DELETIONS.
    words = {logical: re.findall("[A-Z][a-z]+", logical.removesuffix("Table")) for logical in tables.names}
    names = {"_".join(words[logical]).upper(): name for logical, name in tables.names.items()}
    heading = "Bringing retained tables back under a stack"
    commands = block(RUNBOOK, heading, "IMPORT", OLD_STACK_ID=old_stack_id, **names)
    stack.run(commands)
    check(stack.status() == "UPDATE_COMPLETE", "the commands of the runbook import the tables into a new stack")
    check(tables.names.items() <= stack.physical("AWS::DynamoDB::Table").items(), "the stack has the same tables")
    check(tables.all() == data, "they still contain the same items")
    api = Api(stack.cloud.port, f"{stack.api_id()}.execute-api.localhost:{stack.cloud.port}")
    listed = api.send("GET", "/api/movies")
    check(listed.status == 200 and listed.body, "the new API lists the movies", listed)


def listed(cloud: Cloud, kind: str) -> set[str]:
    """Returns the names of all resources of a type."""
    service, request, entries, name = LISTS[kind]
    client: Any = cloud.client(service)
    if client.can_paginate(request):
        pages = list(client.get_paginator(request).paginate())
    else:
        pages = [getattr(client, request)()]
    return {path(entry[name] if name else entry) for page in pages for entry in page.get(entries, [])}


def names_in(stack: Stack) -> dict[str, set[str]]:
    """Returns the physical names of the stack's resources, by type."""
    return {kind: {path(name) for name in stack.physical(kind).values()} for kind in LISTS}


def path(name: str) -> str:
    """Returns a name unchanged, but only the path of a queue URL, because its host has more than one name."""
    return name.split("://", 1)[-1].partition("/")[2] if "://" in name else name
