"""Events from JSON, results to JSON. Lambda's client encodes with simplejson, and this gives the same bytes."""

import json
import os

from _albacore.main import Fault


def ensures_ascii():
    """From Python 3.12 on, Lambda's runtimes leave letters beyond ASCII as they are."""
    minor = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("python3.")[2]
    return not (minor.isdigit() and int(minor) >= 12)


def decode(body):
    """The event."""
    try:
        return json.loads(body.decode("utf-8"))
    except Exception as error:
        raise Fault("UnmarshalError", "Unable to unmarshal input: {}".format(error))


def encode(result):
    """The bytes of a result, and their type."""
    if isinstance(result, bytes):
        return result, b"application/unknown"
    try:
        return encode_json(result), b"application/json"
    except Exception as error:
        raise Fault("MarshalError", "Unable to marshal response: {}".format(error))


def encode_json(value):
    if holds_named_tuple(value):
        value = with_objects(value)
    _encoder.numbers.clear()
    text = _encoder.encode(value)
    for placeholder, number in _encoder.numbers:
        text = text.replace('"' + placeholder + '"', number, 1)
    return text.encode("utf-8")


class _Encoder(json.JSONEncoder):
    """Knows decimal numbers and bytes too."""

    def __init__(self, **options):
        json.JSONEncoder.__init__(self, **options)
        # Decimal numbers in the order of the text: the encoder itself cannot write digits it is given.
        self.numbers = []

    def default(self, o):
        if isinstance(o, bytes):
            return o.decode("utf-8")
        if type(o).__name__ == "Decimal" and hasattr(o, "is_nan"):
            return float("nan") if o.is_nan() else self.placeholder(str(o))
        return json.JSONEncoder.default(self, o)

    def placeholder(self, number):
        # Nobody who makes the result can guess it.
        text = os.urandom(16).hex()
        self.numbers.append((text, number))
        return text


_encoder = _Encoder()


def begin():
    """What depends on the function. This module may be older than the variables of the function are."""
    _encoder.ensure_ascii = ensures_ascii()


def holds_named_tuple(value):
    """Is there a named tuple anywhere? The encoder would write it as an array, Lambda writes an object."""
    try:
        return _holds_named_tuple(value)
    except RecursionError:
        # Deep or circular; the encoder has the words for it.
        return False


def _holds_named_tuple(value):
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return True
    elif not isinstance(value, list):
        return False
    for item in value:
        # Most items are of these types, and calls are what costs here.
        kind = type(item)
        if kind is not str and kind is not int and _holds_named_tuple(item):
            return True
    return False


def with_objects(value):
    if isinstance(value, dict):
        return {key: with_objects(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: with_objects(item) for key, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [with_objects(item) for item in value]
    return value
