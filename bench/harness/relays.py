"""Load balancers in front of a server: albacore, its peers, and a relay that parses nothing, each set up for the same work.

All of them have the same rules, of which the last one forwards, check the health of the target every ten seconds, keep
connections to it, and add the same header fields. nginx does not check health by itself; the floor does none of this.
The origin (bench/relay/origin.rs) runs beside the load, on the other processor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import machine, programs, servers
from .context import Context
from .failure import Broken
from .process import Tree
from .rounds import Candidate
from .servers import HOST, REQUEST_PATH, Server, Work, free_port, new_folder, shown

ALBACORE = "albacore"
HAPROXY = "HAProxy"
WITHOUT_LOG = "HAProxy, no log"
SLEEPING = "albacore, no busy polling"
POLLING = "HAProxy, busy polling"
NGINX = "nginx"
SAME_LINE = "nginx, the same log line"
FLOOR = "parses nothing"

HEALTH_SECONDS = 10
ADDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Amzn-Trace-Id")
"""What an Application Load Balancer adds to a request."""
NOT_YET = (502, 503)
"""What is answered as long as no target is known to be healthy."""
ENTRY = (
    "$scheme $time_iso8601 app/bench/0123456789abcdef $remote_addr:$remote_port $upstream_addr $request_time"
    " $upstream_header_time $upstream_response_time $status $upstream_status $request_length $bytes_sent"
    ' "$request_method $scheme://$http_host$request_uri $server_protocol" "$http_user_agent" $ssl_cipher $ssl_protocol'
    " arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/origin/0123456789abcdef"
    ' "Root=1-$request_id" "-" "-" 10 $msec "forward" "-" "-" "$upstream_addr" "$upstream_status" "-" "-" TID_$connection'
    ' "-" "-" "-"'
)
"""The access-log line of an Application Load Balancer, as near as nginx has its fields."""


@dataclass(frozen=True)
class Relaying(Work):
    rules: int = 10
    body_bytes: int = 1
    """Of an answer."""
    chunked: bool = False
    post_bytes: int = 0
    """Of a request, which is a GET otherwise."""
    websocket: bool = False


class Relay(Server):
    """A load balancer, ready for requests, and its origin."""

    work: Relaying
    adds_fields = True

    def __init__(self, tree: Tree, port: int, work: Relaying, folder: Path, origin: "Origin | None" = None):
        """`origin`: if it is this one's own."""
        super().__init__(tree, port, work, folder)
        self._origin = origin
        self.body = body(work.body_bytes)
        if work.post_bytes:
            script = f'wrk.method = "POST"\nwrk.body = string.rep("x", {work.post_bytes})\n'
            self.script = self.file("post.lua", script.encode())

    def __enter__(self) -> "Relay":
        try:
            super().__enter__()
            self.check_fields()
        except BaseException as failure:
            self.__exit__(failure)
            raise
        return self

    def __exit__(self, failure, *rest) -> None:
        if self._origin:
            self._origin.tree.stop()
        super().__exit__(failure, *rest)

    def answers(self) -> bool:
        self.tree.check_alive()
        method, sent = ("POST", b"x" * self.work.post_bytes) if self.work.post_bytes else ("GET", None)
        try:
            status, said = self.ask(method, REQUEST_PATH, sent)
        except ConnectionRefusedError:
            return False
        if status in NOT_YET:
            return False
        self.expect(status, said)
        return True

    def check_fields(self) -> None:
        """That the origin sees what a load balancer has to add, once each, and the request's own fields."""
        if not self.work.rules:
            return
        status, head = self.ask("GET", "/orders/head")
        names = [line.split(":")[0].lower() for line in head.decode().splitlines()[1:]]
        wanted = [*servers.REQUEST_HEADERS, *(ADDED if self.adds_fields else [])]
        wrong = [name for name in wanted if names.count(name.lower()) != 1]
        if status != 200 or wrong:
            raise Broken(f"{self.tree.command[0]}: the origin does not see {wrong} once each: {status} {head.decode()}")


def body(count: int) -> bytes:
    """What the origin answers with."""
    return (b"hello" * (count // 5 + 1))[:count]


@dataclass(frozen=True)
class Origin:
    tree: Tree
    port: int

    def __enter__(self) -> "Origin":
        return self

    def __exit__(self, *_) -> None:
        self.tree.stop()


def origin(work: Relaying, folder: Path, cpu: int = machine.LOAD_CPU) -> Origin:
    port = free_port()
    program = shown(programs.RELAY_TARGET / "release/origin")
    command = [program, str(port), str(work.body_bytes), *(["chunked"] if work.chunked else [])]
    return Origin(Tree(command, folder / f"origin-{cpu}", cpus=(cpu,)), port)


def albacore(context: Context, work: Relaying, flags: Sequence[str] = ()) -> Relay:
    folder, port = new_folder(context, "albacore"), free_port()
    target = origin(work, folder)
    text = albacore_text(context, work, port, [target])
    return Relay(servers.albacore_tree(context, folder, text, (work.cpu,), flags=flags), port, work, folder, target)


def albacore_on(context: Context, work: Relaying, targets: Sequence[Origin], cpus: Sequence[int]) -> Relay:
    """With a traffic thread on each of the processors, and origins of somebody else."""
    folder, port = new_folder(context, "albacore"), free_port()
    text = albacore_text(context, work, port, targets)
    return Relay(servers.albacore_tree(context, folder, text, cpus, len(cpus)), port, work, folder)


def albacore_text(context: Context, work: Relaying, port: int, targets: Sequence[Origin]) -> str:
    pem = servers.certificate(context) if work.tls else None
    addresses = ", ".join(f'"{HOST}:{target.port}"' for target in targets)
    groups = f"""\
target_groups:
  origin:
    protocol: http
    targets: [{addresses}]
    health_check: {{ path: /healthz, interval: {HEALTH_SECONDS}s }}
"""
    return groups + servers.manifest_text(work, port, pem, "forward: origin")


def haproxy(context: Context, work: Relaying, log: bool = True, also: Sequence[str] = ()) -> Relay:
    """`also`: of its global settings."""
    folder, port = new_folder(context, "haproxy"), free_port()
    target = origin(work, folder)
    lines = [*servers.haproxy_globals(work, log, also), *servers.haproxy_frontend(context, work, port)]
    # The usual unique id, in the form of a trace id.
    lines += ["    option forwardfor", "    unique-id-header X-Amzn-Trace-Id"]
    lines += ["    unique-id-format %{+X}o\\ Root=1-%Ts-%ci%cp%rt%pid"]
    lines += ["    http-request set-header X-Forwarded-Port %[dst_port]"]
    lines += [f"    http-request set-header X-Forwarded-Proto {'https' if work.tls else 'http'}"]
    if work.rules:
        lines += servers.haproxy_other_rules(work.rules - 1)
        lines += [f"    use_backend origin if {servers.haproxy_condition('.example.com', '/orders/')}"]
        lines += ["    default_backend none", "backend none", "    http-request return status 404"]
    else:
        lines += ["    default_backend origin"]
    lines += ["backend origin", "    http-reuse always", "    option httpchk", "    http-check send meth GET uri /healthz"]
    lines += [f"    server origin {HOST}:{target.port} check inter {HEALTH_SECONDS}s"]
    return Relay(servers.haproxy_tree(folder, lines, work.cpu), port, work, folder, target)


class FloorRelay(Relay):
    adds_fields = False


def floor(context: Context, work: Relaying) -> Relay:
    """bench/relay/floor.rs."""
    folder, port = new_folder(context, "floor"), free_port()
    target = origin(work, folder)
    program = shown(programs.RELAY_TARGET / "release/floor")
    tree = Tree([program, str(port), str(target.port)], folder / "output", cpus=(work.cpu,))
    return FloorRelay(tree, port, work, folder, target)


class Alone(Relay):
    """The origin itself: nothing is in front of it."""

    adds_fields = False


def alone(context: Context, work: Relaying) -> Relay:
    folder = new_folder(context, "origin")
    target = origin(work, folder)
    return Alone(target.tree, target.port, work, folder)


def nginx(context: Context, work: Relaying, entry: str | None = None) -> Relay:
    """`entry`: its log line, if not `combined`."""
    folder, port = new_folder(context, "nginx"), free_port()
    target = origin(work, folder)
    pem = servers.certificate(context) if work.tls else None
    config = folder / "nginx.conf"
    config.write_text(nginx_text(work, port, target.port, pem, entry))
    # Its paths are relative to the folder.
    program = machine.find("nginx") or "nginx"
    command = [program, "-p", shown(folder), "-e", "errors", "-c", "nginx.conf"]
    return Relay(Tree(command, folder / "output", cpus=(work.cpu,)), port, work, folder, target)


def nginx_text(work: Relaying, port: int, target: int, pem: Path | None, entry: str | None) -> str:
    # 64 connections, or 512 streams, are all kept; the limits on how often a connection is used are out of the way, because
    # no other candidate has them. A body longer than its buffers does not go to a file.
    lines = ["daemon off;", "user root;" if machine.is_root() else "", "worker_processes 1;", "pid pid;"]
    lines += [f"events {{ worker_connections {2 * work.connections_max + 1000}; }}", "http {"]
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines += [f"    {name}_temp_path {name}_temp;" for name in temporary]
    lines += [f"    log_format entry '{entry}';"] if entry else []
    name = "entry" if entry else "combined"
    lines += [f"    access_log access.log {name} buffer=64k flush=1s;", "    keepalive_timeout 60s;"]
    lines += ["    keepalive_requests 1000000000;", "    proxy_max_temp_file_size 0;", "    proxy_http_version 1.1;"]
    lines += ["    upstream origin {", f"        server {HOST}:{target};", "        keepalive 1024;"]
    lines += ["        keepalive_requests 1000000000;", "    }"]
    if work.websocket:
        lines += ["    map $http_upgrade $connection_field { default upgrade; '' ''; }"]
        lines += ["    proxy_set_header Upgrade $http_upgrade;", "    proxy_set_header Connection $connection_field;"]
    else:
        lines += ["    proxy_set_header Connection '';"]
    lines += ["    proxy_set_header Host $http_host;", "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"]
    lines += ["    proxy_set_header X-Forwarded-Proto $scheme;", "    proxy_set_header X-Forwarded-Port $server_port;"]
    lines += ["    proxy_set_header X-Amzn-Trace-Id Root=1-$request_id;"]
    if pem:
        lines += [f"    ssl_certificate {pem};", f"    ssl_certificate_key {pem};", "    ssl_protocols TLSv1.3;"]
        lines += [f"    ssl_conf_command Ciphersuites {servers.TLS_SUITE};", f"    ssl_ecdh_curve {servers.TLS_GROUP};"]
    flags = (" ssl" if work.tls else "") + (" http2" if work.http2 else "")
    return "\n".join([*lines, *nginx_servers(work, f"{HOST}:{port}{flags}"), "}", ""])


def nginx_servers(work: Relaying, listen: str) -> list[str]:
    """The same rules as nginx puts it: hosts first, then the longest path. First the server for all other hosts."""
    other = list(servers.other_rules(work.rules - 1)) if work.rules else []
    for_all = [path for host, path in other if host is None]
    hosts = [(host, [path]) for host, path in other if host] + [(".example.com", [])] * bool(work.rules)
    lines = [f"    server {{ listen {listen} default_server;", *nginx_locations(for_all, not work.rules), "    }"]
    for host, paths in hosts:
        names = f"    server {{ listen {listen}; server_name *{host};"
        lines += [names, *nginx_locations([*for_all, *paths], False, "/orders/"), "    }"]
    return lines


def nginx_locations(not_found: list[str], all_forward: bool, forward: str | None = None) -> list[str]:
    lines = [f"        location {path} {{ return 404; }}" for path in not_found]
    if forward:
        lines += [f"        location {forward} {{ proxy_pass http://origin; }}"]
    return [*lines, f"        location / {{ {'proxy_pass http://origin' if all_forward else 'return 404'}; }}"]


def candidates(context: Context, work: Relaying, *names: str) -> list[Candidate]:
    """albacore and the peers that are named."""
    starts: dict[str, Callable[[], Server]] = {
        ALBACORE: lambda: albacore(context, work),
        HAPROXY: lambda: haproxy(context, work),
        WITHOUT_LOG: lambda: haproxy(context, work, log=False),
        SLEEPING: lambda: albacore(context, work, flags=("--busy-poll", "0us")),
        POLLING: lambda: haproxy(context, work, also=("busy-polling",)),
        NGINX: lambda: nginx(context, work),
        SAME_LINE: lambda: nginx(context, work, ENTRY),
        FLOOR: lambda: floor(context, work),
    }
    return [Candidate(name, starts[name]) for name in (ALBACORE, *names)]
