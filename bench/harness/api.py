"""A client of the AWS API, and state to ask about: load balancers with rules, made through the API as users make them."""

import base64
import http.client
import io
import json
import re
import time
import urllib.parse
import zipfile
from pathlib import Path

from .failure import Broken
from .process import Tree, wait_until
from .servers import HOST

REGIONS = ("us-east-1", "us-east-2")
LOAD_BALANCERS, RULES = 50, 100
"""In each region, and of each load balancer: what AWS allows."""
FUNCTIONS = 10_000
VERSION = "2015-12-01"
ROLE = "bench"


class Api:
    """One keep-alive connection. The server has no access keys, so it verifies no signature, but wants one."""

    def __init__(self, port: int, region: str = REGIONS[0]):
        self._connection, self._region = http.client.HTTPConnection(HOST, port, timeout=60), region

    def __call__(self, action: str, **fields: str | int) -> str:
        form = {"Action": action, "Version": VERSION} | {name.replace("__", ".member.1."): it for name, it in fields.items()}
        return self.post(form, "elasticloadbalancing")

    def post(self, form: dict, service: str) -> str:
        return self._send("POST", "/", urllib.parse.urlencode(form), "application/x-www-form-urlencoded", service)

    def get(self, path: str, service: str) -> str:
        return self._send("GET", path, "", "application/json", service)

    def _send(self, method: str, path: str, body: str, content_type: str, service: str) -> str:
        day = time.strftime("%Y%m%d", time.gmtime())
        scope = f"bench/{day}/{self._region}/{service}/aws4_request"
        headers = {
            "Content-Type": content_type,
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
        }
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        said = answer.read().decode()
        if answer.status not in (200, 201):
            raise Broken(f"{method} {path} {body[:200]}: {answer.status} {said}")
        return said

    def function(self, name: str, package: bytes) -> None:
        wanted = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "app.handler",
            "Role": f"arn:aws:iam::000000000000:role/{ROLE}",
            "Code": {"ZipFile": base64.b64encode(package).decode()},
        }
        self._send("POST", "/2015-03-31/functions", json.dumps(wanted), "application/json", "lambda")

    def role(self) -> None:
        statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.post(
            {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": ROLE, "AssumeRolePolicyDocument": trust}, "iam"
        )

    def subnets(self) -> list[str]:
        said = self.post({"Action": "DescribeSubnets", "Version": "2016-11-15"}, "ec2")
        return re.findall("<subnetId>([^<]+)", said)[:2]

    def load_balancer(self, name: str, port: int) -> str:
        """A load balancer with one listener, whose ARN it is."""
        one, two = self.subnets()
        made = self("CreateLoadBalancer", Name=name, **{"Subnets.member.1": one, "Subnets.member.2": two})
        return found("ListenerArn", self("CreateListener", LoadBalancerArn=found("LoadBalancerArn", made), Port=port,
                                         Protocol="HTTP", **fixed_response("DefaultActions", 404)))

    def rule(self, listener: str, priority: int) -> str:
        conditions = path_condition(f"/p{priority}/*")
        made = self("CreateRule", ListenerArn=listener, Priority=priority, **conditions, **fixed_response("Actions", 200))
        return found("RuleArn", made)


def path_condition(pattern: str) -> dict[str, str]:
    return {"Conditions__Field": "path-pattern", "Conditions__PathPatternConfig.Values.member.1": pattern}


def fixed_response(what: str, status: int) -> dict[str, str]:
    return {f"{what}__Type": "fixed-response", f"{what}__FixedResponseConfig.StatusCode": str(status)}


def found(tag: str, document: str) -> str:
    match = re.search(f"<{tag}>([^<]+)", document)
    if not match:
        raise Broken(f"no {tag} in {document}")
    return match.group(1)


def package() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return {'statusCode': 200}\n")
    return made.getvalue()


def fill(endpoint: int, port: int) -> str:
    """As many rules as two regions take, and as many functions. The ARN of one listener among them."""
    api, code = Api(endpoint), package()
    api.role()
    for number in range(FUNCTIONS):
        api.function(f"bench-{number}", code)
    for region in REGIONS:
        api = Api(endpoint, region)
        for number in range(LOAD_BALANCERS):
            listener = api.load_balancer(f"bench-{number}", port)
            for priority in range(1, RULES + 1):
                api.rule(listener, priority)
    return listener


class Running:
    """An albacore without a manifest's resources, ready for calls."""

    def __init__(self, binary: Path, folder: Path, endpoint: int, more: list[str], cpus: tuple[int, ...]):
        manifest = folder / "manifest/albacore.yaml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("load_balancers: {}\n")
        command = [
            str(binary),
            *["up", str(manifest), "--cores", "1", "--endpoint", f"{HOST}:{endpoint}"],
            *["--data-dir", str(folder / "data"), "--access-log", str(folder / "access.log"), *more],
        ]
        self.endpoint = endpoint
        self.tree = Tree(command, folder / "output", cpus=cpus)

    def __enter__(self) -> "Running":
        try:
            wait_until(self.is_ready, 60, "albacore is not ready")
        except BaseException:
            self.tree.stop()
            raise
        self.ready_ms = (time.monotonic_ns() - self.tree.started_ns) / 1e6
        return self

    def is_ready(self) -> bool:
        self.tree.check_alive()
        connection = http.client.HTTPConnection(HOST, self.endpoint, timeout=5)
        try:
            connection.request("GET", "/_albacore/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __exit__(self, *_) -> None:
        self.tree.stop()
