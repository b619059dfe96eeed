"""A fixed response on keep-alive connections."""

from ..context import Context
from ..load import CONNECTIONS, REQUESTS
from ..report import Section
from ..servers import BODY, Work, request_head
from .comparison import against_haproxy

NAME = "fixed"
SUMMARY = (
    f"HTTP, {CONNECTIONS} keep-alive connections, a fixed response of {len(BODY)} bytes behind 10 other rules, "
    f"request head of {len(request_head())} bytes"
)
TOOLS = ["haproxy", "wrk"]


def measure(context: Context) -> Section:
    return against_haproxy(context, Work(rules=11), REQUESTS, limit=0.75)
