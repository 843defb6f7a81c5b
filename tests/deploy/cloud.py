"""The AWS emulator: its process, its address, and clients for its services."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3

from report import Failure

REGION = "eu-west-1"
# The credentials of MiniStack's root account. They are constants of MiniStack and valid nowhere else. The functions do
# not get them: each has the credentials of its role.
ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
SECONDS_TO_START = 60
SECONDS_TO_STOP = 10


class Cloud:
    """MiniStack on a free port of 127.0.0.1. It writes to a temporary directory, which is deleted when it stops."""

    region = REGION

    def __init__(self, log: Path) -> None:
        self.log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def address(self) -> str:
        """Returns the address of every service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment of a tool that uses this cloud: credentials and addresses, but no region."""
        return ROOT | {
            "PATH": os.environ["PATH"],
            "HOME": self.directory.name,
            "TMPDIR": self.directory.name,
            "AWS_ENDPOINT_URL": self.address,
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service: str) -> Any:
        """Returns a client of a service with the credentials of the root account."""
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id=ROOT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT["AWS_SECRET_ACCESS_KEY"],
        )

    def mails(self) -> list[dict[str, Any]]:
        """Returns the mails that SES has accepted, the earliest first."""
        with urllib.request.urlopen(f"{self.address}/_ministack/ses/messages", timeout=5) as response:
            accounts = json.load(response)["messages"]
        return [mail for mails in accounts.values() for mail in mails]

    def __enter__(self) -> "Cloud":
        self.directory = tempfile.TemporaryDirectory(prefix="movie-bag-deploy-")
        # IoT and SFTP are disabled because they would listen on all interfaces. The functions inherit the log format,
        # which Lambda would set according to the template.
        settings = {
            "AUTH": "true",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": f"{self.directory.name}/s3",
            "SFTP_ENABLED": "0",
            "STATE_DIR": f"{self.directory.name}/state",
        }
        with self.log.open("wb") as log:
            # A new session is also a new process group, which contains the processes of the functions, too.
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("emulator.py"))],
                cwd=self.directory.name,
                env=self.environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"the emulator ended with {self.process.returncode}; see {self.log}")
            try:
                with urllib.request.urlopen(f"{self.address}/_ministack/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise Failure(f"the emulator was not ready after {SECONDS_TO_START} seconds; see {self.log}")

    def _stop(self) -> None:
        """Stops the emulator and every function that it started, and fails if a process is left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            end = time.monotonic() + SECONDS_TO_STOP
            while time.monotonic() < end and self._signal(0):
                time.sleep(0.1)
        left = self._signal(0)
        self.directory.cleanup()
        if left:
            raise Failure(f"processes of the group {self.process.pid} still run after the emulator")

    def _signal(self, number: int) -> bool:
        """Sends a signal to the process group. Returns `False` if no process is left in it."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True
