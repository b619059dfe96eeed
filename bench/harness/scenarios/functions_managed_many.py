"""The same as `functions_managed`, with many requests at once."""

from ..context import Context
from ..functions import CONNECTIONS
from ..report import Section
from . import functions_managed
from .functions_managed import TOOLS, prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "functions-managed-many"
SUMMARY = f"the same functions in Node and Python, {CONNECTIONS} requests at once"


def measure(context: Context) -> Section:
    return functions_managed.section(context, CONNECTIONS)
