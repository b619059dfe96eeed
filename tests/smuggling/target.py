"""A target on one of two parsers of Python: target.py LOG simple|strict. `simple` is http.server, with the body read as many
handlers read it; `strict` is h11. It says its port, answers each request with its method and URL, and writes each request
that it saw to the log, a JSON document a line. Bytes are written as the characters of Latin-1."""

import http.server
import json
import socketserver
import sys
import threading

LOG, KIND = sys.argv[1:]
log = open(LOG, "a", encoding="ascii", buffering=1)
lock = threading.Lock()


def write(**seen):
    with lock:
        log.write(json.dumps(seen) + "\n")


class Simple(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def __getattr__(self, name):
        # Every method is answered.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        write(method=self.command, target=self.path)
        self.read_body()
        answer = b"" if self.command == "HEAD" else f"{self.command} {self.path}".encode("latin-1", "replace")
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def read_body(self):
        size = int(self.headers.get("Content-Length") or 0)
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self.rfile.read(size)

    def send_error(self, code, *_):
        write(refused=code)
        self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except (MemoryError, OSError, OverflowError, ValueError) as error:
            write(refused=repr(error))

    def log_message(self, *_):
        pass


class Strict(socketserver.StreamRequestHandler):
    def handle(self):
        import h11

        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        request = None
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(self.request.recv(65536))
                elif isinstance(event, h11.Request):
                    request = event
                    write(method=event.method.decode("latin-1"), target=event.target.decode("latin-1"))
                elif isinstance(event, h11.EndOfMessage):
                    self.answer(h11, connection, request)
                    if connection.our_state is h11.MUST_CLOSE:
                        return
                    connection.start_next_cycle()
                elif not isinstance(event, h11.Data):
                    return
        except h11.RemoteProtocolError as error:
            write(refused=str(error))
        except OSError:
            pass

    def answer(self, h11, connection, request):
        answer = b"" if request.method == b"HEAD" else request.method + b" " + request.target
        head = h11.Response(status_code=200, headers=[("Content-Length", str(len(answer)))])
        events = (head, h11.Data(data=answer), h11.EndOfMessage())
        self.request.sendall(b"".join(connection.send(event) or b"" for event in events))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024


handler = {"simple": Simple, "strict": Strict}[KIND]
with Server(("127.0.0.1", 0), handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
