"""Checks how SAM translates template.yaml, for each rollout, with and without a domain name and mails."""

import logging
from typing import Any

from documents import PROJECT
from emulator import ALIAS, STAGE, engine, routes, transform
from report import Failure, check

AT_ONCE = "AllAtOnce"
DOMAIN = {"DomainName": "films.example", "CertificateArn": "arn:aws:acm:eu-west-1:000000000000:certificate/films"}
MAIL = {"MailFrom": "bag@example.com", "PasswordResetUrl": "https://bag.example.com/reset"}
# The condition of every resource that exists only where mails are sent.
SENDS_MAIL = "SendsMail"
# The resources that are different where mails are sent.
CHANGED_BY_MAIL = {"Api", "ChangePasswordFunction", "ChangePasswordRole"}
# The aliases that every rollout moves at once.
MOVED_AT_ONCE = {"PurgeAccountFunctionAliaslive", "SendMailFunctionAliaslive"}
ABSENT = {"Ref": "AWS::NoValue"}

Template = dict[str, Any]
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
            parameters = {"Stage": "staging", "Release": "1234567890", "Rollout": rollout} | domain
            silent, mailing = active(source(), parameters), active(source(), parameters | MAIL)
            for resources in (silent, mailing):
                complete(resources)
                aliases_moved(resources, rollout)
                if ("DomainMapping" in resources) != bool(domain):
                    raise Failure(f"the API must have a custom domain name if and only if one is given: {domain}")
            if silent != active(without_mail(), parameters):
                raise Failure(f"without MailFrom, the translation must not depend on the mails: {parameters}")
            changed = {name for name in silent if silent[name] != mailing.get(name)}
            if changed != CHANGED_BY_MAIL:
                raise Failure(f"of the other resources, mails must change {CHANGED_BY_MAIL}: {changed}")
    ways = f"with each of {len(rollouts)} rollouts, with and without a domain name and mails,"
    check(rollouts, f"{ways} every reference resolves, and CodeDeploy moves exactly the aliases that it should")
    check(rollouts, "without mails, the translation is that of a template without the resources of mails")
    check(rollouts, f"of the other resources, mails change only {', '.join(sorted(CHANGED_BY_MAIL))}")


def source() -> Template:
    """Returns the untranslated template."""
    return engine._parse_template((PROJECT / "template.yaml").read_text())


def without_mail() -> Template:
    """Returns the untranslated template as if it had never had the resources of mails."""
    template = source()
    for section in ("Resources", "Outputs"):
        entries = template[section].items()
        template[section] = {name: each for name, each in entries if each.get("Condition") != SENDS_MAIL}
    del template["Conditions"][SENDS_MAIL]
    for parameter in MAIL:
        del template["Parameters"][parameter]
    return chosen(template, {SENDS_MAIL: False})


def active(template: Template, parameters: dict[str, str]) -> Resources:
    """Returns the resources of a stack of an untranslated template with these parameters."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam deploy` replaces it with the address of its upload.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    given = [{"Key": name, "Value": value} for name, value in parameters.items()]
    made = transform(template, given)
    conditions = engine._evaluate_conditions(made, engine._resolve_parameters(made, given))
    found = made["Resources"].items()
    return {name: chosen(each, conditions) for name, each in found if conditions.get(each.get("Condition"), True)}


def chosen(value: Any, conditions: dict[str, bool]) -> Any:
    """Replaces each `Fn::If` with one of these conditions by the branch that it selects."""
    if isinstance(value, list):
        return [each for each in (chosen(each, conditions) for each in value) if each != ABSENT]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::If"}:
        condition, *branches = value["Fn::If"]
        branches = [chosen(branch, conditions) for branch in branches]
        if condition not in conditions:
            return {"Fn::If": [condition, *branches]}
        return branches[0] if conditions[condition] else branches[1]
    members = ((name, chosen(each, conditions)) for name, each in value.items())
    return {name: each for name, each in members if each != ABSENT}


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
    functions = {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Function"}
    moved = {name for name, policy in policies.items() if policy}
    expected = set(policies) - MOVED_AT_ONCE if rollout != AT_ONCE else set()
    groups = {name: each for name, each in resources.items() if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"}
    if set(policies) != {f"{name}Aliaslive" for name in functions} or moved != expected:
        raise Failure(f"with {rollout}, CodeDeploy must move {expected}: {moved}")
    if len(groups) != len(expected):
        raise Failure(f"with {rollout}, there must be a deployment group for each of {expected}: {set(groups)}")
    for name, group in groups.items():
        configuration = group["Properties"]["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"]
        if configuration != rollout or not group["Properties"]["AlarmConfiguration"]:
            raise Failure(f"{name} must move an alias by {rollout} and watch alarms: {group}")
