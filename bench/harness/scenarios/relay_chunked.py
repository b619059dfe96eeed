"""The same in chunks, whose lengths a load balancer has to read."""

from ..context import Context
from ..load import REQUESTS
from ..relays import HAPROXY, NGINX, Relaying
from ..report import Section
from .relay import prepare
from .relaying import HTTP_TOOLS, compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-chunked"
SUMMARY = "as relay-10k, the answer in three chunks and without a length; held to the same budgets"
TOOLS = HTTP_TOOLS


def measure(context: Context) -> Section:
    work = Relaying(body_bytes=10 * 1024, chunked=True)
    return compared(context, work, REQUESTS, {HAPROXY: 0.75, NGINX: 0.70})
