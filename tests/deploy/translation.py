"""Checks how SAM translates template.yaml, for each rollout, with and without a domain name."""

import logging
from typing import Any

from documents import PROJECT
from emulator import ALIAS, STAGE, engine, routes, transform
from report import Failure, check

AT_ONCE = "AllAtOnce"
DOMAIN = {"DomainName": "films.example", "CertificateArn": "arn:aws:acm:eu-west-1:000000000000:certificate/films"}
# The alias that every rollout moves at once.
MOVED_AT_ONCE = "PurgeAccountFunctionAliaslive"

Resources = dict[str, dict[str, Any]]


def translated() -> None:
    """Translates the template with every combination, and checks the resources that a stack would have."""
    # Suppresses the warning that it sends no metrics.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    rollouts = source()["Parameters"]["Rollout"]["AllowedValues"]
    if AT_ONCE not in rollouts or len(rollouts) < 2:
        raise Failure(f"the template must allow gradual rollouts and {AT_ONCE}: {rollouts}")
    for rollout in rollouts:
        for domain in ({}, DOMAIN):
            resources = active({"Stage": "staging", "Release": "1234567890", "Rollout": rollout} | domain)
            complete(resources)
            aliases_moved(resources, rollout)
            if ("DomainMapping" in resources) != bool(domain):
                raise Failure(f"the API must have a custom domain name if and only if one is given: {domain}")
    ways = f"with each of {len(rollouts)} rollouts, with and without a domain name,"
    check(rollouts, f"{ways} every reference resolves, and CodeDeploy moves exactly the aliases that it should")


def source() -> dict[str, Any]:
    """Returns the untranslated template."""
    return engine._parse_template((PROJECT / "template.yaml").read_text())


def active(parameters: dict[str, str]) -> Resources:
    """Returns the resources of a stack with these parameters."""
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam deploy` replaces it with the address of its upload.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    given = [{"Key": name, "Value": value} for name, value in parameters.items()]
    made = transform(template, given)
    conditions = engine._evaluate_conditions(made, engine._resolve_parameters(made, given))
    found = made["Resources"].items()
    return {name: each for name, each in found if conditions.get(each.get("Condition"), True)}


def complete(resources: Resources) -> None:
    """Fails if a resource refers to a missing one, or if a rate limit belongs to a missing route."""
    known = set(resources) | set(source()["Parameters"])
    for name, resource in resources.items():
        needed = {target for target, _ in engine._intrinsic_references(resource) if not target.startswith("AWS::")}
        if missing := needed - known:
            raise Failure(f"{name} refers to missing resources: {missing}")
    keys = {key for key, _, _ in routes(resources["Api"]["Properties"])}
    (stage,) = [each for each in resources.values() if each["Type"] == STAGE]
    if unknown := set(stage["Properties"]["RouteSettings"]) - keys:
        raise Failure(f"there are rate limits for missing routes: {unknown}")


def aliases_moved(resources: Resources, rollout: str) -> None:
    """Fails unless CodeDeploy moves exactly the aliases that a gradual rollout should move, and watches alarms."""
    policies = {name: each.get("UpdatePolicy") for name, each in resources.items() if each["Type"] == ALIAS}
    moved = {name for name, policy in policies.items() if policy}
    expected = set(policies) - {MOVED_AT_ONCE} if rollout != AT_ONCE else set()
    groups = {name: each for name, each in resources.items() if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"}
    if MOVED_AT_ONCE not in policies or moved != expected or len(groups) != len(expected):
        raise Failure(f"with {rollout}, CodeDeploy must move {expected}: {moved}, {set(groups)}")
    for name, group in groups.items():
        configuration = group["Properties"]["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"]
        if configuration != rollout or not group["Properties"]["AlarmConfiguration"]:
            raise Failure(f"{name} must move an alias by {rollout} and watch alarms: {group}")
