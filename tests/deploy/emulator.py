"""Starts MiniStack, an AWS emulator, with what it lacks to take this project's template as it is.

It is one process that speaks the protocols of AWS, runs the real binaries of the functions behind a Runtime API and,
with AUTH=true, decides every request by the policies of who sent it. Four things are missing that the template needs:

1. CloudFormation refuses `AWS::CodeDeploy::Application` and `AWS::CodeDeploy::DeploymentGroup`, which SAM makes for a
   canary. They are recorded and nothing more: an alias moves to the new version at once.
2. CloudFormation does not read the OpenAPI `Body` of an HTTP API, in which SAM writes the routes and the rules of CORS.
   They are made from it here, by the emulator's own handlers of integrations and routes.
3. A change set applies SAM's transform without the values of the parameters, where AWS gives them to it: without them
   SAM cannot see what `AutoPublishCodeSha256: !Ref Release` says. They take the place of the defaults meanwhile.
4. CloudFormation refuses an alarm over a sum of metrics. It is made as an alarm over the first of them.

Nothing else is changed: what a test finds is what MiniStack does. It runs inside the emulator's own venv.
"""

import copy
from typing import Any

import ministack.app
from ministack.services import apigateway
from ministack.services.cloudformation import changesets, engine, provisioners

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]

HANDLERS = provisioners._RESOURCE_HANDLERS
API = "AWS::ApiGatewayV2::Api"
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"}

create_api = HANDLERS[API]["create"]
update_api = HANDLERS[API]["update"]
apply_transforms = changesets._apply_transforms
alarm_record = provisioners._cw_metric_alarm_record


def record(logical_id: str, properties: Properties, stack: str) -> Made:
    """Makes a resource that is only a name."""
    return provisioners._physical_name(stack, logical_id, max_len=100), {}


def keep(physical_id: str, old: Properties, new: Properties, stack: str) -> Made:
    """Updates a resource that is only a name."""
    return physical_id, {}


def forget(physical_id: str, properties: Properties) -> None:
    """Deletes a resource that is only a name."""


def create(logical_id: str, properties: Properties, stack: str) -> Made:
    """Makes an HTTP API with the routes of its body."""
    api, attributes = create_api(logical_id, properties, stack)
    open_body(api, properties)
    return api, attributes


def update(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None) -> Made:
    """Updates an HTTP API; its routes are made anew."""
    api, attributes = update_api(physical_id, old, new, stack, logical_id)
    open_body(api, new)
    return api, attributes


def open_body(api: str, properties: Properties) -> None:
    """Makes the integrations, the routes and the CORS configuration that the OpenAPI body of an HTTP API describes."""
    body = properties.get("Body") or {}
    apigateway._integrations[api], apigateway._routes[api] = {}, {}
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            if method in METHODS:
                open_route(api, method, path, operation["x-amazon-apigateway-integration"])
    if cors := body.get("x-amazon-apigateway-cors"):
        apigateway._update_api(api, {"corsConfiguration": cors})


def open_route(api: str, method: str, path: str, integration: Properties) -> None:
    """Makes one route with its integration."""
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
    verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
    key = "$default" if path == "/$default" else f"{verb} {path}"
    provisioners._apigw_v2_route_create(path, {"ApiId": api, "RouteKey": key, "Target": f"integrations/{made}"}, "")


def transform(template: Properties, given: list[Properties] | None = None, previous: Properties | None = None) -> Any:
    """Applies the transforms of a template with the values its parameters are going to have."""
    filled = copy.deepcopy(template)
    for name, value in engine._transform_parameters(template, given, previous).items():
        filled["Parameters"][name]["Default"] = value
    made = apply_transforms(filled, given, previous)
    if "Parameters" in template:
        made["Parameters"] = template["Parameters"]
    return made


def alarm(name: str, properties: Properties) -> Any:
    """The record of an alarm; of a sum of metrics, with the first of them."""
    metrics = properties.get("Metrics", [])
    for first in [metric["MetricStat"] for metric in metrics if "MetricStat" in metric][:1]:
        single = {**first["Metric"], "Statistic": first["Stat"], "Period": first["Period"]}
        properties = {name: value for name, value in properties.items() if name != "Metrics"} | single
    return alarm_record(name, properties)


if __name__ == "__main__":
    for kind in ("Application", "DeploymentGroup"):
        HANDLERS[f"AWS::CodeDeploy::{kind}"] = {"create": record, "update": keep, "delete": forget}
    HANDLERS[API].update(create=create, update=update)
    changesets._apply_transforms = transform
    provisioners._cw_metric_alarm_record = alarm
    ministack.app.main()
