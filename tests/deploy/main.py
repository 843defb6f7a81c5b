"""Deploys the stack to an emulator of AWS on this machine, uses it, breaks it, updates it and deletes it."""

import signal
import sys
import time

import incidents
import journey
import lifetime
import privileges
import purge
import translation
from api import Api
from cloud import Cloud
from report import Failure, stage
from stack import PROJECT, Stack
from tables import Tables


def test(cloud: Cloud) -> None:
    """Everything, in order."""
    stack = Stack(cloud)
    with stage("The template and the tools"):
        translation.translated()
        lifetime.equipped(stack)
    with stage("A first deployment fails"):
        incidents.not_created(stack)
    with stage("The stack is deployed"):
        lifetime.created(stack)
        lifetime.through_the_alias(stack)
    api, tables = Api(cloud.port, f"{stack.api_id()}.execute-api.localhost:{cloud.port}"), Tables(stack)
    worker = purge.Purge(stack, api, tables)
    with stage("People use the API"):
        journey.movies(api)
        journey.account(api)
        journey.gateway(api)
        journey.leaving(api, tables)
        journey.logs(stack)
    with stage("The purge meets a bad record"):
        purge.poison(worker)
    with stage("No role has a statement that its function does not need"):
        privileges.least_privilege(worker)
    with stage("Parameters and routes change"):
        incidents.by_sam(stack)
        incidents.not_allowed(stack)
        incidents.several_origins(stack, api)
        incidents.route_removed(stack)
    with stage("Another release"):
        first = incidents.serving(stack)
        lifetime.updated(stack, api, tables)
    with stage("It is rolled back"):
        incidents.rolled_back(stack, api, first)
    with stage("The key becomes known"):
        incidents.key_known(stack, api, first)
    with stage("The data of an earlier moment is restored"):
        lifetime.restored(stack, tables)
    with stage("The stack is deleted"):
        gone = lifetime.removed(stack, tables)
    with stage("Its tables are brought back under a stack"):
        lifetime.brought_back(stack, tables, gone)


def main() -> None:
    """Runs the test, and ends the emulator however it went."""
    # So that the emulator does not outlive this process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("ended from outside"))
    started = time.monotonic()
    log = PROJECT / "target/ci/deploy-emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Cloud(log) as cloud:
            test(cloud)
    except Failure as failure:
        sys.exit(f"FAIL  {failure}\n      the emulator's log: {log}")
    print(f"The deployment does what it should; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
