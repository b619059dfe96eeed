"""One file for each question. A scenario is a module with NAME, SUMMARY, TOOLS and `measure(context) -> Section`.

One that needs programs of its own, or peers that no system package brings, has `prepare()` too, which builds and installs
them before anything is measured.
"""

from . import fixed, fixed_tls, functions, functions_codec, functions_latency, functions_managed
from . import functions_managed_many, handshakes, idle, memory, rules, start

FIXED = (fixed, fixed_tls, handshakes)
FUNCTIONS = (functions, functions_latency, functions_managed, functions_managed_many, functions_codec)
OTHERS = (idle, memory, rules, start)

SCENARIOS = {module.NAME: module for module in (*FIXED, *FUNCTIONS, *OTHERS)}
