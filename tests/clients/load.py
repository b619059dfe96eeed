"""A thousand connections at once, twenty requests on each, and not one error."""

import http.client
import resource
import sys
import threading

from clients import BOUND, HTTP_PORT

CONNECTIONS, REQUESTS = 1000, 20

errors = []
everybody = threading.Barrier(CONNECTIONS)


def work(number):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=BOUND)
        connection.connect()
        everybody.wait(BOUND)
        socket = connection.sock
        for request in range(REQUESTS):
            connection.request("GET", "/fixed")
            answer = connection.getresponse()
            if (answer.status, answer.read()) != (200, b"fixed"):
                raise AssertionError(f"status {answer.status}")
            if connection.sock is not socket:
                raise AssertionError(f"the connection was closed after request {request}")
        connection.close()
    except Exception as error:
        errors.append(f"connection {number}: {error!r}")
        everybody.abort()


_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
threading.stack_size(256 * 1024)
threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if errors:
    sys.exit("\n".join(errors[:10]))
