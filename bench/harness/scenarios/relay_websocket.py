"""Messages to and fro."""

from ..context import Context
from ..load import CONNECTIONS, MESSAGES
from ..relays import FLOOR, HAPROXY, NGINX, Relaying
from ..report import Section
from .relay import prepare
from .relaying import compared

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-websocket"
SUMMARY = (
    f"WebSocket messages of 125 bytes that a server echoes, {CONNECTIONS} connections with one message under way on each; a "
    "message is counted when its echo is back"
)
TOOLS = ["haproxy", "nginx"]


def measure(context: Context) -> Section:
    note = "*logged* is for each connection: a WebSocket has one line, at its end"
    return compared(context, Relaying(websocket=True), MESSAGES, {HAPROXY: 0.80}, NGINX, FLOOR, notes=(note,))
