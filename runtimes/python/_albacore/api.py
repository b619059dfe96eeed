"""The client of the Runtime API: HTTP/1.1 over one connection that stays open. Source: Lambda 2.

`_socket` is what `socket` is built on; the module around it, and `http.client` even more, would take longer to import
than everything else here together.
"""

import _socket
import _thread

VERSION = b"/2018-06-01/runtime/"
NEXT = b"GET " + VERSION + b"invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"

# Below this many bytes it is cheaper to copy an answer behind its head than to write twice.
COPIED_BYTES_MAX = 64 * 1024
READ_BYTES = 64 * 1024
LARGE_READ_BYTES = 1024 * 1024
HEAD_BYTES_MAX = 1024 * 1024
# How often a connection is made for one event.
CONNECTIONS_MAX = 3


class Event:
    """One invocation as it came: the headers with names in lower case, and the payload."""

    __slots__ = ("request_id", "headers", "body")

    def __init__(self, headers, body):
        self.request_id = headers["lambda-runtime-aws-request-id"]
        self.headers = headers
        self.body = body


def attend(socket):
    """Waits until there is something to receive, and hears signals meanwhile. The system may give a signal to any thread,
    but its handler runs in this one, which would go on to wait where no other thread can wake it."""
    import _signal
    import os
    import select

    try:
        heard, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # The function has used up its descriptors.
        return
    before = _signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        # Else the function wakes this thread itself.
        if before == -1:
            poll = select.poll()
            poll.register(socket, select.POLLIN)
            poll.register(heard, select.POLLIN)
            while [file for file, _ in poll.poll()] == [heard]:
                os.read(heard, READ_BYTES)
    finally:
        _signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(told)


class RuntimeApi:
    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))
        self.socket = None
        self.received = bytearray()
        # Responses that come before that to `next`.
        self.acknowledgements_due = 0

    def ask_for_event(self):
        """Sends the request for the next event; connects first."""
        self.connect()
        self.socket.sendall(NEXT)

    def receive_event(self):
        """Waits for the event that was asked for. A broken connection is made anew: asking again gives the same event."""
        for _ in range(CONNECTIONS_MAX):
            try:
                if self.socket is None:
                    self.ask_for_event()
                while self.acknowledgements_due:
                    # Whether an answer was taken or refused (too large, too late): the next event comes all the same.
                    self.receive()
                    self.acknowledgements_due -= 1
                status, headers, body = self.receive()
                if status == 200:
                    return Event(headers, body)
                raise SystemExit("the Runtime API answered {} instead of an event".format(status))
            except OSError:
                self.disconnect()
        raise SystemExit("the Runtime API has closed the connection")

    def answer(self, request_id, kind, content_type, body, error_type):
        """Posts an answer and asks for the next event."""
        head = self.head(b"invocation/" + request_id.encode("ascii") + kind, content_type, body, error_type)
        self.acknowledgements_due += 1
        try:
            if len(body) <= COPIED_BYTES_MAX:
                self.socket.sendall(b"".join((head, body, NEXT)))
            else:
                self.socket.sendall(head)
                self.socket.sendall(body)
                self.socket.sendall(NEXT)
        except OSError:
            # Too large to be read to its end, perhaps. Asking again shows whether the runtime may go on.
            self.disconnect()

    def post_init_error(self, body, error_type):
        """Says that the function cannot be loaded, and waits until that is heard."""
        try:
            self.connect()
            self.socket.sendall(self.head(b"init/error", b"application/json", body, error_type) + body)
            self.receive()
        except OSError:
            # Then the exit status has to say it.
            pass

    @staticmethod
    def head(path, content_type, body, error_type):
        error = b""
        if error_type is not None:
            name = "".join(c for c in error_type if " " < c < "\x7f")
            error = b"Lambda-Runtime-Function-Error-Type: " + name.encode("ascii") + b"\r\n"
        return b"POST %b%b HTTP/1.1\r\nHost: runtime\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n" % (
            VERSION,
            path,
            content_type,
            error,
            len(body),
        )

    def connect(self):
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        connection.connect(self.address)
        self.socket = connection

    def disconnect(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.received.clear()
        self.acknowledgements_due = 0

    def receive(self):
        """One response: status, headers, body. Every response of the Runtime API has a `Content-Length`."""
        if not self.received and _thread._count():
            attend(self.socket)
        head_end = self.received.find(b"\r\n\r\n")
        while head_end < 0:
            if len(self.received) > HEAD_BYTES_MAX:
                raise ConnectionError("the head of a response does not end")
            # A part of the blank line may have been there already.
            searched = max(0, len(self.received) - 3)
            self.read_more(READ_BYTES)
            head_end = self.received.find(b"\r\n\r\n", searched)
        lines = self.received[:head_end].decode("utf-8", "surrogateescape").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body_start = head_end + 4
        body_end = body_start + int(headers.get("content-length", 0))
        while len(self.received) < body_end:
            self.read_more(LARGE_READ_BYTES)
        body = bytes(self.received[body_start:body_end])
        del self.received[:body_end]
        return int(lines[0].split(" ", 2)[1]), headers, body

    def read_more(self, bytes_max):
        piece = self.socket.recv(bytes_max)
        if not piece:
            raise ConnectionError("the Runtime API has closed the connection")
        self.received += piece
