"""What SAM makes of template.yaml: for each rollout, with a domain name and without."""

import logging
from typing import Any

from documents import PROJECT
from emulator import ALIAS, STAGE, engine, routes, transform
from report import Failure, check

AT_ONCE = "AllAtOnce"
DOMAIN = {"DomainName": "films.example", "CertificateArn": "arn:aws:acm:eu-west-1:000000000000:certificate/films"}
# The function whose alias no alarm watches.
UNWATCHED = "PurgeAccountFunctionAliaslive"

Resources = dict[str, dict[str, Any]]


def translated() -> None:
    """Translates the template in every way, and looks at the resources that a stack would get."""
    # It warns that it sends no metrics.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    rollouts = source()["Parameters"]["Rollout"]["AllowedValues"]
    if AT_ONCE not in rollouts or len(rollouts) < 2:
        raise Failure(f"there were to be gradual releases and those at once: {rollouts}")
    for rollout in rollouts:
        for domain in ({}, DOMAIN):
            resources = active({"Stage": "staging", "Release": "1234567890", "Rollout": rollout} | domain)
            complete(resources)
            aliases_moved(resources, rollout)
            if ("DomainMapping" in resources) != bool(domain):
                raise Failure(f"the API was to have a domain name if one is given: {domain}")
    ways = f"with each of {len(rollouts)} rollouts, with a domain name and without,"
    check(rollouts, f"{ways} everything refers to what is there, and CodeDeploy moves what alarms watch")


def source() -> dict[str, Any]:
    """The template as it is written."""
    return engine._parse_template((PROJECT / "template.yaml").read_text())


def active(parameters: dict[str, str]) -> Resources:
    """The resources of a stack with these parameters."""
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # Where `sam deploy` puts it.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    given = [{"Key": name, "Value": value} for name, value in parameters.items()]
    made = transform(template, given)
    conditions = engine._evaluate_conditions(made, engine._resolve_parameters(made, given))
    found = made["Resources"].items()
    return {name: each for name, each in found if conditions.get(each.get("Condition"), True)}


def complete(resources: Resources) -> None:
    """Fails if a resource needs one that is not there, or if a limit is of a route that is not."""
    known = set(resources) | set(source()["Parameters"])
    for name, resource in resources.items():
        needed = {target for target, _ in engine._intrinsic_references(resource) if not target.startswith("AWS::")}
        if missing := needed - known:
            raise Failure(f"{name} needs what is not there: {missing}")
    keys = {key for key, _, _ in routes(resources["Api"]["Properties"])}
    (stage,) = [each for each in resources.values() if each["Type"] == STAGE]
    if unknown := set(stage["Properties"]["RouteSettings"]) - keys:
        raise Failure(f"there are limits of routes that are not there: {unknown}")


def aliases_moved(resources: Resources, rollout: str) -> None:
    """Fails if CodeDeploy moves other aliases than those of a gradual release that alarms watch."""
    policies = {name: each.get("UpdatePolicy") for name, each in resources.items() if each["Type"] == ALIAS}
    moved = {name for name, policy in policies.items() if policy}
    expected = set(policies) - {UNWATCHED} if rollout != AT_ONCE else set()
    groups = {name: each for name, each in resources.items() if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"}
    if UNWATCHED not in policies or moved != expected or len(groups) != len(expected):
        raise Failure(f"with {rollout}, CodeDeploy was to move {expected}: {moved}, {set(groups)}")
    for name, group in groups.items():
        configuration = group["Properties"]["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"]
        if configuration != rollout or not group["Properties"]["AlarmConfiguration"]:
            raise Failure(f"{name} was to move an alias by {rollout} and to watch alarms: {group}")
