"""Checks least privilege on the deployed stack: without any single statement of a role, a call fails."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from calls import CALLS, NOT_ENFORCED, call_for
from purge import Purge
from report import Failure, check, note
from stack import Function

Statement = dict[str, Any]


class Role:
    """The policies of a function's role."""

    def __init__(self, purge: Purge, function: Function) -> None:
        self.iam = purge.stack.cloud.client("iam")
        self.name = function.role

    def inline(self) -> dict[str, list[Statement]]:
        """Returns the statements of the inline policies, by policy name."""
        names = self.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        read = [self.iam.get_role_policy(RoleName=self.name, PolicyName=name) for name in names]
        return {policy["PolicyName"]: statements(policy["PolicyDocument"]) for policy in read}

    def attached(self) -> dict[str, list[Statement]]:
        """Returns the statements of the attached policies, by policy ARN."""
        found = {}
        for policy in self.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            read = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            found[arn] = statements(read["Document"])
        return found

    @contextmanager
    def without(self, policy: str, statement: Statement) -> Iterator[None]:
        """Removes a statement from an inline policy within the context."""
        all_statements = self.inline()[policy]
        rest = [each for each in all_statements if each != statement]
        if rest:
            self._put(policy, rest)
        else:
            self.iam.delete_role_policy(RoleName=self.name, PolicyName=policy)
        try:
            yield
        finally:
            self._put(policy, all_statements)

    @contextmanager
    def detached(self, arn: str) -> Iterator[None]:
        """Detaches a policy, which other roles share, within the context."""
        self.iam.detach_role_policy(RoleName=self.name, PolicyArn=arn)
        try:
            yield
        finally:
            self.iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)

    def _put(self, policy: str, rest: list[Statement]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": rest})
        self.iam.put_role_policy(RoleName=self.name, PolicyName=policy, PolicyDocument=document)


def statements(document: dict[str, Any]) -> list[Statement]:
    """Returns the statements of a policy, each of which must have a Sid."""
    found = document["Statement"]
    if not all(statement.get("Sid") for statement in found):
        raise Failure(f"every statement of a policy must have a Sid: {found}")
    return found


def least_privilege(purge: Purge) -> None:
    """Removes each statement in turn, and prints the effect."""
    print(f"  {'function':16} {'statement':32} without it")
    effects = {"fails": 0, "not enforced by the emulator": 0}
    # Without the mapping, because the stream would trigger purge-account before the calls of this test.
    with purge.mapping_set(False):
        for operation, function in sorted(purge.stack.functions().items()):
            role = Role(purge, function)
            before = role.inline(), role.attached()
            for policy, found in before[0].items():
                for statement in found:
                    effects[_without(purge, operation, statement["Sid"], role.without(policy, statement))] += 1
            for arn, found in before[1].items():
                for statement in found:
                    effects[_without(purge, operation, statement["Sid"], role.detached(arn))] += 1
            sids = {statement["Sid"] for found in before[0].values() for statement in found}
            if unknown := set(CALLS[operation]) - sids:
                raise Failure(
                    f"tests/deploy/calls.py has calls for statements that {operation} does not have: {unknown}"
                )
            if (role.inline(), role.attached()) != before:
                raise Failure(f"the policies of {operation} were not restored")
    for sid, reason in NOT_ENFORCED.items():
        note(f"{sid}: {reason}")
    total, needed = sum(effects.values()), effects["fails"]
    check(needed, f"{needed} of {total} statements are needed; the emulator does not enforce the others")


def _without(purge: Purge, operation: str, sid: str, absence: AbstractContextManager[None]) -> str:
    """Makes the call that needs a statement, first without the statement and then with it."""
    call = call_for(operation, sid)(purge)
    with absence:
        succeeded = call()
    enforced = sid not in NOT_ENFORCED
    if succeeded == enforced:
        raise Failure(
            f"{operation} succeeded without {sid}"
            if enforced
            else f"{operation} failed without {sid}, which is in NOT_ENFORCED"
        )
    if enforced and not call():
        raise Failure(f"{operation} still failed after {sid} was restored")
    result = "fails" if enforced else "not enforced by the emulator"
    print(f"  {operation:16} {sid:32} {result}", flush=True)
    return result
