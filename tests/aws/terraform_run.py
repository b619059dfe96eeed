"""Terraform itself, where it and its provider of AWS are installed: it makes what `terraform/` describes, finds no difference in a
plan after that, changes it, and destroys it. Elsewhere this says that nothing was run; `terraform.py` asks what the provider asks.
Source: clients.md 1."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
import zipfile

from aws import BOUND, ENDPOINT, ask, client, equal, run, until

elb, iam, lambda_, acm, logs, ec2 = (client(name) for name in ["elbv2", "iam", "lambda", "acm", "logs", "ec2"])

# The provider waits half a minute twice when it makes a load balancer.
LONGEST = 300
# Where providers are looked for, in the folders of Terraform's own mirrors: HOST/NAMESPACE/TYPE/VERSION/PLATFORM.
MIRRORS = [
    os.environ.get("ALBACORE_TEST_TERRAFORM_PLUGINS", ""),
    os.path.expanduser("~/.terraform.d/plugins"),
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
    "/opt/tf-plugins",
]
APP = """import os

def handler(event, context):
    if "requestContext" not in event:
        return {"order": event["order"]}
    import library
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": library.loud(os.environ["GREETING"])}
"""
LAYER = """def loud(text):
    return text + "!"
"""


def installed():
    """The program, and the folder with its provider; nothing where one is missing."""
    program = shutil.which("terraform") or shutil.which("tofu")
    mirrors = (mirror for mirror in MIRRORS if mirror and list(pathlib.Path(mirror).glob("*/hashicorp/aws/*")))
    mirror = next(mirrors, None)
    return (program, mirror) if program and mirror else None


class Terraform:
    def __init__(self, program, mirror, folder):
        self.program, self.folder = program, folder
        # Nothing of the caller's own configuration, and nobody told that it runs.
        kept = {name: os.environ[name] for name in ["PATH", "HOME"] if name in os.environ}
        self.environment = {**kept, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_VAR_endpoint": f"http://{ENDPOINT}"}
        self.call("init", f"-plugin-dir={mirror}")

    def call(self, *arguments, changed=False, status=0):
        environment = {**self.environment, "TF_VAR_changed": json.dumps(changed)}
        command = [self.program, *arguments, *([] if arguments[0] == "output" else ["-input=false"]), "-no-color"]
        ended = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=LONGEST)
        assert ended.returncode == status, f"{command} ended with {ended.returncode}:\n{ended.stderr or ended.stdout}"
        return ended.stdout

    def apply(self, changed):
        self.call("apply", "-auto-approve", changed=changed)
        # Ends with 2 when there is anything to do.
        self.call("plan", "-detailed-exitcode", changed=changed)
        outputs = json.loads(self.call("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}


def prepare(folder):
    for name in pathlib.Path(__file__).parent.joinpath("terraform").iterdir():
        shutil.copy(name, folder)
    for archive, name, text in [("function.zip", "app.py", APP), ("layer.zip", "python/library.py", LAYER)]:
        with zipfile.ZipFile(folder / archive, "w") as package:
            entry = zipfile.ZipInfo(name)
            # Not the owner's alone, who is not who runs it.
            entry.external_attr = 0o644 << 16
            package.writestr(entry, text)
    names = "subjectAltName=DNS:imported.example.com"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "60", "-subj", "/CN=imported.example.com",
               "-addext", names, "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    bucket = pathlib.Path(os.environ["OBJECTS"]) / "code"
    bucket.mkdir(parents=True)
    for name in ["function.zip", "certificate.pem"]:
        shutil.copy(folder / name, bucket)


def what_is_there():
    """What was there before Terraform came, and shall be alone again after it."""
    return {
        "load balancers": [it["LoadBalancerName"] for it in elb.describe_load_balancers()["LoadBalancers"]],
        "target groups": sorted(it["TargetGroupName"] for it in elb.describe_target_groups()["TargetGroups"]),
        "trust stores": [it["Name"] for it in elb.describe_trust_stores()["TrustStores"]],
        "functions": sorted(it["FunctionName"] for it in lambda_.list_functions()["Functions"]),
        "layers": [it["LayerName"] for it in lambda_.list_layers()["Layers"]],
        "roles": [it["RoleName"] for it in iam.list_roles()["Roles"]],
        "users": [it["UserName"] for it in iam.list_users()["Users"]],
        "policies": [it["PolicyName"] for it in iam.list_policies(Scope="Local")["Policies"]],
        "certificates": sorted(it["DomainName"] for it in acm.list_certificates()["CertificateSummaryList"]),
        "log groups": sorted(it["logGroupName"] for it in logs.describe_log_groups()["logGroups"]),
        "VPCs": len(ec2.describe_vpcs()["Vpcs"]),
        "subnets": len(ec2.describe_subnets()["Subnets"]),
        "security groups": len(ec2.describe_security_groups()["SecurityGroups"]),
        "route tables": len(ec2.describe_route_tables()["RouteTables"]),
        "gateways": len(ec2.describe_internet_gateways()["InternetGateways"]),
    }


def by_url(url):
    """What a function's URL answers; its name is for resolvers, which need not know it."""
    request = urllib.request.Request(f"http://{ENDPOINT}/", headers={"Host": urllib.parse.urlsplit(url).netloc})
    with urllib.request.urlopen(request, timeout=BOUND) as answer:
        return answer.read().decode()


def test_terraform():
    found = installed()
    if not found:
        print("Terraform or its provider hashicorp/aws is not installed: nothing was run")
        return
    before = what_is_there()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(folder)
        it = Terraform(*found, folder)

        made = it.apply(changed=False)
        equal(made["account"], "000000000000")
        equal(made["invoked"], {"order": 8})
        assert made["dns_name"].startswith("shop-") and made["dns_name"].endswith(".us-east-1.elb.localhost"), made
        equal(ask(9001)[::2], (200, "hello!"))
        equal(ask(9001, method="PUT")[::2], (200, "put"))
        equal(by_url(made["function_url"]), "hello!")

        changed = it.apply(changed=True)
        equal({name: changed[name] for name in ["dns_name", "weighted"]}, {name: made[name] for name in ["dns_name", "weighted"]})
        # A quarter of the alias is the first version's.
        answers = set()
        until("both versions have answered", lambda: answers.add(ask(9001)[2]) or len(answers) == 2)
        equal(answers, {"hello!", "hello again!"})

        it.call("destroy", "-auto-approve", changed=True)
    # What Lambda has made itself, stays; a group that Terraform describes, does not.
    equal(what_is_there(), {**before, "log groups": sorted([*before["log groups"], "/aws/lambda/packed"])})


run(globals())
