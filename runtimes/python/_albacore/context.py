"""The context object, as Lambda's Python runtimes have it."""

import os
from time import time


def of(event, sink):
    """The context of one invocation."""
    headers = event.headers
    return LambdaContext(
        event.request_id,
        parsed(headers.get("lambda-runtime-client-context"), "Client Context"),
        parsed(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity"),
        int(headers.get("lambda-runtime-deadline-ms", 0)),
        headers.get("lambda-runtime-invoked-function-arn"),
        headers.get("lambda-runtime-aws-tenant-id"),
        sink,
    )


def parsed(header, name):
    if not header:
        return None
    from _albacore import main, marshal

    try:
        return marshal.json.loads(header)
    except Exception as error:
        message = "Unable to parse {} JSON: {}".format(name, error)
        raise main.Fault("LambdaContextUnmarshalError", message)


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, request_id, client_context, identity, deadline_ms, function_arn, tenant_id, sink):
        variables = os.environ
        self.aws_request_id = request_id
        self.log_group_name = variables.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = variables.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = variables.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = variables.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = variables.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = function_arn
        self.tenant_id = tenant_id
        self.client_context = ClientContext.of(client_context)
        if self.client_context is not None:
            self.client_context.client = Client.of(self.client_context.client)
        identity = identity or {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = deadline_ms
        self._sink = sink

    def get_remaining_time_in_millis(self):
        """How long until the function times out, in milliseconds; never negative."""
        return max(0, self._epoch_deadline_time_in_ms - int(time() * 1000))

    def log(self, message):
        """Writes to the function's log."""
        self._sink.write(str(message))

    def __repr__(self):
        shown = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return described(self, shown)


def described(thing, names):
    fields = ",".join("{}={}".format(name, getattr(thing, name)) for name in names)
    return "{}([{}])".format(type(thing).__name__, fields)


class Record:
    """An object with fixed fields that are `None` where the source has none."""

    __slots__ = ()

    @classmethod
    def of(cls, source):
        if source is None:
            return None
        record = cls()
        for name in cls.__slots__:
            setattr(record, name, source.get(name))
        return record

    def __repr__(self):
        return described(self, self.__slots__)


class CognitoIdentity(Record):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


class ClientContext(Record):
    __slots__ = ("custom", "env", "client")


class Client(Record):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
