"""The handler and the formats that Lambda's Python runtimes give to the root logger. Source: Lambda 2.10, 2.11."""

import json
import logging
import os
import time
import traceback

from _albacore import logs

# What every record has; anything else was given with `extra`.
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "aws_request_id",
    "tenant_id",
    "message",
    "asctime",
    "taskName",
}


def attach(sink):
    """Installs the handler, and the level if Lambda was told one."""
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = {"TRACE": "DEBUG"}.get(level, level)
    if isinstance(logging.getLevelName(level), int):
        root.setLevel(level)
    handler = Handler(sink)
    if logs.is_json():
        handler.setFormatter(JsonFormatter())
    else:
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    root.addHandler(handler)


class Handler(logging.Handler):
    def __init__(self, sink):
        logging.Handler.__init__(self)
        self.sink = sink

    def emit(self, record):
        record.aws_request_id = logs.request_id
        record.tenant_id = logs.tenant_id
        try:
            is_json = isinstance(self.formatter, JsonFormatter)
            self.sink.write(self.format(record), level_of(record), is_json)
        except Exception:
            self.handleError(record)


def level_of(record):
    """Levels between the named ones count as the one below."""
    return min(logs.CRITICAL, max(logs.NO_LEVEL, record.levelno)) // 10 * 10


class JsonFormatter(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record):
        line = {
            "timestamp": logs.timestamp(record.created),
            "level": logging.getLevelName(level_of(record)),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            kind, error, trace = record.exc_info
            line["stackTrace"] = traceback.format_tb(trace)
            line["errorType"] = getattr(kind, "__name__", None)
            line["errorMessage"] = str(error)
        line["requestId"] = record.aws_request_id
        if record.exc_info:
            line["location"] = "{}:{}:{}".format(record.pathname, record.funcName, record.lineno)
        if record.tenant_id is not None:
            line["tenantId"] = record.tenant_id
        for name, value in vars(record).items():
            if name not in STANDARD_FIELDS and name not in line:
                line[name] = value
        line = {name: value for name, value in line.items() if value is not None}
        return json.dumps(line, ensure_ascii=False, default=str) + "\n"
