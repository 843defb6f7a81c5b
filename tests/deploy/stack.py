"""The stack of template.yaml: deploying it with the commands of the documents, and what is in it now."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from cloud import Cloud
from documents import PROJECT, block
from report import Failure

RUNBOOK = "docs/OPERATIONS.md"
# The stage of README.md, which the deployment test deploys.
STAGE = "staging"
# Where `sam` and `aws` are.
TOOLS = (PROJECT / "target/ci/venv/bin", Path(sys.executable).parent)


@dataclass(frozen=True)
class Function:
    """A deployed function."""

    operation: str
    name: str
    role: str


class Stack:
    """The deployed stack, looked at through the services' own requests."""

    def __init__(self, cloud: Cloud, stage: str = STAGE) -> None:
        # The name of the stack is the one that ./deploy gives it.
        self.cloud, self.stage, self.name = cloud, stage, f"movie-bag-{stage}"
        self.cloudformation = cloud.client("cloudformation")
        self.lambda_ = cloud.client("lambda")

    def deploy(self, *parameters: str) -> str:
        """Deploys the template with the lines of README.md and further parameters. Returns the status of the stack."""
        commands = block("README.md", "Deploy it", f"./deploy {STAGE}")
        # What it builds is there already.
        lines = [line for line in commands.splitlines() if not line.startswith("cargo lambda build")]
        lines = set_values("\n".join(lines), "README.md", AWS_DEFAULT_REGION=self.cloud.region)
        self._bash(lines.replace(f"./deploy {STAGE}", shlex.join(["./deploy", self.stage, *parameters])))
        return self.status()

    def run(self, commands: str) -> str:
        """Runs commands of the documents after what the runbook says is to be set. Returns what they print."""
        settings = block(RUNBOOK, "Before you begin", "export")
        values = {"AWS_DEFAULT_REGION": self.cloud.region, "STAGE": self.stage, "STACK": self.name}
        return self._bash(f"{set_values(settings, RUNBOOK, **values)}\n{commands}")

    def _bash(self, commands: str) -> str:
        environment = self.cloud.environment
        environment["PATH"] = ":".join([*map(str, TOOLS), environment["PATH"]])
        known = {event["EventId"] for event in self._failed()}
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            printed, complaints = process.communicate()
        except BaseException:
            # With what it started: `sam` must not go on deploying after this program has ended.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if process.returncode != 0:
            said = [row for row in complaints.splitlines() if "Uploading to" not in row]
            failed = [event for event in self._failed() if event["EventId"] not in known]
            reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
            raise Failure("\n".join([f"this ended with {process.returncode}:", commands, *said, *reasons]))
        return printed

    def follow(self, document: str, heading: str, words: str, **values: str) -> str:
        """Runs the one block with these words under a heading of a document. Returns what it prints."""
        return self.run(block(document, heading, words, **values))

    def refused(self, *parameters: str) -> str:
        """Tries to deploy what has to fail. Returns why it did."""
        try:
            status = self.deploy(*parameters)
        except Failure as failure:
            return str(failure)
        raise Failure(f"a deployment with {parameters} was to fail: {status}")

    def refused_value(self, parameter: str, value: str) -> str:
        """Proposes another value of one parameter, which has to be refused. Returns why."""
        others = [each for each in self._unchanged() if each["ParameterKey"] != parameter]
        change = {"ParameterKey": parameter, "ParameterValue": value}
        proposed = {"StackName": self.name, "ChangeSetName": "refused", "Capabilities": ["CAPABILITY_IAM"]}
        try:
            self.cloudformation.create_change_set(**proposed, UsePreviousTemplate=True, Parameters=[*others, change])
        except ClientError as error:
            return str(error)
        raise Failure(f"{parameter}={value} was to be refused")

    def template(self) -> dict[str, Any]:
        """The template of the stack as SAM made it."""
        body = self.cloudformation.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
        return body if isinstance(body, dict) else json.loads(body)

    def update(self, template: dict[str, Any]) -> str | None:
        """Gives the stack another template. Returns why that failed, if it did."""
        known = {event["EventId"] for event in self._failed()}
        # It is too large to be part of the request, so it goes where `sam` puts its own.
        s3 = self.cloud.client("s3")
        place = {"Bucket": s3.list_buckets()["Buckets"][0]["Name"], "Key": "template.json"}
        s3.put_object(**place, Body=json.dumps(template))
        url = f"{self.cloud.address}/{place['Bucket']}/{place['Key']}"
        changed = {"StackName": self.name, "Capabilities": ["CAPABILITY_IAM"], "TemplateURL": url}
        self.cloudformation.update_stack(**changed, Parameters=self._unchanged())
        try:
            self.cloudformation.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig={"Delay": 1})
        except WaiterError:
            new = [event for event in self._failed() if event["EventId"] not in known]
            return "\n".join(event.get("ResourceStatusReason", "") for event in new)
        return None

    def _unchanged(self) -> list[dict[str, Any]]:
        given = self._description()["Parameters"]
        return [{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in given]

    def delete(self) -> None:
        """Deletes the stack as the runbook says, and waits until it is deleted."""
        line = block(RUNBOOK, "Taking a stage down", "sam delete")
        self.run(line.replace("sam delete", "sam delete --no-prompts"))

    def identity(self) -> str:
        """The stack's id, by which it can be asked for when it is deleted."""
        return self._description()["StackId"]

    def status(self) -> str:
        """The status of the stack."""
        return self._description()["StackStatus"]

    def _failed(self) -> list[dict[str, Any]]:
        """What CloudFormation could not do so far, the latest first."""
        try:
            pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
            events = [event for page in pages for event in page["StackEvents"]]
        except ClientError:
            return []
        return [event for event in events if event["ResourceStatus"].endswith("FAILED")]

    def api_id(self) -> str:
        """The id of the API."""
        return self.api_host().partition(".")[0]

    def api_host(self) -> str:
        """The host name of the API, as the output `ApiUrl` gives it."""
        outputs = {output["OutputKey"]: output["OutputValue"] for output in self._description()["Outputs"]}
        host = rf"\w+\.execute-api\.{self.cloud.region}\.amazonaws\.com"
        if not (found := re.fullmatch(f"https://({host})", outputs["ApiUrl"])):
            raise Failure(f"the output ApiUrl was to be the address of the API: {outputs}")
        return found[1]

    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources of the stack by their names in the template."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {found["LogicalResourceId"]: found for page in pages for found in page["StackResourceSummaries"]}

    def physical(self, kind: str) -> dict[str, str]:
        """The physical names of all resources of a type, by their names in the template."""
        found = self.resources().items()
        return {logical: each["PhysicalResourceId"] for logical, each in found if each["ResourceType"] == kind}

    def functions(self) -> dict[str, Function]:
        """The functions by their operations."""
        functions = {}
        for logical, name in self.physical("AWS::Lambda::Function").items():
            operation = re.sub(r"(?<!^)([A-Z])", r"-\1", logical.removesuffix("Function")).lower()
            role = self.lambda_.get_function_configuration(FunctionName=name)["Role"].rsplit("/", 1)[-1]
            functions[operation] = Function(operation, name, role)
        return functions

    def live(self, function: Function) -> dict[str, str]:
        """The versions that the aliases of a function lead to, by their names."""
        aliases = self.lambda_.list_aliases(FunctionName=function.name)["Aliases"]
        return {alias["Name"]: alias["FunctionVersion"] for alias in aliases}

    def release(self, function: Function, version: str) -> str | None:
        """The release that a version of a function says it is."""
        config = self.lambda_.get_function_configuration(FunctionName=function.name, Qualifier=version)
        return config["Environment"]["Variables"].get("RELEASE")

    def invoke(self, function: str, event: object) -> dict[str, Any]:
        """Invokes a function by its name or ARN. `error` says whether the whole invocation failed."""
        answer = self.lambda_.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read() or b"null")
        return {"error": "FunctionError" in answer, "payload": payload}

    def logged(self, text: str) -> list[str]:
        """The lines of all logs of the stack that hold a text."""
        logs = self.cloud.client("logs")
        lines = []
        for group in self.physical("AWS::Logs::LogGroup").values():
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            lines += [event["message"] for page in pages for event in page["events"] if text in event["message"]]
        return lines

    def _description(self) -> dict[str, Any]:
        return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]


def set_values(commands: str, document: str, **values: str) -> str:
    """Sets variables of commands of a document, each of which they have to set once themselves, to other values."""
    for name, value in values.items():
        commands, found = re.subn(rf"\b{name}=\S+", f"{name}={value}", commands)
        if found != 1:
            raise Failure(f"{document} was to set {name} once, not {found} times")
    return commands
