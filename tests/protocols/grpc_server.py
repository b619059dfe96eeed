"""A server of gRPC, as the package `grpcio` has it: bytes in, bytes out, all four kinds of calls."""

import os
import threading
from concurrent import futures

import grpc

BOUND = 30
LONG = 3 * BOUND
cancelled = threading.Semaphore(0)


def told(context):
    """What the client said of its own comes back, before and behind the answer."""
    said = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-own")]
    context.send_initial_metadata([(f"{key.removesuffix('-bin')}-before{'-bin' * key.endswith('-bin')}", value) for key, value in said])
    context.set_trailing_metadata(said)


def unary(request, context):
    told(context)
    return request


def up(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def down(request, context):
    for number in range(int(request)):
        yield f"message {number}".encode()


def both(requests, context):
    for request in requests:
        yield request


def fail(request, context):
    name, message = request.decode().split(" ", 1)
    context.set_trailing_metadata([("x-why-bin", b"\x00\xff")])
    context.abort(grpc.StatusCode[name], message)


def compressed(request, context):
    context.set_compression(grpc.Compression.Gzip)
    return request


def slow(request, context):
    until_over(context).wait(LONG)
    return b"late"


def slow_stream(request, context):
    # Before the client may leave, because then the rest is not run.
    over = until_over(context)
    yield b"first"
    over.wait(LONG)


def until_over(context):
    """The event of the call's end, which is counted; by itself it does not end before the test does."""
    over = threading.Event()

    def end():
        over.set()
        cancelled.release()

    if not context.add_callback(end):
        end()
    return over


def was_cancelled(request, context):
    """Waits until a call that was slow has been cancelled."""
    return b"yes" if cancelled.acquire(timeout=BOUND) else b"no"


def die(requests, context):
    yield b"first"
    next(requests)  # the client has it
    os._exit(1)


def health(request, context):
    return b"\x08\x01"  # SERVING


SERVICES = {
    "test.Echo": {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Compressed": grpc.unary_unary_rpc_method_handler(compressed),
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
        "SlowStream": grpc.unary_stream_rpc_method_handler(slow_stream),
        "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
        "Die": grpc.stream_stream_rpc_method_handler(die),
    },
    "grpc.health.v1.Health": {"Check": grpc.unary_unary_rpc_method_handler(health)},
}

options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
server = grpc.server(futures.ThreadPoolExecutor(32), options=options)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods) for name, methods in SERVICES.items()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
