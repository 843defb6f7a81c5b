"""Tests every operation of openapi.yaml with Schemathesis, against `cargo local` with a database of its own in memory.

Arguments are passed to `schemathesis run`: `--seed 2` sends other requests than the checks do.
"""

import glob
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FOLDER = os.path.dirname(__file__)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def mails():
    """Returns the mails to accounts of this test that `cargo local` keeps in this checkout."""
    return {mail for mail in glob.glob(".local/mail/*.eml") if "@schemathesis.example>" in open(mail).read()}


def is_serving(api):
    try:
        with urllib.request.urlopen(f"{api}/api/movies", timeout=20) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def schemathesis(api, output):
    """Runs Schemathesis and returns its exit status."""
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    configuration = os.path.join(FOLDER, "schemathesis.toml")
    command = [program, "--config-file", configuration, "run", "openapi.yaml", "--url", api, *sys.argv[1:]]
    environment = {**os.environ, "API": api, "OUTPUT": output, "PYTHONPATH": FOLDER, "SCHEMATHESIS_HOOKS": "hooks"}
    return subprocess.run(command, env=environment, timeout=600).returncode


def main():
    port = free_port()
    api = f"http://127.0.0.1:{port}"
    # Functions inherit these variables. Hashes are as quick as debug builds allow, and only errors are logged.
    environment = {**os.environ, "BCRYPT_COST": "4", "AWS_LAMBDA_LOG_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        command = ["target/debug/local", "--in-memory", "--database-port", "0", "--port", str(port)]
        command += ["--env-file", os.path.join(folder, "environment")]
        output = os.path.join(folder, "output")
        kept = mails()
        with open(output, "wb") as file:
            local = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file)
        try:
            while not is_serving(api):
                if local.poll() is not None:
                    sys.exit("cargo local ended before it served anything")
                time.sleep(0.2)
            status = schemathesis(api, output)
        finally:
            local.send_signal(signal.SIGINT)
            try:
                local.wait(60)
            finally:
                local.kill()
                for mail in mails() - kept:
                    os.remove(mail)
    sys.exit(status)


main()
