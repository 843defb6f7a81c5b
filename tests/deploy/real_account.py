"""Deploys to a real AWS account, and prints what AWS does beside what the documents claim.

Every deployment, rollback and deletion uses the commands of the documents. With --emulator, this tests itself; the
claims that the emulator cannot show are marked in its report, and do not count.
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
# The parameters that an operator may set; this program or ./deploy sets the others.
PARAMETER = re.compile(r"(?!(Stage|Release|Rollout|Architecture|Tracing)=)[A-Z]\w*=.*")
# How long AWS may take for asynchronous work: the first record of a stream, a line of a log, a trace.
SECONDS = 180
SECONDS_TO_SETTLE = 1800


class Account:
    """The AWS account whose credentials and region are in the environment, in place of the emulated cloud."""

    emulated = False
    # Seconds between two looks at something that takes time, because AWS throttles frequent requests.
    pause = 5.0

    def __init__(self) -> None:
        self.session = boto3.Session()
        if not self.session.region_name:
            sys.exit("There is no region: set AWS_DEFAULT_REGION.")
        self.region = self.session.region_name
        # Version 2 of the AWS CLI would prefer AWS_REGION, which may name another.
        others = {name: value for name, value in os.environ.items() if name != "AWS_REGION"}
        self.environment = others | {"AWS_DEFAULT_REGION": self.region, "SAM_CLI_TELEMETRY": "0"}

    def client(self, service: str) -> Any:
        """A client of one service."""
        return self.session.client(service)

    def wait(self, seconds: float, look: Callable[[], Any]) -> Any:
        """Looks until there is something, or for so many seconds."""
        end = time.monotonic() + seconds
        while not (found := look()) and time.monotonic() < end:
            time.sleep(self.pause)
        return found

    def api(self, stack: Stack) -> Api:
        """The API of a stack."""
        return PublicApi(stack.api_host())


class EmulatedAccount(Account):
    """The emulated cloud in place of an account."""

    emulated = True
    pause = 0.2

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.region = cloud, cloud.region

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a tool: what the emulated cloud sets, and no region, as the documents have it."""
        return self.cloud.environment

    def client(self, service: str) -> Any:
        """A client of one service."""
        return self.cloud.client(service)

    def api(self, stack: Stack) -> Api:
        """The API of a stack, behind the emulated API Gateway."""
        return Api(self.cloud.port, f"{stack.api_id()}.execute-api.localhost:{self.cloud.port}")


class PublicApi(Api):
    """The API behind the real API Gateway."""

    def __init__(self, host: str) -> None:
        super().__init__(443, host)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the API."""
        return http.client.HTTPSConnection(self.host, timeout=60)


class Trial:
    """A stage that exists for this run only, and the report of what was seen."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.stack = account, Stack(account, name)
        self.lines: list[str] = []
        self.differs = False

    def saw(self, claim: str, seen: object, holds: bool, only_aws: bool = True) -> None:
        """Notes what was seen beside what is claimed. `only_aws` marks a claim that the emulator cannot show."""
        if only_aws and self.account.emulated:
            verdict = "only AWS can answer"
        else:
            verdict = "as claimed" if holds else "DIFFERENT"
            self.differs |= not holds
        self.lines += [f"  {verdict}: {claim}", f"      seen: {seen}"]
        print(f"  {claim}: {seen}", flush=True)


def failure(act: Callable[[], object]) -> str | None:
    """Does something. Returns why that failed, if it did."""
    try:
        act()
    except Failure as failed:
        return str(failed)
    return None


def run(trial: Trial, parameters: list[str]) -> None:
    """Everything, in order."""
    stack = trial.stack
    with stage("The stage is deployed"):
        status = stack.deploy(*parameters)
        check(status == "CREATE_COMPLETE", "the stack is created", status)
    api, tables = trial.account.api(stack), Tables(stack)
    first = incidents.serving(stack)
    with stage("People use the API"):
        journey.movies(api)
        journey.account(api)
        journey.leaving(api, tables, SECONDS)
        logged = trial.account.wait(SECONDS, lambda: len(stack.logged("logged_in")) > 1)
        check(logged, "the log tells of it")
        journey.logs(stack)
    with stage("What API Gateway and Lambda do by themselves"):
        headers(trial, api)
        large_body(trial, api)
        cold_starts(trial)
        traced(trial, api, "with Tracing=PassThrough, a client's header with Sampled=1 makes no trace", expected=False)
    with stage("Another release, gradually"):
        canary(trial)
    with stage("It is rolled back by the runbook"):
        rolled_back(trial, first)
        check(api.send("GET", "/api/movies").status == 200, "the API answers")
    with stage("The next release, at once, and another, gradually"):
        after_rollback(trial)
        traced(trial, api, "with Tracing=Active, a client's header with Sampled=1 makes a trace", expected=True)
    with stage("The stage is taken down by the runbook"):
        stack.delete()
        left, tables = tables_of(trial.account, stack.name), sorted(tables.names.values())
        trial.saw("the stack is deleted, and its tables stay", left, left == tables, only_aws=False)


def headers(trial: Trial, api: Api) -> None:
    """The headers of a 401."""
    answer = api.send("GET", "/api/auth/account")
    found = {name: value for name, value in answer.headers.items() if "authenticate" in name}
    holds = answer.status == 401 and any(value.startswith("Bearer") for value in found.values())
    claim = "a 401 has www-authenticate, perhaps as x-amzn-remapped-www-authenticate"
    trial.saw(claim, found, holds, only_aws=False)


def large_body(trial: Trial, api: Api) -> None:
    """A body that API Gateway takes and Lambda does not."""
    claim = "a body of 8 MB is refused with 413 or 500, before the function"
    try:
        answer = api.send("POST", "/api/auth/login", None, {"email": "x" * 8_000_000, "password": "x"})
    except (OSError, http.client.HTTPException, ValueError) as error:
        trial.saw(claim, repr(error), False)
    else:
        trial.saw(claim, answer, answer.status in (413, 500) and "code" not in (answer.body or {}))


def cold_starts(trial: Trial) -> None:
    """How long the first requests of the functions took, without their start."""
    lines = [json.loads(line) for line in trial.stack.logged("request completed")]
    took = {line["operation"]: line["milliseconds"] for line in lines if line.get("cold_start") == 1}
    hashing = {"signup", "login", "change-password"}
    others = sorted(value for operation, value in took.items() if operation not in hashing)
    claim = "the first request of a function that does not hash takes some tens of milliseconds"
    trial.saw(claim, took, bool(others) and others[len(others) // 2] < 200)


def traced(trial: Trial, api: Api, claim: str, expected: bool) -> None:
    """Whether a request that asks to be traced is."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    header = f"Root={root};Parent={secrets.token_hex(8)};Sampled=1"
    check(api.send("GET", "/api/movies", x_amzn_trace_id=header).status == 200, "a request asks to be traced")
    found: Any = []
    if not trial.account.emulated:
        xray = trial.account.client("xray")
        found = trial.account.wait(60, lambda: xray.batch_get_traces(TraceIds=[root])["Traces"])
    trial.saw(claim, f"{len(found)} traces", bool(found) == expected)


def canary(trial: Trial) -> None:
    """A gradual release, and how the calls are divided meanwhile."""
    functions, over = trial.stack.functions().values(), threading.Event()

    def watch() -> dict[float, list[float]]:
        """When each share of the calls was seen at any function's alias."""
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
    check(len(found) == 1, "which all functions serve", found)
    seen = {share: f"for {at[-1] - at[0]:.0f} s" for share, at in shares.items()}
    holds = list(shares) == [0.1] and shares[0.1][-1] - shares[0.1][0] > 240
    trial.saw("for five minutes a tenth of the calls go to the new versions", seen or "nothing was divided", holds)


def rolled_back(trial: Trial, good: str) -> None:
    """The aliases are pointed back at a release, and no gradual release begins from there."""
    incidents.roll_back(trial.stack, good)
    back = incidents.releases(trial.stack)
    trial.saw("every alias is back at the first release", back, back == {good}, only_aws=False)
    reason = failure(trial.stack.deploy) or "it was deployed"
    (seen, *_) = [line for line in reason.splitlines() if incidents.MOVED in line] or [reason]
    trial.saw("no gradual release begins after that", seen, incidents.MOVED in seen, only_aws=False)
    back, status = incidents.releases(trial.stack), trial.stack.status()
    trial.saw("the functions stay where they were put", back, back == {good}, only_aws=False)
    trial.saw("and CloudFormation puts the stack back", status, status == "UPDATE_ROLLBACK_COMPLETE", only_aws=False)


def after_rollback(trial: Trial) -> None:
    """The deployment that the runbook names takes over from where the aliases are, and then a gradual one succeeds."""
    before = incidents.releases(trial.stack)
    failed = failure(lambda: trial.stack.follow(RUNBOOK, "Rolling back", "Rollout=AllAtOnce"))
    now = incidents.releases(trial.stack)
    holds = not failed and len(now) == 1 and min(now) > max(before)
    trial.saw("a release with Rollout=AllAtOnce takes over", failed or now, holds, only_aws=False)
    failed = failure(lambda: trial.stack.deploy("Tracing=Active"))
    trial.saw("and the one after it is gradual again", failed or "it was deployed", not failed, only_aws=False)


def clean(account: Account, name: str) -> list[str]:
    """Deletes a stage, its tables and what `sam` uploaded for it, whatever state it is in. Returns what is left."""
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
                pass  # It has ended meanwhile.
        return not now.endswith("IN_PROGRESS") or now in ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS")

    # Not by `sam delete`, which refuses a stack that was only proposed.
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
        left.append(f"what sam uploaded under {stack.name}/: {error}")
    return left


def tables_of(account: Account, name: str) -> list[str]:
    """The tables that a stack of this name has made, whether it is still there or not."""
    pages = account.client("dynamodb").get_paginator("list_tables").paginate()
    made = re.compile(rf"{re.escape(name)}-[A-Za-z]+Table-\w+")
    return sorted(table for page in pages for table in page["TableNames"] if made.fullmatch(table))


def delete_uploads(account: Account, name: str) -> None:
    """Deletes what `sam` uploaded for a stack. Its bucket stays, because other stacks share it."""
    for place in uploads(account, name):
        account.client("s3").delete_object(**place)


def uploads(account: Account, name: str) -> list[dict[str, str]]:
    """What `sam` uploaded for a stack, each version of each object."""
    resources = {"StackName": "aws-sam-cli-managed-default", "LogicalResourceId": "SamCliSourceBucket"}
    try:
        found = account.client("cloudformation").describe_stack_resource(**resources)
    except ClientError:
        return []  # It has not uploaded anything in this account and region yet.
    bucket = found["StackResourceDetail"]["PhysicalResourceId"]
    pages = account.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{name}/")
    versions = [each for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
    return [{"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]


def status_of(account: Account, name: str) -> str:
    """The status of a stack, empty if there is none of this name."""
    try:
        return account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return ""
        raise


def attempt(account: Account, name: str, parameters: list[str]) -> bool:
    """Runs everything on a stage, and clears it away however that went. Whether all was as claimed."""
    trial = Trial(account, name)
    if status_of(account, trial.stack.name) or tables_of(account, trial.stack.name):
        raise Failure(f"there is a stack {trial.stack.name} already, or a table of one")
    failed = None
    try:
        run(trial, parameters)
    except (Failure, BotoCoreError, ClientError) as error:
        failed = str(error)
    finally:
        # Also after Ctrl-C or a lost terminal; a second one would leave a stack that is paid for.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        with stage(f"{trial.stack.name} is cleared away; please wait"):
            left = clean(account, name)
            print("\n".join(left) or "  nothing is left of it", flush=True)
        listen()
    print("\n".join(["", "What is claimed, and what was seen:", *trial.lines]), flush=True)
    if failed:
        print(f"\nFAIL  {failed}", flush=True)
    if left:
        print(f"\nLEFT  {'; '.join(left)}\n      try tests/deploy/real-account --clean {name}", flush=True)
    return not (failed or left or trial.differs)


def listen() -> None:
    """Lets signals end this program in order, so that what it made is cleared away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("ended from outside"))


def ask(account: Account, name: str) -> None:
    """Says what is going to happen, and ends unless it may."""
    identity = account.client("sts").get_caller_identity()
    print(
        f"This deploys the stack movie-bag-{name} to account {identity['Account']}, {account.region},\n"
        f"as {identity['Arn']}, uses it, deploys it four more times, and deletes it with its tables. It takes about\n"
        "half an hour and costs some cents, mostly for metrics and alarms, which are billed by the hour. Should it be\n"
        "killed, the stack costs what docs/OPERATIONS.md says until you call this with --clean. What stays: sam's\n"
        "bucket, and DynamoDB's own backups of the deleted tables, for 35 days and without charge."
    )
    try:
        answer = input(f"Type {name} to go on: ")
    except EOFError:
        answer = ""
    if answer != name:
        sys.exit("Nothing was done.")


def emulated() -> None:
    """Tests this program itself: no consent, a whole run, a stage that exists, and a run that is interrupted."""
    log = PROJECT / "target/ci/real-account-emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with Cloud(log) as cloud:
        account = EmulatedAccount(cloud)
        without_consent(account)
        check(attempt(account, "trial-000001", []), "a whole run ends well")
        check(not (left := remains(account, "movie-bag-trial-000001")), "and leaves nothing", left)
        existing(account, "trial-000002")
        interrupted(account, "trial-000003")


def remains(account: Account, stack: str) -> list[object]:
    """What there is of a stack."""
    return [*([stack] if status_of(account, stack) else []), *tables_of(account, stack), *uploads(account, stack)]


def without_consent(account: Account) -> None:
    """Calls this program as an operator does who then does not go on."""
    command = [sys.executable, __file__]
    asked = subprocess.run(command, env=operator(account), input="yes\n", capture_output=True, text=True)
    check("costs some cents" in asked.stdout, "it says what it costs, and asks", asked)
    check((asked.returncode, asked.stderr) == (1, "Nothing was done.\n"), "without consent it does nothing", asked)


def operator(account: Account) -> dict[str, str]:
    """The environment of an operator who calls this program."""
    return account.environment | {"AWS_DEFAULT_REGION": account.region}


def existing(account: Account, name: str) -> None:
    """Meets a stack that is there already."""
    stack = f"movie-bag-{name}"
    template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    account.client("cloudformation").create_stack(StackName=stack, TemplateBody=template)
    try:
        attempt(account, name, [])
    except Failure as refused:
        check(status_of(account, stack), f"it leaves a stack alone that is not its own: {refused}")
    else:
        raise Failure("a stage that exists was to be refused")
    cleaned = subprocess.run([sys.executable, __file__, "--clean", name], env=operator(account), check=False)
    check(cleaned.returncode == 0 and not status_of(account, stack), "--clean clears a stage away", cleaned)
    wrong = subprocess.run([sys.executable, __file__, "--clean", "production"], env=operator(account), check=False)
    check(wrong.returncode == 1, "but only one of its own names")


def interrupted(account: Account, name: str) -> None:
    """A run that is ended while its stack is being made."""
    stack = f"movie-bag-{name}"

    def interrupt() -> None:
        account.wait(SECONDS, lambda: tables_of(account, stack))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        attempt(account, name, [])
    except SystemExit:
        check(not (left := remains(account, stack)), "a run that is interrupted leaves nothing", left)
    else:
        raise Failure("a run that is interrupted was to end")


def main() -> None:
    """Does what the command line says."""
    listen()
    arguments = sys.argv[1:]
    try:
        match arguments:
            case ["--emulator"]:
                emulated()
            case ["--clean", name] if STAGE.fullmatch(name):
                if left := clean(Account(), name):
                    sys.exit("\n".join(left))
                print("nothing is left of it")
            case _ if all(PARAMETER.fullmatch(each) for each in arguments):
                account, name = Account(), f"trial-{secrets.token_hex(3)}"
                ask(account, name)
                sys.exit(0 if attempt(account, name, arguments) else 1)
            case _:
                sys.exit("usage: tests/deploy/real-account [PARAMETER=VALUE…] | --clean trial-… | --emulator")
    except Failure as failure:
        sys.exit(f"FAIL  {failure}")


if __name__ == "__main__":
    main()
