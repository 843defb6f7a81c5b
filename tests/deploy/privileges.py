"""Least privilege on the live stack: without any one statement of any role, the call that needs it fails."""

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
        """The statements of the inline policies, by the names of the policies."""
        names = self.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        read = [self.iam.get_role_policy(RoleName=self.name, PolicyName=name) for name in names]
        return {policy["PolicyName"]: statements(policy["PolicyDocument"]) for policy in read}

    def attached(self) -> dict[str, list[Statement]]:
        """The statements of the attached policies, by the ARNs of the policies."""
        found = {}
        for policy in self.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            read = self.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            found[arn] = statements(read["Document"])
        return found

    @contextmanager
    def without(self, policy: str, statement: Statement) -> Iterator[None]:
        """Takes one statement out of an inline policy meanwhile."""
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
        """Detaches a policy meanwhile, which other roles share."""
        self.iam.detach_role_policy(RoleName=self.name, PolicyArn=arn)
        try:
            yield
        finally:
            self.iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)

    def _put(self, policy: str, rest: list[Statement]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": rest})
        self.iam.put_role_policy(RoleName=self.name, PolicyName=policy, PolicyDocument=document)


def statements(document: dict[str, Any]) -> list[Statement]:
    """The statements of a policy; each must have a name."""
    found = document["Statement"]
    if not all(statement.get("Sid") for statement in found):
        raise Failure(f"every statement of a policy needs a Sid: {found}")
    return found


def least_privilege(purge: Purge) -> None:
    """Takes every statement away once, and prints what happened."""
    print(f"  {'function':16} {'statement':32} without it")
    counts = {"fails": 0, "not enforced by the emulator": 0}
    # The calls of the purge are made by hand, or else the stream would be quicker.
    with purge.mapping_set(False):
        for operation, function in sorted(purge.stack.functions().items()):
            role = Role(purge, function)
            before = role.inline(), role.attached()
            for policy, found in before[0].items():
                for statement in found:
                    counts[_try(purge, operation, statement["Sid"], role.without(policy, statement))] += 1
            for arn, found in before[1].items():
                for statement in found:
                    counts[_try(purge, operation, statement["Sid"], role.detached(arn))] += 1
            sids = {statement["Sid"] for found in before[0].values() for statement in found}
            if gone := set(CALLS[operation]) - sids:
                raise Failure(
                    f"tests/deploy/calls.py has calls for statements of {operation} that are not there: {gone}"
                )
            if (role.inline(), role.attached()) != before:
                raise Failure(f"the policies of {operation} are not as they were")
    for sid, reason in NOT_ENFORCED.items():
        note(f"{sid}: {reason}")
    total, needed = sum(counts.values()), counts["fails"]
    check(needed, f"of {total} statements, {needed} are needed, and the emulator does not enforce the others")


def _try(purge: Purge, operation: str, sid: str, absence: AbstractContextManager[None]) -> str:
    """Makes the call of a statement without it and then with it."""
    act = call_for(operation, sid)(purge)
    with absence:
        without = act()
    enforced = sid not in NOT_ENFORCED
    if without == enforced:
        raise Failure(
            f"{operation} was to fail without {sid}, and did not"
            if enforced
            else f"{operation} fails without {sid}, which NOT_ENFORCED says the emulator does not enforce"
        )
    if enforced and not act():
        raise Failure(f"{operation} fails although it has {sid} again")
    result = "fails" if enforced else "not enforced by the emulator"
    print(f"  {operation:16} {sid:32} {result}", flush=True)
    return result
