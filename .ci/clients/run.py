"""Generates the clients of docs/CLIENTS.md as it says, checks their types, and uses them on `cargo local`.

The commands and the programs of the document are executed unchanged, except for the address of the API. `session.py`
and `session.ts` then play the session of docs/TUTORIAL.md with the same clients.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CI = FOLDER.parent
sys.path.append(str(CI))

import local_api

DOCUMENT = Path("docs/CLIENTS.md")
ADDRESS = "http://127.0.0.1:9000"
NODE_MODULES = Path("target/ci/clients/node_modules").absolute()


def blocks(language):
    """Returns the blocks of the document in a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    if not found:
        sys.exit(f"{DOCUMENT} has no {language}")
    return found


def program(language, api):
    """Returns the only program of the document in a language, for the API at this address."""
    (block,) = blocks(language)
    if ADDRESS not in block:
        sys.exit(f"the {language} of {DOCUMENT} does not use {ADDRESS}")
    return block.replace(ADDRESS, api)


def play(folder, api, output):
    """Generates the clients in a folder, checks the types of all programs, and runs them."""
    shutil.copy("openapi.yaml", folder)
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    shutil.copy(CI / "local_api.py", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "example.py").write_text(program("python", api))
    (folder / "example.ts").write_text(program("ts", api))
    environment = {
        **os.environ,
        "API": api,
        "OUTPUT": output,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        # npx runs what is installed and downloads nothing.
        "npm_config_offline": "true",
    }

    def run(*command):
        """Runs a command, which must succeed, and returns its output."""
        print("$", *command, flush=True)
        result = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        print(result.stdout, flush=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)} failed")
        return result.stdout

    for command in blocks("sh"):
        printed = run("bash", "-c", command.strip())
        if "⚠" in printed or "warning" in printed.lower():
            sys.exit("a generator warns about openapi.yaml")
    run("mypy", "session.py", "example.py")
    run("node_modules/.bin/tsc", "--project", ".")
    run("python", "session.py")
    run("node", "session.js")
    # The second program finds the movie that the first has created.
    assert "created" in run("python", "example.py")
    assert "has this name" in run("node", "example.js")


with tempfile.TemporaryDirectory() as folder, local_api.serve("clients.example") as (api, output):
    play(Path(folder), api, output)
