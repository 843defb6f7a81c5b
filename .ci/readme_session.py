"""Plays the curl session of README.md against `cargo local`, and compares what comes back.

Every `console` block is part of one shell session. What differs from run to run (ids, tokens, times) is compared by its
shape. Afterwards the system is restarted, to see that its data is still there.
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

ADDRESS = "http://127.0.0.1:9000"
SHAPES = [
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>"),
    (r'"request_id":"[^"]+"', '"request_id":"<request>"'),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "<id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
]


def shape(text):
    for pattern, name in SHAPES:
        text = re.sub(pattern, name, text)
    return text.strip()


def session(readme):
    """The commands of the session, each with the output that README.md shows."""
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.M | re.S)
    for step in re.split(r"^\$ ", "\n".join(blocks), flags=re.M)[1:]:
        lines = step.splitlines()
        count = 1
        while lines[count - 1].endswith("\\"):
            count += 1
        yield "\n".join(lines[:count]), "\n".join(lines[count:])


def answers():
    try:
        with urllib.request.urlopen(ADDRESS + "/api/movies", timeout=20) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Local:
    """`cargo local` while it serves."""

    def __enter__(self):
        self.process = subprocess.Popen(["cargo", "local"], start_new_session=True)
        while not answers():
            if self.process.poll() is not None:
                sys.exit("cargo local ended before it served anything")
            time.sleep(0.5)

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGINT)
        if self.process.wait(60) != 0:
            sys.exit(f"cargo local ended with {self.process.returncode} after Ctrl-C")
        if answers():
            sys.exit("something still serves after Ctrl-C")


def play(steps):
    mark = "----- end of step -----"
    script = "".join(f"{command}\nprintf '\\n%s\\n' '{mark}'\n" for command, _ in steps)
    result = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=300, check=True)
    outputs = result.stdout.split(mark)
    failures = 0
    for (command, expected), output in zip(steps, outputs):
        if shape(output) != shape(expected):
            failures += 1
            print(f"$ {command}\n  README.md: {shape(expected)}\n  now:       {shape(output)}")
    print(f"{len(steps) - failures} of {len(steps)} commands did what README.md shows")
    return failures == 0


def serve(steps):
    with Local():
        good = play(steps)
    # The user who signed up in the session is in the data, so the restarted system refuses the same email.
    with Local():
        signup = subprocess.run(["bash", "-c", steps[0][0]], capture_output=True, text=True, check=True).stdout
    if '"code":"email_taken"' not in signup:
        sys.exit(f"the data did not survive a restart: {signup}")
    print("the data survived a restart")
    return good


def main():
    with open("README.md", encoding="utf-8") as file:
        steps = list(session(file.read()))
    if len(steps) < 10:
        sys.exit("README.md has no session to play")
    # Whoever runs this in their own checkout keeps their data.
    if os.path.exists(".local"):
        os.rename(".local", ".local.kept")
    try:
        good = serve(steps)
    finally:
        shutil.rmtree(".local", ignore_errors=True)
        if os.path.exists(".local.kept"):
            os.rename(".local.kept", ".local")
    sys.exit(0 if good else 1)

main()
