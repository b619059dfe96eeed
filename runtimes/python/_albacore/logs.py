"""Where log lines go, and how `logging` comes to use it. Source: Lambda 2.11.

`logging` itself takes longer to import than this whole runtime, so it gets its handler at the moment when the function
imports it.
"""

import _thread
import os
import sys
from time import time, time_ns

TEXT_FRAME = 0xA55A0003
JSON_FRAME = 0xA55A0002
NO_LEVEL, DEBUG, INFO, WARNING, ERROR, CRITICAL = 0, 10, 20, 30, 40, 50
LEVEL_BITS = {NO_LEVEL: 0, DEBUG: 0x08, INFO: 0x0C, WARNING: 0x10, ERROR: 0x14, CRITICAL: 0x18}

# Of the invocation that runs; empty during init.
request_id = ""
tenant_id = None


def open_sink():
    """Through the framed log channel if there is one, otherwise standard output."""
    text = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    try:
        descriptor = int(text)
        # Programs that the function starts have no business with it. Fails if it is not open.
        os.set_inheritable(descriptor, False)
        return FramedSink(descriptor)
    except (ValueError, OSError):
        return StandardSink()


class FramedSink:
    """4 bytes of type and level, 4 of length, 8 of microseconds since the epoch, and the message; all big-endian."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.lock = _thread.allocate_lock()

    def write(self, message, level=NO_LEVEL, is_json=False):
        message = message.encode("utf-8", "backslashreplace")
        frame_type = (JSON_FRAME if is_json else TEXT_FRAME) | LEVEL_BITS[level]
        frame = b"".join(
            (
                frame_type.to_bytes(4, "big"),
                len(message).to_bytes(4, "big"),
                (time_ns() // 1000).to_bytes(8, "big"),
                message,
            )
        )
        # A frame may be more than a pipe takes at once, and threads must not mix theirs.
        with self.lock:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]


class StandardSink:
    """One line for each message, so that each is one event."""

    def write(self, message, level=NO_LEVEL, is_json=False):
        sys.stdout.write(message.rstrip("\n").replace("\n", "\r") + "\n")


def is_json():
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def timestamp(seconds=None):
    """RFC 3339 with milliseconds."""
    from time import gmtime, strftime

    seconds = time() if seconds is None else seconds
    milliseconds = int(seconds * 1000) % 1000
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + ".{:03d}Z".format(milliseconds)


def follow_logging(sink, folders):
    """Gives `logging` its handler as soon as anybody imports it. `folders` hold the standard library."""
    if "logging" in sys.modules:
        attach_handler(sink)
    else:
        sys.meta_path.insert(0, LoggingWatch(sink, folders))


def attach_handler(sink):
    from _albacore import log_handler

    log_handler.attach(sink)


class LoggingWatch:
    """Stands first among the finders until `logging` is imported."""

    def __init__(self, sink, folders):
        self.sink = sink
        self.folders = folders

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        import _frozen_importlib_external

        sys.meta_path.remove(self)
        # The standard library's, even where a function has a module of this name itself: as on Lambda.
        spec = _frozen_importlib_external.PathFinder.find_spec(name, self.folders, target)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_attach(module):
                execute(module)
                attach_handler(self.sink)

            spec.loader.exec_module = execute_and_attach
        return spec
