"""Errors as Lambda's Python runtimes report them. Imported with the first one. Source: Lambda 2.11, 3.5, 5.8."""

import json
import os
import traceback

from _albacore import logs, marshal
from _albacore.main import Fault

OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
NO_BREAK_SPACE = "\u00a0"


def describe(error, request_id):
    """The error payload."""
    if isinstance(error, Fault):
        error_type, trace = error.error_type, error.trace
    else:
        error_type, trace = type(error).__name__, stack_trace(error)
    return {
        "errorMessage": message_of(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": trace,
    }


def message_of(error):
    try:
        return str(error)
    except Exception:
        return "<unprintable {} object>".format(type(error).__name__)


def stack_trace(error):
    """The frames from the function on, each as a traceback shows it."""
    frames = [(it.filename, it.lineno, it.name, it.line) for it in traceback.extract_tb(error.__traceback__)]
    first = 0
    while first < len(frames) and frames[first][0].startswith(OWN_FOLDER):
        first += 1
    return traceback.format_list(frames[first:])


def encode(report):
    """The bytes of the payload. An error may hold anything, so what UTF-8 cannot carry is escaped."""
    try:
        return json.dumps(report, ensure_ascii=marshal.ENSURE_ASCII).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(report).encode("ascii")


def log(report, sink):
    """Writes the error to the function's log."""
    if logs.is_json():
        line = {"timestamp": logs.timestamp(), "level": "ERROR"}
        line.update(report)
        sink.write(encode(line).decode("utf-8"), logs.ERROR, is_json=True)
        return
    lines = ["[ERROR] " + report["errorType"]]
    if report["errorMessage"]:
        lines[0] += ": " + report["errorMessage"]
    lines.append("Traceback (most recent call last):")
    for frame in report["stackTrace"]:
        lines.extend(indented(line) for line in frame.splitlines())
    sink.write("\n".join(lines), logs.ERROR)


def indented(line):
    """Ordinary blanks at the start of a line would be lost in the log."""
    text = line.lstrip(" ")
    return NO_BREAK_SPACE * (len(line) - len(text)) + text
