"""What a load balancer costs in front of a server that says little."""

from .. import programs
from ..context import Context
from ..load import CONNECTIONS, REQUESTS
from ..relays import SAME_LINE, WITHOUT_LOG, Relaying
from ..report import Section
from ..servers import request_head
from .relaying import HTTP_TOOLS, SMALL, compared

NAME = "relay"
SUMMARY = (
    f"GET of 1 byte from a server behind 10 rules of which the last one matches, {CONNECTIONS} keep-alive connections, "
    f"request head of {len(request_head())} bytes"
)
TOOLS = HTTP_TOOLS


def prepare() -> None:
    programs.relay()


def measure(context: Context) -> Section:
    return compared(context, Relaying(), REQUESTS, SMALL, WITHOUT_LOG, SAME_LINE)
