"""Answers that are long enough to hide what a request costs."""

from ..context import Context
from ..load import REQUESTS
from ..relays import FLOOR, HAPROXY, NGINX, Relaying
from ..report import Section
from .relay import prepare
from .relaying import HTTP_TOOLS, compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-1m"
SUMMARY = "as relay, with answers of 1 MB"
TOOLS = HTTP_TOOLS


def measure(context: Context) -> Section:
    return compared(context, Relaying(body_bytes=1024 * 1024), REQUESTS, {HAPROXY: 0.75}, NGINX, FLOOR)
