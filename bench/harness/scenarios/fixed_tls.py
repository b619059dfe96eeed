"""The same over TLS 1.3."""

from ..context import Context
from ..load import CONNECTIONS, REQUESTS
from ..report import Section
from ..servers import Work
from .comparison import against_haproxy

NAME = "fixed-tls"
SUMMARY = f"as fixed, over {CONNECTIONS} TLS 1.3 connections"
TOOLS = ["haproxy", "openssl", "wrk"]


def measure(context: Context) -> Section:
    return against_haproxy(context, Work(rules=11, tls=True), REQUESTS, limit=0.85)
