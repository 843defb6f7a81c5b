"""Runs every operation on moto, an implementation of DynamoDB that shares no code with the embedded database.

Starts moto's server with empty tables, and passes its address to tests/api/second_database.rs.
"""

import os
import socket
import subprocess
import sys
import time

from local_api import free_port

TEST = ["cargo", "test", "--locked", "--test", "api", "--", "--ignored", "--exact"]
TEST.append("second_database::every_operation_succeeds_on_a_second_database")


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def main():
    port = free_port()
    program = os.path.join(os.path.dirname(sys.executable), "moto_server")
    moto = subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while not is_listening(port):
            if moto.poll() is not None:
                sys.exit("moto ended before it served anything")
            time.sleep(0.1)
        environment = {**os.environ, "SECOND_DATABASE": f"http://127.0.0.1:{port}"}
        test = subprocess.run(TEST, env=environment, timeout=600, stdout=subprocess.PIPE, text=True)
    finally:
        moto.kill()
    print(test.stdout)
    # A filter that matches no test is a success.
    sys.exit(test.returncode or "1 passed" not in test.stdout)


main()
