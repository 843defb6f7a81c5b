"""Deploys the stack to an AWS emulator on this machine, then uses, breaks, updates and deletes it."""

import signal
import sys
import time

import incidents
import journey
import lifetime
import mail
import privileges
import switch
import translation
from api import Api
from calls import Deployed
from cloud import Cloud
from mail import Mail
from purge import Purge, bad_record
from report import Failure, stage
from stack import PROJECT, Stack
from tables import Tables


def test(cloud: Cloud) -> None:
    """Runs every stage in order."""
    stack = Stack(cloud)
    with stage("The template and the tools"):
        translation.translated()
        lifetime.equipped(stack)
    with stage("A first deployment fails"):
        incidents.not_created(stack)
    with stage("The stack is deployed, without mails"):
        lifetime.created(stack)
        lifetime.through_the_alias(stack)
        api = Api(cloud.port, f"{stack.api_id()}.execute-api.localhost:{cloud.port}")
        switch.silent(stack, api)
    tables = Tables(stack)
    purge = Purge(stack, api, tables)
    with stage("Users call the API"):
        journey.movies(api)
        journey.compression(api)
        journey.account(api)
        journey.gateway(api)
        journey.account_deletion(api, tables)
        journey.logs(stack)
    with stage("People use the page about the API"):
        journey.page(api)
    with stage("purge-account receives a bad record"):
        bad_record(purge)
    with stage("Mails are turned on"):
        switch.verified(stack)
        switch.turned_on(stack, tables)
    sender = Mail(stack, api)
    with stage("A user loses the password"):
        mail.password_reset(sender)
        mail.other_sender(sender)
    with stage("No role has a statement that its function does not need"):
        privileges.least_privilege(Deployed(stack, api, tables, purge, sender))
    with stage("Parameters and routes change"):
        incidents.by_sam(stack)
        incidents.not_allowed(stack)
        incidents.several_origins(stack, api)
        incidents.route_removed(stack)
    with stage("Another release is deployed"):
        first = incidents.serving(stack)
        lifetime.updated(stack, api, tables)
    with stage("The release is rolled back"):
        incidents.rolled_back(stack, api, first)
    with stage("The signing key is compromised"):
        incidents.key_compromised(stack, api, first)
    with stage("Mails are turned off and on again"):
        switch.turned_off(stack, api, tables)
        switch.turned_on(stack, tables)
        mail.password_reset(Mail(stack, api))
    with stage("The data is restored to an earlier time"):
        lifetime.restored(stack, tables)
    with stage("The stack is deleted"):
        deleted = lifetime.deleted(stack, tables)
    with stage("Its tables are imported into a new stack"):
        lifetime.imported(stack, tables, deleted)


def main() -> None:
    """Runs the test, and stops the emulator whether the test passes or fails."""
    # A signal must not end this process without stopping the emulator.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("terminated by a signal"))
    started = time.monotonic()
    log = PROJECT / "target/ci/deploy-emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Cloud(log) as cloud:
            test(cloud)
    except Failure as failure:
        sys.exit(f"FAIL  {failure}\n      emulator log: {log}")
    print(f"Every check of the deployment passed; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
