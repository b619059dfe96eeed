"""Events that wait: for a place, while the code is changed, and while nobody runs."""

import json
import os

from aws import client, equal, until
from lambda_package import BOOTSTRAP, active, create, lambda_, package, updated

logs = client("logs")
FUNCTION = "queued"
GROUP = f"/aws/lambda/{FUNCTION}"
# The first code never answers; it holds the only place there is.
HOLDS = BOOTSTRAP.replace("    invocation.read()", "    print('first', invocation.read().decode(), flush=True)\n"
                          "    __import__('threading').Event().wait()")
TELLS = BOOTSTRAP.replace("    invocation.read()", "    print('second', invocation.read().decode(), flush=True)")


def told(word):
    """What the function wrote that begins with a word."""
    groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    if not groups:
        return []
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern=word)
    messages = [event["message"].strip() for page in pages for event in page["events"]]
    return sorted(message for message in messages if message.startswith(word))


def first():
    create(FUNCTION, Code={"ZipFile": package("", bootstrap=HOLDS)}, Timeout=900)
    active(FUNCTION)
    lambda_.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=1)
    send = lambda payload: lambda_.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(payload))
    send("a")
    until("the first run", lambda: told("first"))
    send("b")
    lambda_.update_function_code(FunctionName=FUNCTION, ZipFile=package("", bootstrap=TELLS))
    updated(FUNCTION)
    equal((told("first"), told("second")), (['first "a"'], []), "one place, which is taken")


# LAM-A-011: what was queued before the update runs the new code
def second():
    """After kill -9: both are there, and run the code of now."""
    until("both runs", lambda: len(told("second")) >= 2)
    equal(told("second"), ['second "a"', 'second "b"'])
    equal(told("first"), ['first "a"'])


if __name__ == "__main__":
    {"first": first, "second": second}[os.environ["RUN"]]()
