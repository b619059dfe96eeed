"""Full TLS handshakes: what a client costs that comes for one request."""

from .. import programs
from ..context import Context
from ..load import HANDSHAKERS, HANDSHAKES
from ..report import Section
from ..servers import Work
from .comparison import against_haproxy

NAME = "handshakes"
SUMMARY = f"new connection, full TLS 1.3 handshake, one GET, close; {HANDSHAKERS} clients at once, no resumption"
TOOLS = ["haproxy", "openssl"]


def prepare() -> None:
    programs.cargo_build("--package", "albacore-proxy", "--example", "handshakes")


def measure(context: Context) -> Section:
    return against_haproxy(context, Work(rules=0, tls=True), HANDSHAKES, limit=0.45)
