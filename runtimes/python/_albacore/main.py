"""From the start of the interpreter to the loop over invocations.

Sources: Lambda 2 (Runtime API), 3.2 (environment), 3.5 (error types), 5.8 (error payloads).
"""

import os
import sys

from _albacore import api, context, logs


# Names the descriptor that says what this interpreter is for, if that was not known when it was started.
ASSIGNMENT = "_ALBACORE_ASSIGNMENT_FD"
ASSIGNMENT_BYTES_MAX = 1024 * 1024


def run():
    """Prepares the interpreter, loads the handler, and serves invocations until the process is killed."""
    # Everything that the first invocation needs; functions find the same modules imported, however this was started.
    import _sitebuiltins  # noqa: F401

    from _albacore import marshal  # noqa: F401

    descriptor = os.environ.pop(ASSIGNMENT, None)
    if descriptor is not None:
        wait_for_assignment(int(descriptor))
    sink = logs.open_sink()
    standard = standard_folders()
    prepare_interpreter(sys.argv[1:], standard)
    logs.follow_logging(sink, standard)
    runtime_api = api.RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    handler = load_handler(os.environ.get("_HANDLER", ""), runtime_api, sink)
    serve(runtime_api, handler, sink)


def wait_for_assignment(descriptor):
    """Takes over the folder and the variables of a function: each ends with a zero byte, and before them is their count.

    From here on nothing may show that the interpreter is older than its function.
    """
    received = b""
    while True:
        piece = os.read(descriptor, ASSIGNMENT_BYTES_MAX)
        received += piece
        if not piece:
            break
    os.close(descriptor)
    count, _, rest = received.partition(b"\0")
    parts = rest.split(b"\0")[:-1]
    if not parts or int(count) != len(parts):
        # Whoever started this has no use for it any more.
        os._exit(0)
    # What the interpreter itself has set because of the host's locales.
    own = os.environ.get("LC_CTYPE")
    os.environ.clear()
    for variable in parts[1:]:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
    if own is not None:
        os.environ["LC_CTYPE"] = own
    os.chdir(parts[0])


def prepare_interpreter(package_folders, standard):
    """Makes the interpreter, which was started without `site`, look like Lambda's."""
    import builtins

    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    is_layered = package_folders and package_folders[0].startswith("--opt=")
    opt = package_folders.pop(0)[len("--opt=") :] if is_layered else None
    del sys.argv[1:]
    # Behind what is built in, and before everything that the task's folder may hold.
    sys.meta_path.insert(-1, LoadedOnLambda(standard))
    # In place of the folder of the bootstrap. The submodules of this package are found without it.
    sys.path[0] = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())
    if opt is not None:
        add_layers(opt)
    sys.meta_path.append(LentPackages(package_folders))
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True)


def add_layers(opt):
    """Adds what layers bring to the search path, behind the task's folder, unless the function has a path of its own."""
    # This runtime's own is there where the function has set none.
    if os.environ.get("PYTHONPATH") != os.environ.get("LAMBDA_RUNTIME_DIR"):
        return
    series = "python%d.%d" % sys.version_info[:2]
    folders = [os.path.join(opt, "python", "lib", series, "site-packages"), os.path.join(opt, "python")]
    sys.path[1:1] = folders
    for folder in folders:
        try:
            has_path_files = any(name.endswith(".pth") for name in os.listdir(folder))
        except OSError:
            continue
        if has_path_files:
            import site

            site.addsitedir(folder)


def standard_folders():
    """Where the standard library lies: the end of the search path, as long as nobody has added to it."""
    folder = os.path.dirname(os.__file__)
    return sys.path[sys.path.index(folder) :] if folder in sys.path else [folder]


class LoadedOnLambda:
    """Finds modules that Lambda's Python client has imported before the function's code comes into sight.

    A function cannot put its own in their place there, whatever files it brings. Here they may be imported later, for the
    first time even by the function, and have to be the standard library's all the same. This runtime relies on no others.
    """

    # What `awslambdaric.bootstrap` leaves in `sys.modules`, in any version from Python 3.8 on, and `site`.
    NAMES = frozenset(
        "__future__ _collections_abc _colorize _weakrefset abc atexit codecs collections contextlib copyreg decimal "
        "encodings enum functools genericpath heapq importlib io itertools json keyword linecache logging math numbers "
        "operator os posixpath re reprlib site sre_compile sre_constants sre_parse stat string textwrap threading token "
        "tokenize traceback types warnings weakref zipimport".split()
    )

    def __init__(self, folders):
        self.folders = folders

    def find_spec(self, name, path=None, target=None):
        # `path` is that of a package whose module is asked for: that one was found here already.
        if path is not None or name not in self.NAMES:
            return None
        import _frozen_importlib_external

        return _frozen_importlib_external.PathFinder.find_spec(name, self.folders, target)


class LentPackages:
    """Finds the packages that Lambda's Python runtimes bring along, if the host has them: asked last.

    Everything else that is installed on the host stays invisible, so that a function that forgot to bring a package
    fails here as it would fail on Lambda.
    """

    NAMES = frozenset(
        ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "simplejson")
    )

    def __init__(self, folders):
        self.folders = folders

    def find_spec(self, name, path=None, target=None):
        if path is not None or name not in self.NAMES:
            return None
        import _frozen_importlib_external

        return _frozen_importlib_external.PathFinder.find_spec(name, self.folders, target)


def load_handler(text, runtime_api, sink):
    """Imports the module and gets the function; on failure reports an init error and ends the process."""
    try:
        module_name, function_name = split_handler(text)
        module = import_handler_module(module_name)
        if not hasattr(module, function_name):
            message = "Handler '{}' missing on module '{}'".format(function_name, module_name)
            raise Fault("HandlerNotFound", message)
        return getattr(module, function_name)
    except Exception as error:
        from _albacore import failures

        report = failures.describe(error, "")
        failures.log(report, sink)
        flush()
        runtime_api.post_init_error(failures.encode(report), report["errorType"])
        sys.exit(1)


class Fault(Exception):
    """A failure that the runtime finds itself. Becomes an error of type `Runtime.{kind}`."""

    def __init__(self, kind, message, trace=()):
        Exception.__init__(self, message)
        self.error_type = "Runtime." + kind
        self.trace = list(trace)


def split_handler(text):
    """`a/b.c.handler` is the function `handler` of the module `a/b.c`."""
    module_name, dot, function_name = text.rpartition(".")
    if not dot:
        # The text is that of the exception that Lambda's client runs into here.
        reason = "not enough values to unpack (expected 2, got 1)"
        raise Fault("MalformedHandlerName", "Bad handler '{}': {}".format(text, reason))
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "BuiltInModuleConflict",
            "Cannot use built-in module {} as a handler module".format(module_name),
        )
    return module_name, function_name


def import_handler_module(module_name):
    """Imports a module by its dotted name or its path."""
    dotted = module_name.replace("/", ".")
    try:
        __import__(dotted)
        return sys.modules[dotted]
    except ImportError as error:
        message = "Unable to import module '{}': {}".format(module_name, error)
        raise Fault("ImportModuleError", message)
    except SyntaxError as error:
        message = "Syntax error in module '{}': {}".format(module_name, error)
        place = (error.filename, error.lineno, error.text)
        if error.filename is None:
            from _albacore import failures

            place = failures.place_of_null_byte(error, dotted) or place
        raise Fault("UserCodeSyntaxError", message, [place_text(place)])
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        # What Python before 3.11.4 says of a null byte in a source; no frame leads to the file.
        from _albacore import failures

        place = failures.place_of_null_byte(error, dotted)
        if place is None:
            raise
        fault = Fault("", error, [place_text(place)])
        fault.error_type = type(error).__name__
        raise fault


def place_text(place):
    return '  File "{}" Line {}\n    {}'.format(*place)


def serve(runtime_api, handler, sink):
    """Runs one invocation after the other. An answer and the request for the next event leave in one write."""
    from _albacore import marshal

    marshal.begin()
    runtime_api.ask_for_event()
    while True:
        event = runtime_api.receive_event()
        request_id = event.request_id
        logs.request_id = request_id
        logs.tenant_id = event.headers.get("lambda-runtime-aws-tenant-id")
        follow_trace(event.headers.get("lambda-runtime-trace-id"))
        try:
            arguments = (marshal.decode(event.body), context.of(event, sink))
            answer, content_type = marshal.encode(handler(*arguments))
            kind, error_type = b"/response", None
        # What ends the interpreter (SystemExit, KeyboardInterrupt) ends the runtime, as on Lambda.
        except Exception as error:
            from _albacore import failures

            report = failures.describe(error, request_id)
            failures.log(report, sink)
            answer, content_type = failures.encode(report), b"application/json"
            kind, error_type = b"/error", report["errorType"]
            # A traceback keeps every local variable of the handler alive.
            del report
        flush()
        runtime_api.answer(request_id, kind, content_type, answer, error_type)
        arguments = answer = event = None


def follow_trace(trace_id):
    if trace_id is not None:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def flush():
    """What was printed without a newline belongs to this invocation. A function may have closed or replaced a stream."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
