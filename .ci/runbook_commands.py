"""Runs the commands of docs/OPERATIONS.md that change a user, with the AWS CLI, on a local database.

The shell blocks of the runbook are executed unchanged. An `aws` in front of the AWS CLI stands in for CloudFormation,
which returns the names of the tables, and can write to the database between two of the commands.
"""

import json
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

ID = "01a20462-f3e5-7c11-9a02-6b1f0c2d3e4f"
OTHER = "01a20462-0000-7c11-9a02-6b1f0c2d3e4f"
# A page of a scan ends after 1 MB, so three of these fill it.
LARGE = "x" * 300_000

AWS = """#!/usr/bin/env bash
if [ "$1" = cloudformation ]; then
  # The local tables have the names of their resources.
  [[ " $* " =~ \\ --logical-resource-id\\ ([A-Za-z]+)\\  ]] && echo "${BASH_REMATCH[1]}"
  exit
fi
"$AWS_CLI" "$@" || exit
[ "$2" != scan ] || eval "${MEANWHILE:-}"
"""


class Database:
    """The in-memory database of `cargo local --database-only`."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        options = ["--database-only", "--in-memory", "--database-port", str(self.port), "--env-file", f"{folder}/.env"]
        self.process = subprocess.Popen(["target/debug/local", *options], start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.ask("ListTables", {})
                return
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the database did not start")
                time.sleep(0.1)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)

    def ask(self, operation, request):
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"DynamoDB_20120810.{operation}",
            "x-amz-date": "20260101T000000Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/dynamodb/aws4_request, "
            "SignedHeaders=host, Signature=00",
        }
        data = json.dumps(request).encode()
        with urllib.request.urlopen(urllib.request.Request(self.endpoint, data, headers), timeout=20) as response:
            return json.load(response)

    def put(self, table, **item):
        written = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in item.items()}
        self.ask("PutItem", {"TableName": table, "Item": written})

    def user(self):
        return self.ask("GetItem", {"TableName": "UsersTable", "Key": {"pk": {"S": f"user#{ID}"}}}).get("Item")


def commands(function):
    """Returns the shell block of the runbook that defines this function."""
    with open("docs/OPERATIONS.md", encoding="utf-8") as file:
        blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.M | re.S)
    (block,) = [block for block in blocks if f"{function}() {{" in block]
    return block


def run(function, database, folder, meanwhile=""):
    """Runs the block of a function, and calls the function for the user. Returns the exit status and all output."""
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": folder,
        "AWS_CLI": os.path.abspath("target/ci/emulator/bin/aws"),
        "AWS_ENDPOINT_URL_DYNAMODB": database.endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "MEANWHILE": meanwhile,
    }
    script = f"{commands(function)}\n{function} {ID}\n"
    result = subprocess.run(
        ["bash"], input=script, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    return result.returncode, result.stdout


def expect(what, actual, expected, output=""):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, not {actual!r}\n{output}")
    print(f"ok {what}")


def test_repair(database, folder):
    def repair(meanwhile=""):
        return run("repair_movie_count", database, folder, meanwhile)

    for number in range(12):
        owner = ID if number % 3 == 0 else OTHER
        database.put("MoviesTable", pk=f"movie#{number}", id=str(number), added_by=owner, text=LARGE)
        database.put("MoviesTable", pk=f"name#{number}", movie_id=str(number))
    first = database.ask(
        "Scan",
        {
            "TableName": "MoviesTable",
            "Select": "COUNT",
            "FilterExpression": "added_by = :user",
            "ExpressionAttributeValues": {":user": {"S": ID}},
        },
    )
    expect("the first page lacks some of the user's movies", first["Count"] < 4 and "LastEvaluatedKey" in first, True)

    for counted, what in [(7, "too high"), (2, "too low"), (-2, "below 0"), (4, "right")]:
        database.put("UsersTable", pk=f"user#{ID}", status="deleting", movie_count=counted, email="ann@example.com")
        status, output = repair()
        expect(f"a count that is {what} is accepted", status, 0, output)
        expect(f"a count that is {what} becomes right", database.user()["movie_count"]["N"], "4", output)
        expect("nothing else of the user changes", database.user()["email"]["S"], "ann@example.com")
        expect("it reports what it did", output, f"movie_count of {ID} was {counted} and is 4\n")

    # A movie is deleted during the count.
    database.put("UsersTable", pk=f"user#{ID}", status="deleting", movie_count=7)
    deletion = (
        f"""{os.path.abspath("target/ci/emulator/bin/aws")} dynamodb update-item --table-name UsersTable """
        f"""--key '{{"pk": {{"S": "user#{ID}"}}}}' --update-expression 'ADD movie_count :one' """
        """--expression-attribute-values '{":one": {"N": "-1"}}'"""
    )
    status, output = repair(deletion)
    refused = status != 0 and "ConditionalCheckFailedException" in output
    expect("a count that changes during the repair is refused", refused, True, output)
    expect("and does not change", database.user()["movie_count"]["N"], "6", output)

    database.put("UsersTable", pk=f"user#{ID}", status="active", movie_count=7)
    status, output = repair()
    expect("an active user is refused", (status, "is not being deleted" in output), (1, True), output)
    expect("and does not change", database.user()["movie_count"]["N"], "7", output)

    database.ask("DeleteItem", {"TableName": "UsersTable", "Key": {"pk": {"S": f"user#{ID}"}}})
    status, output = repair()
    expect("a user who does not exist is refused", (status, "is not being deleted" in output), (1, True), output)
    expect("and is not created", database.user(), None, output)


def test_end_sessions(database, folder):
    user = {"pk": f"user#{ID}", "status": "active", "email": "ann@example.com"}
    for epoch in [0, 41]:
        database.put("UsersTable", **user, session_epoch=epoch)
        before = database.user()
        status, output = run("end_sessions", database, folder)
        expect(f"the sessions of epoch {epoch} end", status, 0, output)
        expect("nothing else of the user changes", database.user(), before | {"session_epoch": {"N": str(epoch + 1)}})

    database.ask("DeleteItem", {"TableName": "UsersTable", "Key": {"pk": {"S": f"user#{ID}"}}})
    status, output = run("end_sessions", database, folder)
    refused = status != 0 and "ConditionalCheckFailedException" in output
    expect("the sessions of a user who does not exist cannot end", refused, True, output)
    expect("and the user is not created", database.user(), None, output)


def main():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/aws", "w", encoding="utf-8") as file:
            file.write(AWS)
        os.chmod(f"{folder}/aws", 0o755)
        database = Database(folder)
        try:
            test_repair(database, folder)
            test_end_sessions(database, folder)
        finally:
            database.stop()
    print("the commands of the runbook repair a movie_count and end sessions")


main()
