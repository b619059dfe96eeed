"""What the Python clients share: where the server is, its own API, and a runner that needs no package."""

import json
import os
import sys
import threading
import time
import traceback
import urllib.request

HTTP_PORT = int(os.environ["HTTP_PORT"])
HTTPS_PORT = int(os.environ["HTTPS_PORT"])
HTTP = f"http://localhost:{HTTP_PORT}"
HTTPS = f"https://localhost:{HTTPS_PORT}"
# The authority of the default certificate, the one that albacore issues from, and both.
CA, LOCAL_CA, BOTH_CAS = os.environ["CA"], os.environ["LOCAL_CA"], os.environ["BOTH_CAS"]

# Longer than anything takes on a busy machine.
BOUND = 30


def own_api(name):
    """The document behind a path of albacore's own API."""
    with urllib.request.urlopen(f"http://{os.environ['ENDPOINT']}/_albacore/{name}", timeout=BOUND) as answer:
        return json.load(answer)


def requests_for(text):
    """The records of the requests whose request line contains a text, the newest first."""
    return [record for record in own_api("requests")["requests"] if text in record["request"]]


def until(what, look):
    """Looks until there is something. A record is written just after its answer was sent."""
    end = time.monotonic() + BOUND
    while not (found := look()):
        assert time.monotonic() < end, f"never happened: {what}"
        threading.Event().wait(0.005)
    return found


def equal(found, expected, what=""):
    assert found == expected, f"{what} expected {expected!r}, found {found!r}"


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
