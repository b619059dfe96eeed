"""What the tests of Terraform's calls share. Each resource leaves a plan: it reads what the provider reads, and says what must come
back. After each apply all of them are read, twice: a difference would be a plan that is never empty."""

from aws import equal

PLANS = {}
TAGS = {"Name": "shop", "stage": "dev"}


def tag_list(tags=None):
    return [{"Key": key, "Value": value} for key, value in (tags or TAGS).items()]


def tag_map(tags):
    return {it["Key"]: it["Value"] for it in tags}


def filters(**values):
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def specification(kind):
    return [{"ResourceType": kind, "Tags": tag_list()}]


def plan(name, read, wanted):
    PLANS[name] = (read, wanted)


def planned():
    """No resource differs from what was applied, and reading changes nothing."""
    for name, (read, wanted) in PLANS.items():
        found = read()
        for key, value in wanted.items():
            equal(found.get(key), value, f"{name}.{key}")
        equal(read(), found, name)


def change(name, **wanted):
    PLANS[name][1].update(wanted)


def one(answer):
    [found] = answer
    return found
