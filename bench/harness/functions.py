"""Who calls functions: albacore, a Runtime API with nothing in front, and two emulators, each with the same function.

The functions run on the server's processor, beside what calls them: they belong to the work that is measured.
"""

import http.client
import json
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from . import programs, rounds
from .context import Context
from .failure import Broken
from .load import Done, Load
from .process import Tree
from .rounds import Candidate, Run
from .servers import BODY, HOST, REQUEST_HEADERS, REQUEST_PATH, Server, Work
from .servers import albacore_with, free_port, new_folder, shown

CONNECTIONS = 16
"""Requests at once, and so the execution environments that a server starts."""
NAME = "hello"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"
WORK = Work(rules=0)
LOGS = (
    "albacore: access log to a file; what functions log goes to the log groups in its data folder and to its standard output, "
    "a file"
)
WARM_UP_SECONDS = 3
"""Until all execution environments have started, and what compiles while it runs has done so."""
READY_SECONDS = 60
"""Emulators start slowly."""


def under_load(context: Context, candidate: Candidate, load: Load) -> Run:
    """One round of one candidate."""
    return rounds.under_load(replace(context, warm_up_seconds=WARM_UP_SECONDS), candidate, load)


@dataclass(frozen=True)
class Function:
    """Code as it stands in the manifest."""

    code: Path
    runtime: str = "provided.al2023"
    handler: str | None = None


def rust() -> Function:
    return Function(programs.FUNCTIONS_TARGET / "release/hello")


NODE = Function(programs.FUNCTIONS / "node", "nodejs22.x", "index.handler")
PYTHON = Function(programs.FUNCTIONS / "python", "python3.12", "app.handler")


def albacore(context: Context, function: Function) -> Server:
    return albacore_with(context, WORK, lambda port: manifest_text(function, port))


def manifest_text(function: Function, port: int) -> str:
    handler = f", handler: {function.handler}" if function.handler else ""
    return f"""\
functions:
  {NAME}: {{ runtime: {function.runtime}{handler}, code: {function.code} }}
target_groups:
  {NAME}: {{ function: {NAME} }}
load_balancers:
  bench:
    listeners:
      - {{ port: {port}, default: {{ forward: {NAME} }} }}
"""


def event(context: Context, folder: Path) -> bytes:
    """What albacore sends to the function for the request that is measured with."""
    manifest = folder / "explained.yaml"
    manifest.write_text(manifest_text(rust(), 80))
    headers = [part for name, value in REQUEST_HEADERS.items() for part in ("-H", f"{name}: {value}") if name != "Host"]
    url = f"http://{REQUEST_HEADERS['Host']}{REQUEST_PATH}"
    command = [str(context.binary), "explain", "--json", "--file", str(manifest), *headers, "GET", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        raise Broken(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    sent = json.loads(done.stdout)["action"]["target_groups"][0]["event"]
    return json.dumps(sent, separators=(",", ":")).encode()


class Floor(Server):
    """bench/lambda/floor.rs: ready when its functions have answered."""

    def answers(self) -> bool:
        self.tree.check_alive()
        try:
            return self.answered() >= CONNECTIONS
        except ConnectionRefusedError:
            return False

    def answered(self) -> int:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/answered")
            return int(connection.getresponse().read())
        finally:
            connection.close()


def floor(context: Context) -> Floor:
    folder = new_folder(context, "floor")
    port = free_port()
    (folder / "event").write_bytes(event(context, folder))
    (folder / "head").write_text(HEAD)
    program = programs.FUNCTIONS_TARGET / "release/floor"
    files = [shown(folder / "head"), shown(folder / "event")]
    command = [shown(program), str(port), shown(rust().code), str(CONNECTIONS), *files]
    return Floor(Tree(command, folder / "output"), port, WORK, folder)


HEAD = f"""\
Content-Type: application/json
Lambda-Runtime-Aws-Request-Id: 2f9d7b2c-8d0c-4f0e-9a51-0c9f3f0f4d11
Lambda-Runtime-Deadline-Ms: 4102444800000
Lambda-Runtime-Invoked-Function-Arn: {ARN}
Lambda-Runtime-Trace-Id: Root=1-65f0c0de-0123456789abcdef01234567
"""
"""The fields that come with an event, as albacore sends them."""


def turn(server: Floor, seconds: int) -> Done:
    """Lets the functions turn for a while: it needs nobody to load it."""
    before = server.answered()
    time.sleep(seconds)
    return Done(server.answered() - before)


TURNING = Load("request", lambda _server, seconds: ["sleep", str(seconds)], turn)


class Invoked(Server):
    """`cargo lambda watch`: the event comes to its invoke endpoint, and the answer is the document itself."""

    path = f"/2015-03-31/functions/{NAME}/invocations"
    ready_seconds = READY_SECONDS

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{self.path}"

    def answers(self) -> bool:
        self.tree.check_alive()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_SECONDS)
        try:
            connection.request("POST", self.path, (self._folder / "event").read_bytes())
            answer = connection.getresponse()
            said = answer.read().decode()
        except ConnectionRefusedError:
            return False
        finally:
            connection.close()
        if answer.status != 200 or json.loads(said).get("body") != BODY:
            raise Broken(f"cargo lambda watch answers {answer.status} {said!r}")
        return True


def cargo_lambda(context: Context) -> Invoked:
    folder = new_folder(context, "cargo-lambda")
    port = free_port()
    (folder / "event").write_bytes(event(context, folder))
    script = folder / "invoke.lua"
    script.write_text(
        f'wrk.method = "POST"\n'
        f'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.body = io.open("{shown(folder / "event")}"):read("*a")\n'
    )
    address = ["--invoke-address", HOST, "--invoke-port", str(port)]
    command = [str(programs.cargo_lambda()), "lambda", "watch", "--release", "--locked", "--ignore-changes", *address]
    variables = {"CARGO_TARGET_DIR": str(programs.FUNCTIONS_TARGET)}
    tree = Tree([*command, "--bin", NAME], folder / "output", programs.FUNCTIONS, variables)
    server = Invoked(tree, port, WORK, folder)
    server.script = script
    return server


def serverless_offline(context: Context, in_process: bool) -> Server:
    """`in_process`: in the thread of the server, instead of in worker threads, which is what it does by default."""
    folder = new_folder(context, "serverless-offline")
    # It takes its plugins from the project's folder.
    project = folder / "project"
    project.mkdir()
    (project / "node_modules").symlink_to(programs.serverless_offline() / "node_modules")
    (project / "index.js").write_bytes((programs.FUNCTIONS / "node/index.js").read_bytes())
    port = free_port()
    (project / "serverless.yml").write_text(serverless_text(port, in_process))
    program = "node_modules/serverless/bin/serverless.js"
    # Without these it calls home, or looks for an account.
    variables = {
        "SLS_TELEMETRY_DISABLED": "1",
        "SLS_NOTIFICATIONS_MODE": "off",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    tree = Tree(["node", program, "offline", "start"], folder / "output", project, variables)
    server = Server(tree, port, WORK, folder)
    server.ready_seconds = READY_SECONDS
    return server


def serverless_text(port: int, in_process: bool) -> str:
    listener = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/bench/0123456789abcdef/0123456789abcdef"
    # Without `noTimeout` it makes a timer for each invocation.
    return f"""\
service: bench
provider: {{ name: aws, runtime: nodejs20.x }}
plugins: [serverless-offline]
custom:
  serverless-offline:
    host: {HOST}
    albPort: {port}
    httpPort: {free_port()}
    lambdaPort: {free_port()}
    websocketPort: {free_port()}
    noPrependStageInUrl: true
    noTimeout: true
    useInProcess: {str(in_process).lower()}
functions:
  {NAME}:
    handler: index.handler
    events:
      - alb: {{ listenerArn: "{listener}", priority: 1, conditions: {{ path: "/orders/*" }} }}
"""
