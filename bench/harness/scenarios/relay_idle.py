"""Memory of idle keep-alive connections whose requests were relayed."""

from .. import relays
from ..context import Context
from ..relays import HAPROXY, NGINX, Relaying
from ..report import Section
from . import idle
from .idle import CONNECTIONS
from .relay import prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-idle"
SUMMARY = (
    f"anonymous memory with {CONNECTIONS:,} idle keep-alive connections, each of which has made one request that was relayed"
)
TOOLS = ["haproxy", "nginx"]


def measure(context: Context) -> Section:
    work = Relaying(connections_max=CONNECTIONS)
    return idle.section(context, relays.candidates(context, work, HAPROXY, NGINX))
