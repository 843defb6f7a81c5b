"""Starts MiniStack, an AWS emulator, with the additions that this project's template requires.

MiniStack is a single process that implements the protocols of AWS and runs the real binaries of the functions behind a
Runtime API. With AUTH=true, it authorizes every request according to the policies of the sender. MiniStack lacks the
following features, which are added here:

1. CloudFormation rejects `AWS::CodeDeploy::Application` and `AWS::CodeDeploy::DeploymentGroup`, which SAM generates for
   gradual rollouts. They are only recorded: an alias moves to the new version at once.
2. CloudFormation ignores the OpenAPI `Body` of an HTTP API, which contains the routes and the CORS configuration that
   SAM generates. They are created from it here, with the emulator's own handlers for integrations and routes.
3. A change set applies SAM's transform without the values of the parameters, which AWS passes to it. Without them SAM
   cannot resolve `AutoPublishCodeSha256: !Ref Release`. The values temporarily replace the defaults, each with its own
   type: a list for a CommaDelimitedList.
4. CloudFormation rejects an alarm on a sum of metrics. It is created as an alarm on the first of them.
5. CloudFormation generates secrets with punctuation even if the template excludes it.

AWS rejects some requests that MiniStack accepts. Those that a deployment of this project can make are rejected here,
with the message of AWS:

6. A gradual rollout starts from the version that CloudFormation recorded. CodeDeploy rejects it if the alias points to
   another version. CodeDeploy only moves aliases with an `UpdatePolicy`.
7. A stage must not have settings for a route that does not exist, not even until its own update in the same deployment.
8. The functions of an account can reserve all but 100 of its concurrent executions.
9. A stack whose first creation was rolled back can only be deleted.
10. API Gateway renames the response header `www-authenticate`, according to its documentation for REST APIs and to
    reports of users for HTTP APIs.
11. SES authorizes a mail for the identity of its sender and for those of its recipients that the account has verified,
    and evaluates the condition keys `ses:FromAddress` and `ses:Recipients`. (MiniStack authorizes it for `*`, without
    these keys, so it rejects what AWS allows.)

Everything else is the behavior of MiniStack. This program runs in the emulator's own venv.
"""

import copy
import json
import string
from email.utils import parseaddr
from typing import Any

import ministack.app
from ministack.core.responses import get_account_id
from ministack.services import apigateway, cloudformation, lambda_svc, ses, ses_v2
from ministack.services.cloudformation import changesets, engine, handlers, helpers, provisioners

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]

HANDLERS = provisioners._RESOURCE_HANDLERS
ACTIONS = cloudformation._ACTION_HANDLERS
ALIAS = "AWS::Lambda::Alias"
API = "AWS::ApiGatewayV2::Api"
FUNCTION = "AWS::Lambda::Function"
STAGE = "AWS::ApiGatewayV2::Stage"
SEND_MAIL = ("POST", "/v2/email/outbound-emails")
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"}

# The default quota of concurrent executions of an account, and how many of them must stay unreserved.
CONCURRENCY = 1000
UNRESERVED = 100

# The resources of the stacks that are being deployed, by the names of the stacks.
deploying: dict[str, dict[str, Any]] = {}

create_api = HANDLERS[API]["create"]
update_api = HANDLERS[API]["update"]
create_stage = HANDLERS[STAGE]["create"]
update_stage = HANDLERS[STAGE]["update"]
create_function = HANDLERS[FUNCTION]["create"]
update_function = HANDLERS[FUNCTION]["update"]
update_alias = HANDLERS[ALIAS]["update"]
create_change_set = ACTIONS["CreateChangeSet"]
deploy_stack = changesets._deploy_stack_async
invoke_lambda_proxy = apigateway._invoke_lambda_proxy
apply_transforms = changesets._apply_transforms
secret_string = provisioners._sm_secret_string
alarm_record = provisioners._cw_metric_alarm_record
authorize_mail_request = ministack.app._enforce_ses_v2


def record(logical_id: str, properties: Properties, stack: str) -> Made:
    """Creates a resource that consists only of its name."""
    return provisioners._physical_name(stack, logical_id, max_len=100), {}


def keep(physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
    """Updates a resource that consists only of its name."""
    return physical_id, {}


def forget(physical_id: str, properties: Properties) -> None:
    """Deletes a resource that consists only of its name."""


def create(logical_id: str, properties: Properties, stack: str) -> Made:
    """Creates an HTTP API with the routes of its body."""
    api, attributes = create_api(logical_id, properties, stack)
    open_body(api, properties)
    return api, attributes


def update(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> Made:
    """Updates an HTTP API and recreates its routes. Until then, each setting of its stage must have a route."""
    keys = {key for key, _, _ in routes(new)}
    for stage in apigateway._stages.get(physical_id, {}).values():
        require_routes(stage.get("routeSettings", {}), keys)
    api, attributes = update_api(physical_id, old, new, stack, logical_id)
    open_body(api, new)
    return api, attributes


def open_body(api: str, properties: Properties) -> None:
    """Creates the integrations, routes and CORS configuration of the OpenAPI body of an HTTP API."""
    apigateway._integrations[api], apigateway._routes[api] = {}, {}
    for key, path, operation in routes(properties):
        open_route(api, key, path, operation["x-amazon-apigateway-integration"])
    if cors := (properties.get("Body") or {}).get("x-amazon-apigateway-cors"):
        apigateway._update_api(api, {"corsConfiguration": cors})


def routes(properties: Properties) -> list[tuple[str, str, Properties]]:
    """Returns the routes in the OpenAPI body of an HTTP API: key, path and operation."""
    found = []
    for path, operations in (properties.get("Body") or {}).get("paths", {}).items():
        for method, operation in operations.items():
            if method in METHODS:
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                found.append(("$default" if path == "/$default" else f"{verb} {path}", path, operation))
    return found


def open_route(api: str, key: str, path: str, integration: Properties) -> None:
    """Creates a route with its integration."""
    made, _ = provisioners._apigw_v2_integration_create(
        path,
        {
            "ApiId": api,
            "IntegrationType": integration["type"].upper(),
            "IntegrationUri": integration["uri"],
            "IntegrationMethod": integration["httpMethod"],
            "PayloadFormatVersion": integration["payloadFormatVersion"],
        },
        "",
    )
    provisioners._apigw_v2_route_create(path, {"ApiId": api, "RouteKey": key, "Target": f"integrations/{made}"}, "")


def require_routes(settings: Properties, keys: set[str]) -> None:
    """Rejects settings for a route that is not one of these."""
    for key in settings:
        if key not in keys:
            raise ValueError(f"Unable to find Route by key {key} within the provided RouteSettings")


def existing_routes(properties: Properties) -> set[str]:
    """Returns the keys of the routes of a stage's API."""
    return {route["routeKey"] for route in apigateway._routes.get(properties["ApiId"], {}).values()}


def create_checked_stage(logical_id: str, properties: Properties, stack: str) -> Made:
    """Creates a stage if its settings belong to existing routes."""
    require_routes(properties.get("RouteSettings", {}), existing_routes(properties))
    return create_stage(logical_id, properties, stack)


def update_checked_stage(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Made:
    """Updates a stage if its settings belong to existing routes."""
    require_routes(new.get("RouteSettings", {}), existing_routes(new))
    return update_stage(physical_id, old, new, stack, logical_id)


def shift(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> Made:
    """Moves an alias; if it has an update policy, only from the version to which CloudFormation moved it last."""
    policy = deploying[stack][logical_id or ""].get("UpdatePolicy", {})
    if "CodeDeployLambdaAliasUpdate" in policy and old["FunctionVersion"] != new["FunctionVersion"]:
        alias = lambda_svc._functions[old["FunctionName"]]["aliases"][old["Name"]]
        if alias["FunctionVersion"] != old["FunctionVersion"]:
            raise ValueError("The Lambda function alias version does not match the current version in AppSpec file")
    return update_alias(physical_id, old, new, stack, logical_id)


def reserve(function: str, properties: Properties) -> None:
    """Reserves concurrent executions for a function if enough stay unreserved."""
    wanted = properties.get("ReservedConcurrentExecutions")
    others = [each for name, each in lambda_svc._functions.items() if name != function]
    reserved = sum(each.get("concurrency") or 0 for each in others)
    if wanted is not None and CONCURRENCY - reserved - int(wanted) < UNRESERVED:
        raise ValueError(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution"
            f" below its minimum value of [{UNRESERVED}]."
        )
    lambda_svc._functions[function]["concurrency"] = None if wanted is None else int(wanted)


def create_reserving(logical_id: str, properties: Properties, stack: str) -> Made:
    """Creates a function with its reserved concurrency, or fails without creating it."""
    function, attributes = create_function(logical_id, properties, stack)
    try:
        reserve(function, properties)
    except ValueError:
        HANDLERS[FUNCTION]["delete"](function, properties)
        raise
    return function, attributes


def update_reserving(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Made:
    """Updates a function and its reserved concurrency."""
    function, attributes = update_function(physical_id, old, new, stack, logical_id)
    reserve(function, new)
    return function, attributes


def propose(request: Properties) -> Any:
    """Creates a change set unless the first creation of the stack was rolled back."""
    name = helpers._p(request, "StackName")
    stack = cloudformation._stacks.get(name)
    if stack and stack["StackStatus"] == "ROLLBACK_COMPLETE":
        message = f"Stack:{stack['StackId']} is in ROLLBACK_COMPLETE state and can not be updated."
        return helpers._error("ValidationError", message)
    return create_change_set(request)


def deploy(name: str, identity: str, template: Properties, *values: Any, **settings: Any) -> Any:
    """Deploys a stack, and records its new resources."""
    deploying[name] = template["Resources"]
    return deploy_stack(name, identity, template, *values, **settings)


async def invoke(*request: Any, **settings: Any) -> tuple[int, dict[str, Any], bytes]:
    """Invokes the function of a route, and renames one header of its response."""
    status, headers, body = await invoke_lambda_proxy(*request, **settings)
    renamed = {"www-authenticate": "x-amzn-remapped-www-authenticate"}
    return status, {renamed.get(name.lower(), name): value for name, value in headers.items()}, body


def authorize(
    method: str, path: str, headers: dict[str, str], body: bytes, query: Properties, request_id: str
) -> Any:
    """Returns the error of a request to SES that is not allowed."""
    if (method, path) != SEND_MAIL:
        return authorize_mail_request(method, path, headers, body, query, request_id)
    mail = json.loads(body)
    sender, recipients = parseaddr(mail["FromEmailAddress"])[1], mail["Destination"]["ToAddresses"]
    region, account = ministack.app.extract_region(headers, query), get_account_id()
    context = {"ses:FromAddress": sender, "ses:Recipients": recipients}
    for identity in [verified(sender) or sender, *filter(None, map(verified, recipients))]:
        arn = f"arn:aws:ses:{region}:{account}:identity/{identity}"
        request = ("sesv2", "ses:SendEmail", headers, query, request_id)
        if denied := ministack.app._enforce_data_plane(*request, arn, context, named_resource=arn):
            return denied
    return None


def verified(address: str) -> str | None:
    """Returns the verified identity of an address: itself, or the closest of its domains."""
    domains = ses._domain_and_parents(address.rpartition("@")[2].lower())
    return next((identity for identity in (address, *domains) if identity in ses_v2._identities), None)


def transform(template: Properties, given: list[Properties] | None = None, previous: Properties | None = None) -> Any:
    """Applies the transforms of a template with the values of its parameters."""
    filled = copy.deepcopy(template)
    for name, value in engine._transform_parameters(template, given, previous).items():
        parameter = filled["Parameters"][name]
        parameter["Default"] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else value
    made = apply_transforms(filled, given, previous)
    if "Parameters" in template:
        made["Parameters"] = template["Parameters"]
    return made


def generate(properties: Properties) -> str:
    """Returns the generated value of a secret, without punctuation if it is excluded."""
    properties = copy.deepcopy(properties)
    generated = properties.get("GenerateSecretString", {})
    if generated.get("ExcludePunctuation"):
        generated["ExcludeCharacters"] = generated.get("ExcludeCharacters", "") + string.punctuation
    return secret_string(properties)


def alarm(name: str, properties: Properties) -> Any:
    """Returns the record of an alarm, which has only the first metric of a sum."""
    metrics = properties.get("Metrics", [])
    for first in [metric["MetricStat"] for metric in metrics if "MetricStat" in metric][:1]:
        single = {**first["Metric"], "Statistic": first["Stat"], "Period": first["Period"]}
        properties = {name: value for name, value in properties.items() if name != "Metrics"} | single
    return alarm_record(name, properties)


if __name__ == "__main__":
    for kind in ("Application", "DeploymentGroup"):
        HANDLERS[f"AWS::CodeDeploy::{kind}"] = {"create": record, "update": keep, "delete": forget}
    HANDLERS[API].update(create=create, update=update)
    HANDLERS[STAGE].update(create=create_checked_stage, update=update_checked_stage)
    HANDLERS[FUNCTION].update(create=create_reserving, update=update_reserving)
    HANDLERS[ALIAS].update(update=shift)
    ACTIONS["CreateChangeSet"] = propose
    changesets._deploy_stack_async = handlers._deploy_stack_async = deploy
    changesets._apply_transforms = transform
    apigateway._invoke_lambda_proxy = invoke
    ministack.app._enforce_ses_v2 = authorize
    provisioners._sm_secret_string = generate
    provisioners._cw_metric_alarm_record = alarm
    ministack.app.main()
