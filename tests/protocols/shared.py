"""What the Python programs share: where the server is, its own API, and a runner that needs no package."""

import asyncio
import faulthandler
import json
import os
import ssl
import sys
import threading
import time
import traceback
import urllib.request

HTTP_PORT, HTTPS_PORT = os.environ.get("HTTP_PORT"), os.environ.get("HTTPS_PORT")
CA = os.environ.get("CA")

# Longer than anything takes on a busy machine.
BOUND = 30


def trusting():
    return ssl.create_default_context(cafile=CA)


def own_api(name):
    """The document behind a path of albacore's own API."""
    with urllib.request.urlopen(f"http://{os.environ['ENDPOINT']}/_albacore/{name}", timeout=BOUND) as answer:
        return json.load(answer)


def records(path):
    """The records of the requests for a path."""
    found = own_api("requests")["requests"]
    return [record for record in found if record["request"].split(" ")[1].endswith(path)]


def until(what, look):
    """Looks until there is something."""
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
    faulthandler.dump_traceback_later(BOUND + 15)  # whoever waits for us is about to give up
    for name, test in list(names.items()):
        if name.startswith("test_"):
            try:
                if asyncio.iscoroutine(running := test()):
                    asyncio.run(running)
            except Exception:
                failed += 1
                print(f"{name} failed:\n{traceback.format_exc()}", file=sys.stderr)
            else:
                print(f"{name} ok", flush=True)
    sys.exit(1 if failed else 0)
