"""Runs the console sessions of README.md and docs/TUTORIAL.md against `cargo local`, and compares the output.

All `console` blocks of a document form one shell session on an empty database. Ids, tokens and times differ from run to
run, so each distinct value is replaced by its number in the order of appearance: where a document shows the same id
twice, the responses must have the same id twice. After the session of README.md the system is restarted, to check that
its data is still there.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

README = "README.md"
TUTORIAL = "docs/TUTORIAL.md"
ADDRESS = "http://127.0.0.1:9000"
# What differs from run to run. The first group that matches gives the kind of the value.
VARIABLE = re.compile(
    r"(?P<token>eyJ[\w-]+\.[\w-]+\.[\w-]+)"
    r'|(?<="request_id":")(?P<request>[^"]+)'
    r"|(?<=[?&]cursor=)(?P<cursor>[\w-]+)"
    r"|(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
)


def shapes(outputs):
    """Returns the outputs with every variable value replaced by its kind and number, such as `<id 1>`."""
    numbers = {}

    def number(match):
        kind = match.lastgroup
        known = numbers.setdefault(kind, {})
        return f"<{kind} {known.setdefault(match[0], len(known) + 1)}>"

    return [VARIABLE.sub(number, output).strip() for output in outputs]


def session(document, minimum):
    """Returns the commands of a document's session, each with the output that the document shows."""
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"^```console\n(.*?)^```", file.read(), re.M | re.S)
    steps = []
    for step in re.split(r"^\$ ", "\n".join(blocks), flags=re.M)[1:]:
        lines = step.splitlines()
        count = 1
        while lines[count - 1].endswith("\\"):
            count += 1
        steps.append(("\n".join(lines[:count]), "\n".join(lines[count:])))
    if len(steps) < minimum:
        sys.exit(f"{document} has {len(steps)} commands to run; at least {minimum} were expected")
    return steps


def is_serving():
    try:
        with urllib.request.urlopen(ADDRESS + "/api/movies", timeout=20) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Local:
    """`cargo local` while it serves."""

    def __init__(self, *options):
        self.command = ["cargo", "local", *options]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, start_new_session=True)
        while not is_serving():
            if self.process.poll() is not None:
                sys.exit("cargo local ended before it served anything")
            time.sleep(0.5)

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGINT)
        if self.process.wait(60) != 0:
            sys.exit(f"cargo local ended with {self.process.returncode} after Ctrl-C")
        if is_serving():
            sys.exit("something still serves after Ctrl-C")


def play(document, steps):
    """Runs the commands in one shell. Returns whether every output is what the document shows."""
    mark = "----- end of step -----"
    script = "".join(f"{command}\nprintf '\\n%s\\n' '{mark}'\n" for command, _ in steps)
    result = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=300, check=True)
    expected = shapes([output for _, output in steps])
    actual = shapes(result.stdout.split(mark)[: len(steps)])
    failures = 0
    for (command, _), shown, printed in zip(steps, expected, actual, strict=True):
        if shown != printed:
            failures += 1
            print(f"$ {command}\n  {document}: {shown}\n  now: {printed}")
    print(f"{len(steps) - failures} of {len(steps)} commands did what {document} shows")
    return failures == 0


def run_readme():
    steps = session(README, minimum=3)
    with Local():
        good = play(README, steps)
    # The user who signed up in the session is in the data, so the restarted system refuses the same email.
    with Local():
        signup = subprocess.run(["bash", "-c", steps[0][0]], capture_output=True, text=True, check=True).stdout
    if '"code":"email_taken"' not in signup:
        sys.exit(f"the data did not survive a restart: {signup}")
    print("the data survived a restart")
    return good


def run_tutorial():
    steps = session(TUTORIAL, minimum=20)
    # As the tutorial says, so that it meets an empty database and leaves the reader's data alone.
    with Local("--in-memory"):
        return play(TUTORIAL, steps)


def main():
    # Running this in a checkout keeps the data of that checkout.
    if os.path.exists(".local"):
        os.rename(".local", ".local.kept")
    try:
        good = [run_readme(), run_tutorial()]
    finally:
        shutil.rmtree(".local", ignore_errors=True)
        if os.path.exists(".local.kept"):
            os.rename(".local.kept", ".local")
    sys.exit(0 if all(good) else 1)


main()
