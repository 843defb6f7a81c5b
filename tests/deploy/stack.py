"""The stack of template.yaml: deploys it with the commands of the documents, and inspects it."""

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
# The stage in README.md, which the deployment test deploys.
STAGE = "staging"
# The folders of `sam` and `aws`.
TOOLS = (PROJECT / "target/ci/venv/bin", Path(sys.executable).parent)


@dataclass(frozen=True)
class Function:
    """A deployed function."""

    operation: str
    name: str
    role: str


class Stack:
    """The deployed stack, inspected through the APIs of the services."""

    def __init__(self, cloud: Cloud, stage: str = STAGE) -> None:
        # ./deploy gives the stack this name.
        self.cloud, self.stage, self.name = cloud, stage, f"movie-bag-{stage}"
        self.cloudformation = cloud.client("cloudformation")
        self.lambda_ = cloud.client("lambda")

    def deploy(self, *parameters: str) -> str:
        """Deploys the template with the commands of README.md and further parameters. Returns the stack's status."""
        commands = block("README.md", "Deploy it", f"./deploy {STAGE}")
        # The functions are already built.
        lines = [line for line in commands.splitlines() if not line.startswith("cargo lambda build")]
        lines = set_values("\n".join(lines), "README.md", AWS_DEFAULT_REGION=self.cloud.region)
        self._bash(lines.replace(f"./deploy {STAGE}", shlex.join(["./deploy", self.stage, *parameters])))
        return self.status()

    def run(self, commands: str) -> str:
        """Runs commands of the documents with the settings of the runbook. Returns their output."""
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
            output, errors = process.communicate()
        except BaseException:
            # Kill its child processes, too: `sam` must not continue to deploy after this program has ended.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if process.returncode != 0:
            messages = [row for row in errors.splitlines() if "Uploading to" not in row]
            failed = [event for event in self._failed() if event["EventId"] not in known]
            reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
            ended = f"these commands ended with {process.returncode}:"
            raise Failure("\n".join([ended, commands, *messages, *reasons]))
        return output

    def follow(self, document: str, heading: str, words: str, **values: str) -> str:
        """Runs the only block with these words under a heading of a document. Returns its output."""
        return self.run(block(document, heading, words, **values))

    def refused(self, *parameters: str) -> str:
        """Makes a deployment that must fail, and returns the reason."""
        try:
            status = self.deploy(*parameters)
        except Failure as failure:
            return str(failure)
        raise Failure(f"a deployment with {parameters} did not fail: {status}")

    def refused_value(self, parameter: str, value: str) -> str:
        """Creates a change set with a parameter value that must be rejected, and returns the reason."""
        others = [each for each in self._unchanged() if each["ParameterKey"] != parameter]
        change = {"ParameterKey": parameter, "ParameterValue": value}
        proposed = {"StackName": self.name, "ChangeSetName": "refused", "Capabilities": ["CAPABILITY_IAM"]}
        try:
            self.cloudformation.create_change_set(**proposed, UsePreviousTemplate=True, Parameters=[*others, change])
        except ClientError as error:
            return str(error)
        raise Failure(f"{parameter}={value} was not rejected")

    def template(self) -> dict[str, Any]:
        """Returns the template of the stack as SAM translated it."""
        body = self.cloudformation.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
        return body if isinstance(body, dict) else json.loads(body)

    def update(self, template: dict[str, Any]) -> str | None:
        """Updates the stack with another template. Returns the reason if this fails."""
        known = {event["EventId"] for event in self._failed()}
        # The template is too large for the request, so it is uploaded to the bucket of `sam`.
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
        """Deletes the stack with the command of the runbook, and waits until it is deleted."""
        line = block(RUNBOOK, "Taking a stage down", "sam delete")
        self.run(line.replace("sam delete", "sam delete --no-prompts"))

    def identity(self) -> str:
        """Returns the stack's id, which still identifies it after it is deleted."""
        return self._description()["StackId"]

    def status(self) -> str:
        """Returns the status of the stack."""
        return self._description()["StackStatus"]

    def _failed(self) -> list[dict[str, Any]]:
        """Returns the events of failed resources, the latest first."""
        try:
            pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
            events = [event for page in pages for event in page["StackEvents"]]
        except ClientError:
            return []
        return [event for event in events if event["ResourceStatus"].endswith("FAILED")]

    def api_id(self) -> str:
        """Returns the id of the API."""
        return self.api_host().partition(".")[0]

    def api_host(self) -> str:
        """Returns the host name of the API, which is part of the output `ApiUrl`."""
        outputs = {output["OutputKey"]: output["OutputValue"] for output in self._description()["Outputs"]}
        host = rf"\w+\.execute-api\.{self.cloud.region}\.amazonaws\.com"
        if not (found := re.fullmatch(f"https://({host})", outputs["ApiUrl"])):
            raise Failure(f"the output ApiUrl is not the address of an API: {outputs}")
        return found[1]

    def parameters(self) -> dict[str, str]:
        """Returns the values of the parameters."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._description()["Parameters"]}

    def resources(self) -> dict[str, dict[str, Any]]:
        """Returns the resources of the stack, by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {found["LogicalResourceId"]: found for page in pages for found in page["StackResourceSummaries"]}

    def physical(self, kind: str) -> dict[str, str]:
        """Returns the physical names of all resources of a type, by logical id."""
        found = self.resources().items()
        return {logical: each["PhysicalResourceId"] for logical, each in found if each["ResourceType"] == kind}

    def functions(self) -> dict[str, Function]:
        """Returns the functions, by operation."""
        functions = {}
        for logical, name in self.physical("AWS::Lambda::Function").items():
            operation = re.sub(r"(?<!^)([A-Z])", r"-\1", logical.removesuffix("Function")).lower()
            role = self.lambda_.get_function_configuration(FunctionName=name)["Role"].rsplit("/", 1)[-1]
            functions[operation] = Function(operation, name, role)
        return functions

    def live(self, function: Function) -> dict[str, str]:
        """Returns the versions that the aliases of a function point to, by alias name."""
        aliases = self.lambda_.list_aliases(FunctionName=function.name)["Aliases"]
        return {alias["Name"]: alias["FunctionVersion"] for alias in aliases}

    def variables(self, function: Function, version: str) -> dict[str, str]:
        """Returns the environment variables of a version or an alias of a function."""
        config = self.lambda_.get_function_configuration(FunctionName=function.name, Qualifier=version)
        return config["Environment"]["Variables"]

    def release(self, function: Function, version: str) -> str | None:
        """Returns the release that a version of a function has in its environment."""
        return self.variables(function, version).get("RELEASE")

    def invoke(self, function: str, event: object) -> dict[str, Any]:
        """Invokes a function by its name or ARN. `error` is whether the whole invocation failed."""
        response = self.lambda_.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(response["Payload"].read() or b"null")
        return {"error": "FunctionError" in response, "payload": payload}

    def logged(self, text: str) -> list[str]:
        """Returns the lines of all log groups of the stack that contain a text."""
        logs = self.cloud.client("logs")
        lines = []
        for group in self.physical("AWS::Logs::LogGroup").values():
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            lines += [event["message"] for page in pages for event in page["events"] if text in event["message"]]
        return lines

    def _description(self) -> dict[str, Any]:
        return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]


def set_values(commands: str, document: str, **values: str) -> str:
    """Replaces the values of variables in commands of a document, which must set each of them exactly once."""
    for name, value in values.items():
        commands, found = re.subn(rf"\b{name}=\S+", f"{name}={value}", commands)
        if found != 1:
            raise Failure(f"{document} must set {name} once, not {found} times")
    return commands
