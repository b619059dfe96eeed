"""Full TLS handshakes: what a client costs that comes for one request."""

from ..context import Context
from ..load import HANDSHAKERS, HANDSHAKES
from ..relays import HAPROXY, NGINX, Relaying
from ..report import Section
from ..servers import BODY
from . import handshakes, relay
from .relaying import compared

NAME = "relay-handshakes"
SUMMARY = (
    f"new connection, full TLS 1.3 handshake, one GET of {len(BODY)} bytes from a server, close; {HANDSHAKERS} clients at "
    "once, no resumption, no rules"
)
TOOLS = ["haproxy", "nginx", "openssl"]


def prepare() -> None:
    handshakes.prepare()
    relay.prepare()


def measure(context: Context) -> Section:
    work = Relaying(rules=0, body_bytes=len(BODY), tls=True)
    return compared(context, work, HANDSHAKES, {HAPROXY: 0.45}, NGINX)
