"""Deploys to a real AWS account, and compares the behavior of AWS with the claims of the documents.

Every deployment, rollback and deletion uses the commands of the documents. With --emulator, this program tests itself.
Its report then marks the claims that the emulator cannot confirm, and ignores them in the result.
"""

import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import incidents
import journey
from api import Api
from cloud import Cloud
from report import Failure, check, stage
from stack import PROJECT, RUNBOOK, Stack
from tables import Tables

STAGE = re.compile(r"trial-[0-9a-f]{6}")
# The parameters that an operator can pass. This program or ./deploy sets the others, except MailFrom: the addresses of
# the users of a trial do not exist, so mails to them would harm the account's reputation.
PARAMETER = re.compile(r"(?!(Stage|Release|Rollout|Architecture|Tracing|MailFrom)=)[A-Z]\w*=.*")
# How long asynchronous work of AWS may take: the first stream record, a log line, a trace.
SECONDS = 180
SECONDS_TO_SETTLE = 1800


class Account:
    """The AWS account whose credentials and region are in the environment; replaces the emulated cloud."""

    emulated = False
    # Seconds between two polls; not less, because AWS throttles frequent requests.
    pause = 5.0

    def __init__(self) -> None:
        self.session = boto3.Session()
        if not self.session.region_name:
            sys.exit("No region is configured: set AWS_DEFAULT_REGION.")
        self.region = self.session.region_name
        # Version 2 of the AWS CLI prefers AWS_REGION, which may be another region.
        others = {name: value for name, value in os.environ.items() if name != "AWS_REGION"}
        self.environment = others | {"AWS_DEFAULT_REGION": self.region, "SAM_CLI_TELEMETRY": "0"}

    def client(self, service: str) -> Any:
        """Returns a client of a service."""
        return self.session.client(service)

    def wait(self, seconds: float, look: Callable[[], Any]) -> Any:
        """Calls `look` until it returns a true value or the time is over, and returns its last result."""
        end = time.monotonic() + seconds
        while not (found := look()) and time.monotonic() < end:
            time.sleep(self.pause)
        return found

    def api(self, stack: Stack) -> Api:
        """Returns a client of the API of a stack."""
        return PublicApi(stack.api_host())


class EmulatedAccount(Account):
    """The emulated cloud; replaces a real account."""

    emulated = True
    pause = 0.2

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.region = cloud, cloud.region

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment of a tool, which has no region because the commands of the documents set it."""
        return self.cloud.environment

    def client(self, service: str) -> Any:
        """Returns a client of a service."""
        return self.cloud.client(service)

    def api(self, stack: Stack) -> Api:
        """Returns a client of the API of a stack behind the emulated API Gateway."""
        return Api(self.cloud.port, f"{stack.api_id()}.execute-api.localhost:{self.cloud.port}")


class PublicApi(Api):
    """The API behind the real API Gateway."""

    def __init__(self, host: str) -> None:
        super().__init__(443, host)

    def connect(self) -> http.client.HTTPConnection:
        """Returns a connection to the API."""
        return http.client.HTTPSConnection(self.host, timeout=60)


class Trial:
    """A stage that exists only for this run, and the report of its observations."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.stack = account, Stack(account, name)
        self.lines: list[str] = []
        self.differs = False

    def report(self, claim: str, observed: object, holds: bool, only_aws: bool = True) -> None:
        """Reports an observation beside a claim. `only_aws` marks a claim that the emulator cannot confirm."""
        if only_aws and self.account.emulated:
            verdict = "only AWS can confirm"
        else:
            verdict = "as claimed" if holds else "DIFFERENT"
            self.differs |= not holds
        self.lines += [f"  {verdict}: {claim}", f"      observed: {observed}"]
        print(f"  {claim}: {observed}", flush=True)


def failure(action: Callable[[], object]) -> str | None:
    """Runs an action, and returns the reason if it fails."""
    try:
        action()
    except Failure as failed:
        return str(failed)
    return None


def run_stages(trial: Trial, parameters: list[str]) -> None:
    """Runs every stage of a trial in order."""
    stack = trial.stack
    with stage("The stage is deployed"):
        status = stack.deploy(*parameters)
        check(status == "CREATE_COMPLETE", "the stack is created", status)
    api, tables = trial.account.api(stack), Tables(stack)
    first = incidents.serving(stack)
    with stage("Users call the API"):
        journey.movies(api)
        journey.compression(api)
        journey.account(api)
        journey.account_deletion(api, tables, SECONDS)
        logged = trial.account.wait(SECONDS, lambda: len(stack.logged("logged_in")) > 1)
        check(logged, "the logins are in the log")
        journey.logs(stack)
    with stage("Behavior of API Gateway and Lambda themselves"):
        headers(trial, api)
        vary(trial, api)
        large_body(trial, api)
        cold_starts(trial)
        traced(trial, api, "with Tracing=PassThrough, a header with Sampled=1 creates no trace", expected=False)
    with stage("Another release is deployed gradually"):
        canary(trial)
    with stage("The release is rolled back with the runbook"):
        rolled_back(trial, first)
        check(api.send("GET", "/api/movies").status == 200, "the API responds")
    with stage("The next release is deployed at once, and another one gradually"):
        after_rollback(trial)
        traced(trial, api, "with Tracing=Active, a header with Sampled=1 creates a trace", expected=True)
    with stage("The stage is deleted with the runbook"):
        stack.delete()
        left, tables = tables_of(trial.account, stack.name), sorted(tables.names.values())
        trial.report("the stack is deleted, and its tables are retained", left, left == tables, only_aws=False)


def headers(trial: Trial, api: Api) -> None:
    """The headers of a 401."""
    response = api.send("GET", "/api/auth/account")
    found = {name: value for name, value in response.headers.items() if "authenticate" in name}
    holds = response.status == 401 and any(value.startswith("Bearer") for value in found.values())
    claim = "a 401 has www-authenticate, perhaps as x-amzn-remapped-www-authenticate"
    trial.report(claim, found, holds, only_aws=False)


def vary(trial: Trial, api: Api) -> None:
    """The header `vary` of the list, which the emulator's CORS replaces."""
    response = api.send("GET", "/api/movies", origin="https://films.example")
    found = response.headers.get("vary", "none")
    claim = "the list has vary: accept-encoding, perhaps together with origin"
    trial.report(claim, found, response.status == 200 and "accept-encoding" in found.lower())


def large_body(trial: Trial, api: Api) -> None:
    """A body that API Gateway accepts and Lambda rejects."""
    claim = "a body of 8 MB is rejected with 413 or 500 before it reaches the function"
    try:
        response = api.send("POST", "/api/auth/login", None, {"email": "x" * 8_000_000, "password": "x"})
    except (OSError, http.client.HTTPException, ValueError) as error:
        trial.report(claim, repr(error), False)
    else:
        trial.report(claim, response, response.status in (413, 500) and "code" not in (response.body or {}))


def cold_starts(trial: Trial) -> None:
    """The duration of each function's first request, without the start of the process."""
    lines = [json.loads(line) for line in trial.stack.logged("request completed")]
    took = {line["operation"]: line["milliseconds"] for line in lines if line.get("cold_start") == 1}
    hashing = {"signup", "login", "change-password"}
    others = sorted(value for operation, value in took.items() if operation not in hashing)
    claim = "the first request of a function that does not hash takes some tens of milliseconds"
    trial.report(claim, took, bool(others) and others[len(others) // 2] < 200)


def traced(trial: Trial, api: Api, claim: str, expected: bool) -> None:
    """Whether a request that asks for a trace is traced."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    header = f"Root={root};Parent={secrets.token_hex(8)};Sampled=1"
    check(api.send("GET", "/api/movies", x_amzn_trace_id=header).status == 200, "a request asks to be traced")
    found: Any = []
    if not trial.account.emulated:
        xray = trial.account.client("xray")
        found = trial.account.wait(60, lambda: xray.batch_get_traces(TraceIds=[root])["Traces"])
    trial.report(claim, f"{len(found)} traces", bool(found) == expected)


def canary(trial: Trial) -> None:
    """A gradual rollout, and how the invocations are divided while it is in progress."""
    functions, over = trial.stack.functions().values(), threading.Event()

    def watch() -> dict[float, list[float]]:
        """Returns the times at which each share of the invocations was observed at any alias."""
        shares: dict[float, list[float]] = {}
        while not over.wait(trial.account.pause):
            for function in functions:
                alias = trial.stack.lambda_.get_alias(FunctionName=function.name, Name="live")
                for share in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).values():
                    shares.setdefault(share, []).append(time.monotonic())
        return shares

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            status = trial.stack.deploy()
        finally:
            over.set()
        shares = watching.result()
    check(status == "UPDATE_COMPLETE", "another release is deployed", status)
    found = incidents.releases(trial.stack)
    check(len(found) == 1, "all functions serve it", found)
    observed = {share: f"for {at[-1] - at[0]:.0f} s" for share, at in shares.items()}
    holds = list(shares) == [0.1] and shares[0.1][-1] - shares[0.1][0] > 240
    claim = "for five minutes the new versions receive a tenth of the invocations"
    trial.report(claim, observed or "the invocations were not divided", holds)


def rolled_back(trial: Trial, good: str) -> None:
    """The aliases are moved back to a release, and a gradual rollout from there is refused."""
    incidents.roll_back(trial.stack, good)
    back = incidents.releases(trial.stack)
    trial.report("every alias points to the first release again", back, back == {good}, only_aws=False)
    reason = failure(trial.stack.deploy) or "it was deployed"
    (observed, *_) = [line for line in reason.splitlines() if incidents.MOVED in line] or [reason]
    trial.report("a gradual rollout is refused afterwards", observed, incidents.MOVED in observed, only_aws=False)
    back, status = incidents.releases(trial.stack), trial.stack.status()
    trial.report("the functions stay rolled back", back, back == {good}, only_aws=False)
    trial.report("CloudFormation rolls the stack back", status, status == "UPDATE_ROLLBACK_COMPLETE", only_aws=False)


def after_rollback(trial: Trial) -> None:
    """The deployment of the runbook replaces the release, and then a gradual one succeeds."""
    before = incidents.releases(trial.stack)
    failed = failure(lambda: trial.stack.follow(RUNBOOK, "Rolling back", "Rollout=AllAtOnce"))
    now = incidents.releases(trial.stack)
    holds = not failed and len(now) == 1 and min(now) > max(before)
    trial.report("a deployment with Rollout=AllAtOnce replaces the release", failed or now, holds, only_aws=False)
    failed = failure(lambda: trial.stack.deploy("Tracing=Active"))
    trial.report("the next deployment is gradual again", failed or "it was deployed", not failed, only_aws=False)


def clean(account: Account, name: str) -> list[str]:
    """Deletes a stage in any state, its tables, and the uploads of `sam`. Returns descriptions of what is left."""
    stack = Stack(account, name)
    cloudformation, dynamodb = stack.cloudformation, account.client("dynamodb")

    def status() -> str:
        return status_of(account, stack.name)

    def settled() -> bool:
        now = status()
        if now == "UPDATE_IN_PROGRESS":
            try:
                cloudformation.cancel_update_stack(StackName=stack.name)
            except ClientError:
                pass  # The update has ended in the meantime.
        return not now.endswith("IN_PROGRESS") or now in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS")

    # Not with `sam delete`, which refuses a stack in the state REVIEW_IN_PROGRESS.
    account.wait(SECONDS_TO_SETTLE, settled)
    if status():
        cloudformation.delete_stack(StackName=stack.name)
        account.wait(SECONDS_TO_SETTLE, lambda: status() in ("", "DELETE_FAILED"))
    left = [f"the stack {stack.name}: {status()}"] if status() else []
    for table in tables_of(account, stack.name):
        try:
            stack.follow(RUNBOOK, "Taking a stage down", "delete-table", TABLE=table)
            dynamodb.get_waiter("table_not_exists").wait(TableName=table)
        except (Failure, BotoCoreError, ClientError) as error:
            left.append(f"the table {table}: {error}")
    try:
        delete_uploads(account, stack.name)
    except (BotoCoreError, ClientError) as error:
        left.append(f"the uploads of sam under {stack.name}/: {error}")
    return left


def tables_of(account: Account, name: str) -> list[str]:
    """Returns the tables that a stack of this name has created, whether or not it still exists."""
    pages = account.client("dynamodb").get_paginator("list_tables").paginate()
    pattern = re.compile(rf"{re.escape(name)}-[A-Za-z]+Table-\w+")
    return sorted(table for page in pages for table in page["TableNames"] if pattern.fullmatch(table))


def delete_uploads(account: Account, name: str) -> None:
    """Deletes the uploads of `sam` for a stack. The bucket stays, because other stacks share it."""
    for place in uploads(account, name):
        account.client("s3").delete_object(**place)


def uploads(account: Account, name: str) -> list[dict[str, str]]:
    """Returns the uploads of `sam` for a stack, with every version of each object."""
    resources = {"StackName": "aws-sam-cli-managed-default", "LogicalResourceId": "SamCliSourceBucket"}
    try:
        found = account.client("cloudformation").describe_stack_resource(**resources)
    except ClientError:
        return []  # `sam` has not uploaded anything in this account and region yet.
    bucket = found["StackResourceDetail"]["PhysicalResourceId"]
    pages = account.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{name}/")
    versions = [each for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
    return [{"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]


def status_of(account: Account, name: str) -> str:
    """Returns the status of a stack, or an empty string if no stack has this name."""
    try:
        return account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise


def run_trial(account: Account, name: str, parameters: list[str]) -> bool:
    """Runs a trial on a new stage, and always deletes the stage. Returns whether every claim was confirmed."""
    trial = Trial(account, name)
    if status_of(account, trial.stack.name) or tables_of(account, trial.stack.name):
        raise Failure(f"the stack {trial.stack.name} or one of its tables already exists")
    failed = None
    try:
        run_stages(trial, parameters)
    except (Failure, BotoCoreError, ClientError) as error:
        failed = str(error)
    finally:
        # Also after Ctrl-C or a lost terminal. A second signal must not interrupt this, because the stack costs money.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with stage(f"{trial.stack.name} is being deleted; please wait"):
            left = clean(account, name)
            print("\n".join(left) or "  everything is deleted", flush=True)
        handle_signals()
    print("\n".join(["", "Claims and observations:", *trial.lines]), flush=True)
    if failed:
        print(f"\nFAIL  {failed}", flush=True)
    if left:
        print(f"\nLEFT  {'; '.join(left)}\n      run tests/deploy/real-account --clean {name}", flush=True)
    return not (failed or left or trial.differs)


def handle_signals() -> None:
    """Makes signals raise `SystemExit`, so that this program deletes the resources that it created."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("terminated by a signal"))


def ask(account: Account, name: str) -> None:
    """Prints what this program will do, and exits without consent."""
    identity = account.client("sts").get_caller_identity()
    print(
        f"This deploys the stack movie-bag-{name} to account {identity['Account']}, {account.region},\n"
        f"as {identity['Arn']}, calls its API, deploys it four more times, and deletes it with its tables. It\n"
        "takes about half an hour and costs some cents, mostly for metrics and alarms, which are billed by the hour.\n"
        "If this program is killed, the stack incurs the costs in docs/OPERATIONS.md until you run it with --clean.\n"
        "The bucket of sam stays, and so do DynamoDB's own backups of the deleted tables, for 35 days without charge."
    )
    try:
        reply = input(f"Type {name} to continue: ")
    except EOFError:
        reply = ""
    if reply != name:
        sys.exit("Nothing was changed.")


def test_with_emulator() -> None:
    """Tests this program: without consent, a whole run, an existing stage, and an interrupted run."""
    log = PROJECT / "target/ci/real-account-emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with Cloud(log) as cloud:
        account = EmulatedAccount(cloud)
        without_consent(account)
        check(run_trial(account, "trial-000001", []), "a whole run succeeds")
        check(not (left := remains(account, "movie-bag-trial-000001")), "it leaves nothing behind", left)
        existing(account, "trial-000002")
        interrupted(account, "trial-000003")


def remains(account: Account, stack: str) -> list[object]:
    """Returns everything that is left of a stack."""
    return [*([stack] if status_of(account, stack) else []), *tables_of(account, stack), *uploads(account, stack)]


def without_consent(account: Account) -> None:
    """Runs this program without typing the name of the stage."""
    command = [sys.executable, __file__]
    asked = subprocess.run(command, env=operator(account), input="yes\n", capture_output=True, text=True)
    check("costs some cents" in asked.stdout, "it states the costs and asks for consent", asked)
    refused = (asked.returncode, asked.stderr) == (1, "Nothing was changed.\n")
    check(refused, "without consent it changes nothing", asked)
    mail = [*command, "MailFrom=bag@example.com"]
    usage = subprocess.run(mail, env=operator(account), capture_output=True, text=True).stderr
    check(usage.startswith("usage:"), "it does not allow MailFrom", usage)


def operator(account: Account) -> dict[str, str]:
    """Returns the environment of an operator who runs this program."""
    return account.environment | {"AWS_DEFAULT_REGION": account.region}


def existing(account: Account, name: str) -> None:
    """Runs a trial whose stack already exists."""
    stack = f"movie-bag-{name}"
    template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    account.client("cloudformation").create_stack(StackName=stack, TemplateBody=template)
    try:
        run_trial(account, name, [])
    except Failure as refused:
        check(status_of(account, stack), f"it does not touch an existing stack: {refused}")
    else:
        raise Failure("an existing stage was not refused")
    cleaned = subprocess.run([sys.executable, __file__, "--clean", name], env=operator(account), check=False)
    check(cleaned.returncode == 0 and not status_of(account, stack), "--clean deletes a stage", cleaned)
    wrong = subprocess.run([sys.executable, __file__, "--clean", "production"], env=operator(account), check=False)
    check(wrong.returncode == 1, "--clean only accepts names of trials")


def interrupted(account: Account, name: str) -> None:
    """A run that is interrupted while its stack is being created."""
    stack = f"movie-bag-{name}"

    def interrupt() -> None:
        account.wait(SECONDS, lambda: tables_of(account, stack))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        run_trial(account, name, [])
    except SystemExit:
        check(not (left := remains(account, stack)), "an interrupted run leaves nothing behind", left)
    else:
        raise Failure("an interrupted run did not exit")


def main() -> None:
    """Executes the command line."""
    handle_signals()
    arguments = sys.argv[1:]
    try:
        match arguments:
            case ["--emulator"]:
                test_with_emulator()
            case ["--clean", name] if STAGE.fullmatch(name):
                if left := clean(Account(), name):
                    sys.exit("\n".join(left))
                print("everything is deleted")
            case _ if all(PARAMETER.fullmatch(each) for each in arguments):
                account, name = Account(), f"trial-{secrets.token_hex(3)}"
                ask(account, name)
                sys.exit(0 if run_trial(account, name, arguments) else 1)
            case _:
                sys.exit("usage: tests/deploy/real-account [PARAMETER=VALUE…] | --clean trial-… | --emulator")
    except Failure as failure:
        sys.exit(f"FAIL  {failure}")


if __name__ == "__main__":
    main()
