"""Checks least privilege on the deployed stack: without any single statement of a role, a call fails."""

from contextlib import AbstractContextManager

from calls import CALLS, NOT_ENFORCED, Deployed, call_for
from report import Failure, check, note
from roles import Role


def least_privilege(deployed: Deployed) -> None:
    """Removes each statement in turn, and prints the effect."""
    print(f"  {'function':16} {'statement':32} without it")
    effects = {"fails": 0, "not enforced by the emulator": 0}
    # Without the mappings, because the streams would trigger the functions before the calls of this test.
    with deployed.purge.mapping_set(False), deployed.mail.mapping_set(False):
        for operation, function in sorted(deployed.stack.functions().items()):
            role = Role(deployed.stack, function)
            before = role.inline(), role.attached()
            for policy, found in before[0].items():
                for statement in found:
                    effects[_without(deployed, operation, statement["Sid"], role.without(policy, statement))] += 1
            for arn, found in before[1].items():
                for statement in found:
                    effects[_without(deployed, operation, statement["Sid"], role.detached(arn))] += 1
            policies = [*before[0].values(), *before[1].values()]
            sids = {statement["Sid"] for found in policies for statement in found}
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


def _without(deployed: Deployed, operation: str, sid: str, absence: AbstractContextManager[None]) -> str:
    """Makes the call that needs a statement, first without the statement and then with it."""
    call = call_for(operation, sid)(deployed)
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
