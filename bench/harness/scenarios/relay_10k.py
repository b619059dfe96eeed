"""The same with 10 KB."""

from ..context import Context
from ..load import REQUESTS
from ..relays import SAME_LINE, WITHOUT_LOG, Relaying
from ..report import Section
from .relay import prepare
from .relaying import HTTP_TOOLS, SMALL, compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-10k"
SUMMARY = "as relay, with answers of 10 KB"
TOOLS = HTTP_TOOLS


def measure(context: Context) -> Section:
    return compared(context, Relaying(body_bytes=10 * 1024), REQUESTS, SMALL, WITHOUT_LOG, SAME_LINE)
