"""albacore and HAProxy, each set up for the same work; functions.py has what calls functions.

Both serve one listener with the same rules in the same order. albacore runs with everything it has: access log, metrics,
timers. HAProxy runs as one process with one thread, with its own HTTP log, and as a second peer with no log at all.
"""

import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .context import Context
from .failure import Broken
from .process import Tree, wait_until

HOST = "127.0.0.1"
READY_SECONDS = 10

BODY = "hello"
TLS_SUITE = "TLS_AES_128_GCM_SHA256"
TLS_GROUP = "X25519"
TLS_NAME = "bench.localhost"
# TLS 1.3 with classical key exchange. The policy's first suite is TLS_AES_128_GCM_SHA256, and albacore takes its own order.
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-3-2021-06"

REQUEST_PATH = "/orders/1234?page=2&sort=asc"
REQUEST_HEADERS: dict[str, str] = {
    "Host": "shop.example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.5",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
}


def request_head(more: Mapping[str, str] = {}) -> bytes:
    """What a client sends; wrk writes the same fields."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in (REQUEST_HEADERS | dict(more)).items())
    return f"GET {REQUEST_PATH} HTTP/1.1\r\n{fields}\r\n".encode()


@dataclass(frozen=True)
class Work:
    """What a server is set up to do."""

    rules: int
    """How many rules there are; the last one answers. With 0 the default action does."""
    tls: bool = False
    http2: bool = False
    """What clients ask for. Peers offer it only then."""
    connections_max: int = 1000
    cpu: int = machine.SERVER_CPU
    """Where the server runs."""


class Server:
    """A running server, ready for requests."""

    script: Path | None = None
    """For wrk, where a request is more than a GET."""
    ready_seconds = READY_SECONDS
    body = BODY.encode()
    """Of every answer."""
    probes = 0
    """Requests of ours that were answered."""

    def __init__(self, tree: Tree, port: int, work: Work, folder: Path):
        self.tree, self.port, self.work, self._folder = tree, port, work, folder

    @property
    def url(self) -> str:
        return f"{'https' if self.work.tls else 'http'}://{HOST}:{self.port}{REQUEST_PATH}"

    def __enter__(self) -> "Server":
        try:
            wait_until(self.answers, self.ready_seconds, f"{self.tree.command[0]} does not answer")
        except BaseException:
            self.tree.stop()
            raise
        return self

    def file(self, name: str, content: bytes) -> Path:
        """For who loads it."""
        path = self._folder / name
        path.write_bytes(content)
        return path

    def stop_and_count_lines(self) -> int:
        """Ends it, so that its last lines are written, and counts those of its access log, if it has one."""
        self.tree.stop()
        log = self._folder / "access.log"
        if not log.exists():
            return 0
        with log.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def __exit__(self, failure, *_) -> None:
        self.tree.stop()
        if failure is None:  # otherwise they may tell why
            shutil.rmtree(self._folder)

    def answers(self) -> bool:
        """Whether it serves, and what every candidate has to answer."""
        self.tree.check_alive()
        try:
            self.expect(*self.ask("GET", REQUEST_PATH))
        # Reset: albacore has tried whether the port is free.
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body of the answer."""
        if self.work.tls:
            connection = http.client.HTTPSConnection(HOST, self.port, timeout=5, context=trusting())
        else:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request(method, path, body, headers=REQUEST_HEADERS)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        self.probes += 1
        return answer.status, said

    def expect(self, status: int, body: bytes) -> None:
        """That an answer is the right one."""
        if (status, body) != (200, self.body):
            shown = f"{body[:200]!r}, {len(body)} bytes, instead of 200 with {len(self.body)}"
            raise Broken(f"{self.tree.command[0]} answers {status} {shown}")


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def albacore(context: Context, work: Work) -> Server:
    pem = certificate(context) if work.tls else None
    return albacore_with(context, work, lambda port: manifest_text(work, port, pem))


def albacore_with(context: Context, work: Work, manifest_of: Callable[[int], str]) -> Server:
    """albacore with a manifest for a listener on this port."""
    folder, port = new_folder(context, "albacore"), free_port()
    return Server(albacore_tree(context, folder, manifest_of(port)), port, work, folder)


def albacore_tree(
    context: Context,
    folder: Path,
    text: str,
    cpus: Sequence[int] = (machine.SERVER_CPU,),
    cores: int = 1,
    cpu_share: str = "unlimited",
    flags: Sequence[str] = (),
) -> Tree:
    """`cores`: how many traffic threads. `cpus`: where all of it runs."""
    # A folder of its own: albacore watches it, and the logs would be changes in it.
    manifest = folder / "manifest/albacore.yaml"
    manifest.parent.mkdir()
    manifest.write_text(text)
    command = [
        shown(context.binary),
        *["up", shown(manifest)],
        *["--cores", str(cores)],
        *["--endpoint", f"{HOST}:0"],
        *["--data-dir", shown(folder / "data")],
        *["--access-log", shown(folder / "access.log")],
        # What a function costs is measured, and not how long it waits for the share that its memory gives it: peers have none.
        *["--cpu-share", cpu_share],
        *flags,
    ]
    return Tree(command, folder / "output", cpus=cpus)


FIXED_RESPONSE = f"fixed_response: {{ status: 200, content_type: text/plain, body: {BODY} }}"


def manifest_text(work: Work, port: int, pem: Path | None, answer: str = FIXED_RESPONSE) -> str:
    """`answer` is the action of the last rule, or of the default one where there are no others."""
    lines = ["load_balancers:", "  bench:", "    listeners:", f"      - port: {port}"]
    if pem:
        files = f"certificate: {pem.with_suffix('.crt')}, private_key: {pem.with_suffix('.key')}"
        lines += ["        protocol: https", f"        ssl_policy: {TLS_POLICY}", f"        certificates: [{{ {files} }}]"]
    if work.rules:
        lines.append("        rules:")
        for number, (host, path) in enumerate(other_rules(work.rules - 1), start=1):
            condition = f'host: "*{host}", path: "{path}*"' if host else f'path: "{path}*"'
            lines.append(f"          - {{ priority: {number}, {condition}, fixed_response: 404 }}")
        lines.append(f'          - {{ priority: {work.rules}, host: "*.example.com", path: "/orders/*", {answer} }}')
    lines.append(f"        default: {{ {'fixed_response: 404' if work.rules else answer} }}")
    return "\n".join(lines) + "\n"


def haproxy(context: Context, work: Work, log: bool) -> Server:
    folder, port = new_folder(context, "haproxy"), free_port()
    config = [*haproxy_globals(work, log), *haproxy_frontend(context, work, port), *haproxy_rules(work)]
    return Server(haproxy_tree(folder, config), port, work, folder)


def haproxy_tree(folder: Path, config: list[str], cpu: int = machine.SERVER_CPU) -> Tree:
    file = folder / "haproxy.cfg"
    file.write_text("\n".join([*config, ""]))
    # -db: in the foreground, no master.
    command = [machine.find("haproxy") or "haproxy", "-db", "-f", shown(file)]
    return Tree(command, folder / "access.log", cpus=(cpu,))


def haproxy_globals(work: Work, log: bool, also: Sequence[str] = ()) -> list[str]:
    # HAProxy wants two descriptors for each connection and refuses to start with fewer; a fixed response needs one.
    lines = ["global", f"    maxconn {work.connections_max + 100}", "    nbthread 1", "    no strict-limits"]
    lines += [f"    {line}" for line in also]
    if log:
        lines.append("    log stdout format raw local0")
    lines += ["defaults", "    mode http"]
    if log:
        lines += ["    log global", "    option httplog"]
    timeouts = ("client", "http-request", "http-keep-alive", "connect", "server", "tunnel")
    return lines + [f"    timeout {name} 60s" for name in timeouts]


def haproxy_frontend(context: Context, work: Work, port: int) -> list[str]:
    pem = certificate(context) if work.tls else None
    alpn = "h2,http/1.1" if work.http2 else "http/1.1"
    tls = f" ssl crt {pem} alpn {alpn} ssl-min-ver TLSv1.3 ciphersuites {TLS_SUITE} curves {TLS_GROUP}" if pem else ""
    return ["frontend bench", f"    bind {HOST}:{port}{tls}"]


def haproxy_rules(work: Work) -> list[str]:
    answer = f'http-request return status 200 content-type text/plain string "{BODY}"'
    if not work.rules:
        return [f"    {answer}"]
    return [
        *haproxy_other_rules(work.rules - 1),
        f"    {answer} if {haproxy_condition('.example.com', '/orders/')}",
        "    http-request return status 404",
    ]


def haproxy_other_rules(count: int) -> list[str]:
    conditions = [haproxy_condition(host, path) for host, path in other_rules(count)]
    return [f"    http-request return status 404 if {condition}" for condition in conditions]


def haproxy_condition(host: str | None, path: str) -> str:
    of_path = f"{{ path_beg {path} }}"
    return f"{{ req.hdr(host),host_only -i -m end {host} }} {of_path}" if host else of_path


def other_rules(count: int):
    """Rules that do not match: every other one with a host, all with a path. `*host` and `path*` as patterns."""
    for number in range(1, count + 1):
        yield (f".team{number}.example.com" if number % 2 else None), f"/service{number}/"


def certificate(context: Context) -> Path:
    """One P-256 certificate for both servers: `.crt` and `.key` for albacore, both in the `.pem` that HAProxy reads."""
    pem = context.folder / "certificate.pem"
    if not pem.exists():
        context.folder.mkdir(parents=True, exist_ok=True)
        chain, key = pem.with_suffix(".crt"), pem.with_suffix(".key")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "30", "-subj", f"/CN={TLS_NAME}", "-addext", f"subjectAltName=DNS:{TLS_NAME}"]
        subprocess.run([*command, "-out", chain, "-keyout", key], check=True, capture_output=True)
        pem.write_text(chain.read_text() + key.read_text())
    return pem


def new_folder(context: Context, name: str) -> Path:
    context.folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (folder := context.folder / f"{name}-{number}").exists():
        number += 1
    folder.mkdir()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def shown(path: Path) -> str:
    """As seen from the root of the repository, where servers are started: results name no folder of this machine."""
    path = path.resolve()
    return str(path.relative_to(machine.ROOT)) if path.is_relative_to(machine.ROOT) else str(path)
