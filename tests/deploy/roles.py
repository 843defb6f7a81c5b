"""The roles of the deployed functions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from report import Failure
from stack import Function, Stack

Statement = dict[str, Any]


class Role:
    """The policies of a function's role."""

    def __init__(self, stack: Stack, function: Function) -> None:
        self.iam = stack.cloud.client("iam")
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
