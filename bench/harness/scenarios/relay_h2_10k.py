"""The same with 10 KB."""

from ..context import Context
from ..report import Section
from . import relay_h2
from .relay_h2 import TOOLS, prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-h2-10k"
SUMMARY = "as relay-h2, with answers of 10 KB"


def measure(context: Context) -> Section:
    return relay_h2.section(context, body_bytes=10 * 1024)
