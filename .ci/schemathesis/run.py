"""Tests every operation of openapi.yaml with Schemathesis, against `cargo local` with a database of its own in memory.

Arguments are passed to `schemathesis run`: `--seed 2` sends other requests than the checks do.
"""

import os
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
CI = os.path.dirname(FOLDER)
sys.path.append(CI)

import local_api


def schemathesis(api, output):
    """Runs Schemathesis and returns its exit status."""
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    configuration = os.path.join(FOLDER, "schemathesis.toml")
    command = [program, "--config-file", configuration, "run", "openapi.yaml", "--url", api, *sys.argv[1:]]
    path = os.pathsep.join([FOLDER, CI])
    environment = {**os.environ, "API": api, "OUTPUT": output, "PYTHONPATH": path, "SCHEMATHESIS_HOOKS": "hooks"}
    return subprocess.run(command, env=environment, timeout=600).returncode


with local_api.serve("schemathesis.example") as (api, output):
    status = schemathesis(api, output)
sys.exit(status)
