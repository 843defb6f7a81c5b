"""A stack in the course of time: it is deployed, deployed again over data, and deleted."""

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

# How each service lists what it has: the request, where its answer has the list, and what names an entry.
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
    """The versions of tools that the runbook names are those that this test uses."""
    commands = {"aws-sam-cli": "sam --version", "awscli": "aws --version", "cargo-lambda": "cargo-lambda lambda --version"}
    named = dict(re.findall(r"pip\sinstall ([\w-]+)==([\d.]+)", (PROJECT / RUNBOOK).read_text()))
    used = {tool: stack.run(command) for tool, command in commands.items()}
    right = set(named) == set(used) and all(re.search(rf"\b{named[tool]}\b", used[tool]) for tool in named)
    check(right, "the runbook names the versions of the tools that this test uses", (named, used))


def created(stack: Stack) -> None:
    """Deploys the stack for the first time."""
    status = stack.deploy("BcryptCost=10")
    check(status == "CREATE_COMPLETE", "the stack is created", status)


def updated(stack: Stack, api: Api, tables: Tables) -> None:
    """Deploys another release with another parameter over data."""
    functions = stack.functions().values()
    ann = api.person()
    path = f"/api/movies/{api.movie(ann)}"
    movie, before = api.ask("GET", path), {function.name: stack.live(function) for function in functions}
    status = stack.deploy("BcryptCost=11")
    check(status == "UPDATE_COMPLETE", "another release is deployed over it", status)
    check({function.name for function in stack.functions().values()} == set(before), "the functions are the same")
    for function in functions:
        old, new = before[function.name], stack.live(function)
        if set(new) != {"live"} or int(new["live"]) != int(old["live"]) + 1:
            raise Failure(f"the alias of {function.operation} was to go one version on from {old}: {new}")
        config = stack.lambda_.get_function_configuration(FunctionName=function.name, Qualifier="live")
        variables = config["Environment"]["Variables"]
        if variables.get("BCRYPT_COST", "11") != "11":
            raise Failure(f"{function.operation} was to get the new parameter: {variables}")
        # AWS, unlike the emulator, makes no version of a function in which nothing has changed.
        published = [stack.release(function, version) for version in (old["live"], new["live"])]
        if None in published or published[0] == published[1]:
            raise Failure(f"the versions of {function.operation} were to tell their releases apart: {published}")
    check(functions, "every alias leads to a new version, with the new parameter")
    check(api.ask("GET", path) == movie, "the movie is still there")
    check(api.send("GET", "/api/auth/account", ann).status == 200, "the session goes on")
    check(api.log_in(ann).status == 200, "the password still opens the account")
    (user,) = [item for item in tables.items("UsersTable") if item.get("id") == ann.id]
    check(user["password_hash"].startswith("$2b$11$"), "and its hash was renewed at the new cost")


def through_the_alias(stack: Stack) -> None:
    """Everything that calls a function calls its alias, or a release could not take over gradually."""
    gateway, events = stack.cloud.client("apigatewayv2"), stack.cloud.client("events")
    called = [entry["IntegrationUri"] for entry in gateway.get_integrations(ApiId=stack.api_id())["Items"]]
    for rule in stack.physical("AWS::Events::Rule").values():
        called += [target["Arn"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
    for mapping in stack.physical("AWS::Lambda::EventSourceMapping").values():
        called.append(stack.lambda_.get_event_source_mapping(UUID=mapping)["FunctionArn"])
    past = [name for name in called if not name.removesuffix("/invocations").endswith(":live")]
    # The purge has no route, but a schedule and a mapping.
    all_there = len(called) == len(stack.functions()) + 1
    check(all_there and not past, "routes, mapping and schedule lead to aliases", past or called)


def restored(stack: Stack, tables: Tables) -> None:
    """Restores the tables with the commands of the runbook, which also stop the functions."""
    data, heading = tables.all(), "Restoring the data of an earlier moment"
    # Of the second that is over then, so that everything is in it.
    time.sleep(1)
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for commands in blocks(RUNBOOK, heading, MOMENT=moment):
        stack.run(commands)
    names = {table: f"{stack.name}-{table.removesuffix('Table')}-restored" for table in tables.names}
    new = Tables(stack, names)
    check(new.all() == data, "the commands of the runbook restore every table with everything in it")
    # Not what the stack's own tables have: of those the emulator forgets some.
    said = {table: settings(stack.template()["Resources"][table]["Properties"]) for table in names}
    check(new.settings() == said and new.recoverable(), "with the settings of the template", (new.settings(), said))
    note("the emulator keeps imported tables under a stack only by the names that it gave them, so these stay outside")


def settings(table: dict[str, Any]) -> list[Any]:
    """What a template says of a table, as `Tables.settings` has it."""
    stream = table.get("StreamSpecification", {}).get("StreamViewType")
    indexes = sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes", []))
    expiry = table.get("TimeToLiveSpecification", {}).get("AttributeName")
    return [table["DeletionProtectionEnabled"], stream, indexes, expiry]


def removed(stack: Stack, tables: Tables) -> str:
    """Deletes the stack. Returns the id that it had."""
    gone, data, had = stack.identity(), tables.all(), names_in(stack)
    check(data["UsersTable"] and data["MoviesTable"], "there is data")
    for kind, names in had.items():
        if missing := names - listed(stack.cloud, kind):
            raise Failure(f"{kind} of the stack that its service does not list: {missing}")
    stack.delete()
    left = {kind: names & listed(stack.cloud, kind) for kind, names in had.items()}
    kept = left.pop("AWS::DynamoDB::Table")
    check(kept == set(tables.names.values()), "the stack is deleted, and its tables of data are still there", kept)
    check(tables.all() == data, "with everything that was in them")
    check(not any(left.values()), "nothing else is left of it", left)
    return gone


def brought_back(stack: Stack, tables: Tables, gone: str) -> None:
    """Puts tables without a stack under a new one, and deploys everything else around them."""
    data = tables.all()
    names = {logical.removesuffix("Table").upper(): name for logical, name in tables.names.items()}
    commands = block(RUNBOOK, "Bringing retained tables back under a stack", "IMPORT", OLD_STACK_ID=gone, **names)
    stack.run(commands)
    check(stack.status() == "UPDATE_COMPLETE", "the commands of the runbook put the tables under a new stack")
    check(tables.names.items() <= stack.physical("AWS::DynamoDB::Table").items(), "the tables are the same")
    check(tables.all() == data, "with everything that was in them")
    api = Api(stack.cloud.port, f"{stack.api_id()}.execute-api.localhost:{stack.cloud.port}")
    listed = api.send("GET", "/api/movies")
    check(listed.status == 200 and listed.body, "which the new API shows", listed)


def listed(cloud: Cloud, kind: str) -> set[str]:
    """The names of everything of a type that there is."""
    service, request, entries, name = LISTS[kind]
    client: Any = cloud.client(service)
    if client.can_paginate(request):
        pages = list(client.get_paginator(request).paginate())
    else:
        pages = [getattr(client, request)()]
    return {path(entry[name] if name else entry) for page in pages for entry in page.get(entries, [])}


def names_in(stack: Stack) -> dict[str, set[str]]:
    """The physical names of what the stack has, by type."""
    return {kind: {path(name) for name in stack.physical(kind).values()} for kind in LISTS}


def path(name: str) -> str:
    """A name as it is, but of the address of a queue the path, because a host has more than one name."""
    return name.split("://", 1)[-1].partition("/")[2] if "://" in name else name
