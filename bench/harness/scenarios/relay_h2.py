"""HTTP/2 clients."""

from ..context import Context
from ..load import CONNECTIONS, STREAMED, STREAMS
from ..relays import HAPROXY, NGINX, Relaying
from ..report import Section
from .relay import prepare
from .relaying import compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-h2"
SUMMARY = (
    f"as relay, over {CONNECTIONS} HTTP/2 connections with TLS 1.3 and {STREAMS} requests at once on each; HTTP/1.1 to the "
    "server"
)
TOOLS = ["h2load", "haproxy", "nginx", "openssl"]


def measure(context: Context) -> Section:
    return section(context, body_bytes=1)


def section(context: Context, body_bytes: int) -> Section:
    work = Relaying(body_bytes=body_bytes, tls=True, http2=True)
    return compared(context, work, STREAMED, {HAPROXY: 1.00}, NGINX)
