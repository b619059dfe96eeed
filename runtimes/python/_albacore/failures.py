"""Errors as Lambda's Python runtimes report them. Imported with the first one. Source: Lambda 2.11, 3.5, 5.8."""

import json
import os
import traceback

from _albacore import logs, marshal
from _albacore.main import Fault

OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
# The most files that are looked at for a null byte.
SOURCES_MAX = 2000
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


def place_of_null_byte(error, module_name):
    """File, line and text of a null byte in a source. The interpreter refuses it without saying where it is."""
    names = set(module_name.split("."))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        # The innermost code of the function is what imports the file, by one of the names in it.
        if not frame.f_code.co_filename.startswith(OWN_FOLDER):
            names = {part for name in frame.f_code.co_names for part in name.split(".")}
    for file in sources(os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())):
        folder, name = os.path.split(file)
        module = os.path.basename(folder) if name == "__init__.py" else name[: -len(".py")]
        if module in names:
            try:
                with open(file, "rb") as source:
                    before, null, _ = source.read().partition(b"\0")
            except OSError:
                continue
            if null:
                text = before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")
                return file, before.count(b"\n") + 1, text + "\\0\n"
    return None


def sources(root):
    """The Python files of the function, those that lie nearest first in each folder."""
    count = 0
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            file = os.path.join(folder, name)
            if name.endswith(".py") and os.path.isfile(file):
                count += 1
                if count > SOURCES_MAX:
                    return
                yield file


def encode(report):
    """The bytes of the payload. An error may hold anything, so what UTF-8 cannot carry is escaped."""
    try:
        return json.dumps(report, ensure_ascii=marshal.ensures_ascii()).encode("utf-8")
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
