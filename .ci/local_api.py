"""Serves the API for a check: `cargo local` on a free port, with a database of its own in memory."""

import contextlib
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def is_serving(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/api/movies", timeout=20) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def mails(domain: str) -> set[str]:
    """Returns the mails to accounts of this domain that `cargo local` keeps in this checkout."""
    return {mail for mail in glob.glob(".local/mail/*.eml") if f"@{domain}>" in open(mail).read()}


def mailed_token(output: str, email: str) -> str:
    """Waits until `cargo local` prints the newest reset token for this address to the file `output`, and returns it."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with open(output, encoding="utf-8") as file:
            if tokens := re.findall(rf"^Mail to {re.escape(email)}: .*\n  ([\w-]{{43}})$", file.read(), re.M):
                return tokens[-1]
        time.sleep(0.02)
    raise RuntimeError(f"no mail to {email} arrived")


@contextlib.contextmanager
def serve(domain: str) -> Iterator[tuple[str, str]]:
    """Serves the API, and yields its address and the file with the output of `cargo local`.

    Removes the mails to accounts of this domain at the end. `target/debug/local` must have been built.
    """
    port = free_port()
    api = f"http://127.0.0.1:{port}"
    # Functions inherit these variables. Hashes are as quick as debug builds allow, and only errors are logged.
    environment = {**os.environ, "BCRYPT_COST": "4", "AWS_LAMBDA_LOG_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        command = ["target/debug/local", "--in-memory", "--database-port", "0", "--port", str(port)]
        command += ["--env-file", os.path.join(folder, "environment")]
        output = os.path.join(folder, "output")
        kept = mails(domain)
        with open(output, "wb") as file:
            local = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file)
        try:
            while not is_serving(api):
                if local.poll() is not None:
                    sys.exit("cargo local ended before it served anything")
                time.sleep(0.2)
            yield api, output
        finally:
            local.send_signal(signal.SIGINT)
            try:
                local.wait(60)
            finally:
                local.kill()
                for mail in mails(domain) - kept:
                    os.remove(mail)
