"""The stack of template.yaml: deploying it as README.md says, and what is in it now."""

import json
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cloud import REGION, Cloud
from report import Failure

PROJECT = Path(__file__).parents[2]
# The stack that `--config-env staging` deploys.
NAME = "movie-bag-staging"
SAM = PROJECT / "target/ci/venv/bin/sam"
# What the functions were built for: the machine's own processor.
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]


@dataclass(frozen=True)
class Function:
    """A deployed function."""

    operation: str
    name: str
    role: str


class Stack:
    """The deployed stack, looked at through the services' own requests."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.cloudformation = cloud.client("cloudformation")
        self.lambda_ = cloud.client("lambda")

    def deploy(self, *parameters: str) -> str:
        """Deploys the template with the line of README.md and further parameters. Returns the status of the stack."""
        lines = re.findall(r"^sam deploy --config-env staging .*$", (PROJECT / "README.md").read_text(), re.M)
        if len(lines) != 1:
            raise Failure(f"README.md was to have one line that deploys to staging: {lines}")
        self._sam(" ".join([*lines, *parameters]))
        return self.status()

    def identity(self) -> str:
        """The stack's id, by which it can be asked for when it is deleted."""
        return self._description()["StackId"]

    def adopt(self, tables: dict[str, str], gone: str) -> str:
        """Makes a stack of tables that a deleted one left, as docs/OPERATIONS.md says. Returns its status.

        `tables` are their names by their names in the template, `gone` is the id of the deleted stack.
        """
        body = self.cloudformation.get_template(StackName=gone, TemplateStage="Processed")["TemplateBody"]
        template = body if isinstance(body, dict) else json.loads(body)
        resources = {name: each for name, each in template["Resources"].items() if name in tables}
        self.cloudformation.create_change_set(
            StackName=NAME,
            ChangeSetName="import",
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps({"Resources": resources}),
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::DynamoDB::Table",
                    "LogicalResourceId": name,
                    "ResourceIdentifier": {"TableName": table},
                }
                for name, table in tables.items()
            ],
        )
        named = {"StackName": NAME, "ChangeSetName": "import"}
        self.cloudformation.get_waiter("change_set_create_complete").wait(**named)
        self.cloudformation.execute_change_set(**named)
        self.cloudformation.get_waiter("stack_import_complete").wait(StackName=NAME)
        return self.status()

    def delete(self) -> None:
        """Deletes the stack with what samconfig.toml says, and waits until it is deleted."""
        self._sam("sam delete --config-env staging --no-prompts")

    def _sam(self, line: str) -> None:
        environment = self.cloud.environment
        environment["PATH"] = f"{SAM.parent}:{environment['PATH']}"
        done = subprocess.run(["bash", "-c", line], cwd=PROJECT, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            said = [row for row in done.stderr.splitlines() if "Uploading to" not in row]
            raise Failure("\n".join([f"{line} ended with {done.returncode}", *said, *self.failures()]))

    def status(self) -> str:
        """The status of the stack."""
        return self._description()["StackStatus"]

    def failures(self) -> list[str]:
        """What CloudFormation says it could not do, the latest first."""
        try:
            pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=NAME)
            events = [event for page in pages for event in page["StackEvents"]]
        except ClientError as none:
            return [str(none)]
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]

    def api_id(self) -> str:
        """The id of the API, as the output `ApiUrl` gives it."""
        outputs = {output["OutputKey"]: output["OutputValue"] for output in self._description()["Outputs"]}
        found = re.fullmatch(rf"https://(\w+)\.execute-api\.{REGION}\.amazonaws\.com", outputs["ApiUrl"])
        if not found:
            raise Failure(f"the output ApiUrl was to be the address of the API: {outputs}")
        return found[1]

    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources of the stack by their names in the template."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=NAME)
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
        return self.cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
