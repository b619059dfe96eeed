"""The client of `grpcio`, through albacore."""

import os
import queue

import grpc
from shared import BOUND, CA, HTTPS_PORT, equal, records, run, until

# Node's server joins values of one name, and the one of `@grpc/grpc-js` reads compressed messages, but writes none.
NODE_SERVER = "NODE_SERVER" in os.environ
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def channel(port=HTTPS_PORT, **options):
    with open(CA, "rb") as authority:
        credentials = grpc.ssl_channel_credentials(authority.read())
    return grpc.secure_channel(f"localhost:{port}", credentials, options=OPTIONS, **options)


def unary(over, method, request=b"", **options):
    return over.unary_unary(f"/test.Echo/{method}").with_call(request, **({"timeout": BOUND} | options))


def failed(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


# ALB-H-026
def test_all_kinds_of_calls():
    with channel() as over:
        for request in (b"", b"hello", bytes(range(256)) * 100):
            answer, call = unary(over, "Unary", request)
            equal((answer, call.code()), (request, grpc.StatusCode.OK))
        pieces = [b"x" * number for number in range(100)]
        equal(over.stream_unary("/test.Echo/Up")(iter(pieces), timeout=BOUND), b"4950")
        down = over.unary_stream("/test.Echo/Down")(b"50", timeout=BOUND)
        equal(list(down), [f"message {number}".encode() for number in range(50)])
        equal(down.code(), grpc.StatusCode.OK)
        both = over.stream_stream("/test.Echo/Both")(iter(pieces), timeout=BOUND)
        equal(list(both), pieces)
    found = until("all are logged", lambda: len(found := records("/test.Echo/Unary")) >= 3 and found)
    equal({(record["type"], record["elb_status_code"], record["target_status_code"]) for record in found}, {("grpcs", "200", "200")})


def test_a_conversation_goes_back_and_forth():
    with channel() as over:
        asked = []

        def ask():
            for number in range(50):
                yield f"question {number}".encode()
                # The next question waits for the answer to this one.
                until("it is answered", lambda: len(asked) > number)

        for answer in over.stream_stream("/test.Echo/Both")(ask(), timeout=BOUND):
            asked.append(answer)
        equal(asked, [f"question {number}".encode() for number in range(50)])


def test_metadata_goes_both_ways():
    said = [("x-own", "text"), ("x-own-bin", b"\x00\x01\xfe\xff"), ("x-own-many", "one"), ("x-own-many", "two")]
    told = [*said[:2], ("x-own-many", "one, two")] if NODE_SERVER else said
    with channel() as over:
        _, call = unary(over, "Unary", metadata=said)
        before = [(key, value) for key, value in call.initial_metadata() if key.startswith("x-own")]
        behind = [(key, value) for key, value in call.trailing_metadata() if key.startswith("x-own")]
        equal(sorted(behind), sorted(told))
        equal(sorted(before), sorted((f"{key.removesuffix('-bin')}-before{'-bin' * key.endswith('-bin')}", value) for key, value in told))


def test_status_codes_and_messages():
    with channel() as over:
        for code in grpc.StatusCode:
            if code == grpc.StatusCode.OK:
                continue
            for message in ("plain", "100 % Ü\n"):
                error = failed(lambda: unary(over, "Fail", f"{code.name} {message}".encode()))
                equal((error.code(), error.details()), (code, message))
                assert ("x-why-bin", b"\x00\xff") in error.trailing_metadata(), error.trailing_metadata()
        equal(failed(lambda: unary(over, "Nothing")).code(), grpc.StatusCode.UNIMPLEMENTED)


def was_cancelled(over):
    equal(unary(over, "WasCancelled", timeout=2 * BOUND)[0], b"yes", "the server heard of it")


def test_deadlines():
    with channel() as over:
        equal(failed(lambda: unary(over, "Slow", timeout=0.3)).code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        was_cancelled(over)
        stream = over.unary_stream("/test.Echo/SlowStream")(b"", timeout=0.5)
        equal(next(stream), b"first")
        equal(failed(lambda: next(stream)).code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        was_cancelled(over)


def test_cancelling():
    with channel() as over:
        stream = over.unary_stream("/test.Echo/SlowStream")(b"", timeout=BOUND)
        equal(next(stream), b"first")
        stream.cancel()
        equal(failed(lambda: next(stream)).code(), grpc.StatusCode.CANCELLED)
        was_cancelled(over)
        equal(unary(over, "Unary", b"and on")[0], b"and on")


def test_large_messages():
    message = os.urandom(8 << 20)
    with channel() as over:
        answer, _ = unary(over, "Unary", message)
        assert answer == message
        assert list(over.stream_stream("/test.Echo/Both")(iter([message[: 1 << 20]] * 4), timeout=BOUND)) == [message[: 1 << 20]] * 4


def test_compression():
    with channel(compression=grpc.Compression.Gzip) as over:
        message = b"the same again and again " * 40_000
        answer, _ = unary(over, "Compressed", message)
        assert answer == message
    [record] = until("it is logged", lambda: records("/test.Echo/Compressed"))
    for field in ("received_bytes", "sent_bytes")[: 1 if NODE_SERVER else 2]:
        assert int(record[field]) < len(message) / 10, (field, record[field])


def test_many_calls_share_a_connection():
    with channel() as over:
        calls = [over.unary_unary("/test.Echo/Unary").future(str(number).encode(), timeout=BOUND) for number in range(300)]
        equal([call.result() for call in calls], [str(number).encode() for number in range(300)])


# ALB-H-024
def test_a_group_of_http_1_is_the_wrong_place():
    with channel(os.environ["WRONG_PORT"]) as over:
        error = failed(lambda: unary(over, "Unary"))
        equal((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, "unknown"))


# The last one: it ends the server.
def test_zz_a_server_that_is_gone():
    with channel() as over:
        said = queue.SimpleQueue()
        stream = over.stream_stream("/test.Echo/Die")(iter(said.get, None), timeout=BOUND)
        equal(next(stream), b"first")
        said.put(b"die")
        said.put(None)
        # Its answer had begun, so it can only be broken off.
        equal(failed(lambda: next(stream)).code(), grpc.StatusCode.INTERNAL)
        error = failed(lambda: unary(over, "Unary"))
        equal((error.code(), error.details()), (grpc.StatusCode.UNAVAILABLE, "unavailable"))


run(globals())
