"""What the scripts share: clients of the endpoint, servers to be targets, and a runner that needs no package."""

import http.client
import http.server
import json
import os
import sys
import threading
import time
import traceback
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

ENDPOINT = os.environ["ENDPOINT"]
REGION = "us-east-1"

# Longer than anything takes on a busy machine.
BOUND = 60
# Pollers of the SDK ask more often than every 15 seconds.
POLLS = {"Delay": 1, "MaxAttempts": BOUND}


def client(service="elbv2", region=REGION, access_key="test", secret_key="test-secret", session_token=None, **more):
    config = botocore.config.Config(
        # One attempt: an error that is tried again would hide.
        retries={"total_max_attempts": 1},
        # The server is to say what is wrong.
        parameter_validation=False,
        connect_timeout=BOUND,
        read_timeout=BOUND,
        **more,
    )
    return boto3.client(
        service,
        endpoint_url=f"http://{ENDPOINT}",
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        config=config,
    )


def own_api(name):
    """The document behind a path of albacore's own API."""
    with urllib.request.urlopen(f"http://{ENDPOINT}/_albacore/{name}", timeout=BOUND) as answer:
        return json.load(answer)


def socket_of(port):
    """Where the listener of a port is open."""
    for listener in own_api("status")["listeners"]:
        if listener["port"] == port:
            host, _, number = listener["socket"].rpartition(":")
            return host, int(number)
    raise AssertionError(f"no listener of port {port} is open")


def ask(port, path="/", method="GET", headers=None):
    """Status, headers and body of an answer through a listener."""
    host, number = socket_of(port)
    connection = http.client.HTTPConnection(host, number, timeout=BOUND)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


class Target:
    """A server that answers with its name."""

    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = f"{name} {self.path}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def entry(self):
        return {"Id": "127.0.0.1", "Port": self.port}


def until(what, look):
    """Looks until there is something."""
    end = time.monotonic() + BOUND
    while not (found := look()):
        assert time.monotonic() < end, f"never happened: {what}"
        threading.Event().wait(0.02)
    return found


def equal(found, expected, what=""):
    assert found == expected, f"{what} expected {expected!r}, found {found!r}"


def refused(code, call, status=400, contains="", **arguments):
    """The call fails with this code of AWS."""
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]
        equal(found["Code"], code, f"{found}")
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status, code)
        assert contains in found["Message"], found["Message"]
        return error
    raise AssertionError(f"expected {code}, got {answer}")


def run(names):
    """Runs every function whose name begins with `test_`, and says which ones failed."""
    failed = 0
    for name, test in list(names.items()):
        if name.startswith("test_"):
            try:
                test()
            except Exception:
                failed += 1
                print(f"{name} failed:\n{traceback.format_exc()}", file=sys.stderr)
            else:
                print(f"{name} ok")
    sys.exit(1 if failed else 0)
