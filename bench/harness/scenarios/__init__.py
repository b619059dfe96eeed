"""One file for each question. A scenario is a module with NAME, SUMMARY, TOOLS and `measure(context) -> Section`.

One that needs programs of its own, or peers that no system package brings, has `prepare()` too, which builds and installs
them before anything is measured.
"""

from . import api, fixed, fixed_tls, functions, functions_codec, functions_cold, functions_latency, functions_managed
from . import functions_managed_many, handshakes, idle, memory, relay, relay_1m, relay_10k, relay_chunked
from . import relay_cores, relay_h2, relay_h2_10k, relay_handshakes, relay_idle, relay_latency, relay_post
from . import relay_tls, relay_user_time, relay_websocket, rules, start

FIXED = (fixed, fixed_tls, handshakes)
RELAYS = (relay, relay_10k, relay_chunked, relay_post, relay_1m, relay_tls, relay_handshakes, relay_h2, relay_h2_10k)
RELAYS += (relay_websocket, relay_latency, relay_idle, relay_cores, relay_user_time)
FUNCTIONS = (functions, functions_latency, functions_cold, functions_managed, functions_managed_many, functions_codec)
OTHERS = (api, idle, memory, rules, start)

SCENARIOS = {module.NAME: module for module in (*FIXED, *RELAYS, *FUNCTIONS, *OTHERS)}
