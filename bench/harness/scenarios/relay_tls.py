"""The same over TLS 1.3."""

from ..context import Context
from ..load import CONNECTIONS, REQUESTS
from ..relays import HAPROXY, NGINX, WITHOUT_LOG, Relaying
from ..report import Section
from .relay import prepare
from .relaying import TLS_TOOLS, compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-tls"
SUMMARY = f"as relay-10k, over {CONNECTIONS} TLS 1.3 connections; cleartext to the server"
TOOLS = TLS_TOOLS


def measure(context: Context) -> Section:
    work = Relaying(body_bytes=10 * 1024, tls=True)
    return compared(context, work, REQUESTS, {HAPROXY: 0.85}, NGINX, WITHOUT_LOG)
