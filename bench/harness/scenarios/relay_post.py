"""Requests that bring something along."""

from ..context import Context
from ..load import REQUESTS
from ..relays import SAME_LINE, WITHOUT_LOG, Relaying
from ..report import Section
from .relay import prepare
from .relaying import HTTP_TOOLS, SMALL, compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-post"
SUMMARY = "as relay, each request a POST of 4 KB"
TOOLS = HTTP_TOOLS


def measure(context: Context) -> Section:
    return compared(context, Relaying(post_bytes=4096), REQUESTS, SMALL, WITHOUT_LOG, SAME_LINE)
