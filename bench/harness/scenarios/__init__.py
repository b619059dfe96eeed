"""One file for each question. A scenario is a module with NAME, SUMMARY, TOOLS and `measure(context) -> Section`."""

from . import fixed, fixed_tls, handshakes, idle, memory, rules, start

SCENARIOS = {module.NAME: module for module in (fixed, fixed_tls, handshakes, idle, memory, rules, start)}
