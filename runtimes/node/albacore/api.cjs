// The client of the Runtime API: HTTP/1.1 over one connection that stays open. Source: Lambda 2.
//
// An answer and the request for the next event leave in one write, so their responses come one after the other: first
// the one to the answer, later the event.

'use strict';

const net = require('net');

const VERSION = '/2018-06-01/runtime/';
const NEXT = `GET ${VERSION}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
const HEAD_END = '\r\n\r\n';
const HEAD_BYTES_MAX = 1024 * 1024;
const ATTEMPTS_MAX = 3;
// How long an error is waited for to be heard before the process ends all the same.
const LAST_WORDS_MS = 1000;
// Below this many characters it is cheaper to copy an answer behind its head than to write twice.
const COPIED_CHARACTERS_MAX = 64 * 1024;

class RuntimeApi {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.host = address.slice(0, colon);
    this.port = Number(address.slice(colon + 1));
    this.socket = null;
    this.parser = null;
    // Who gets the responses that are due, in order.
    this.due = [];
    this.attempts = 0;
    this.onEvent = null;
  }

  // Asks for an event. `onEvent` gets every event from now on.
  start(onEvent) {
    this.onEvent = onEvent;
    this.connect();
    this.socket.write(NEXT);
    this.expectEvent();
  }

  // Posts the answer to an invocation and asks for the next event.
  answer(requestId, kind, body, contentType, errorType) {
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const head = postHead(`invocation/${requestId}/${kind}`, contentType, errorType, `Content-Length: ${bytes}`);
    this.open();
    // Taken or refused (too large, too late): the next event comes all the same.
    this.due.push(() => {});
    if (typeof body === 'string' && body.length <= COPIED_CHARACTERS_MAX) {
      this.socket.write(head + body + NEXT);
    } else {
      this.socket.cork();
      this.socket.write(head);
      this.socket.write(body);
      this.socket.write(NEXT);
      this.socket.uncork();
    }
    this.expectEvent();
  }

  // Begins a streamed answer. The caller writes chunks to the socket that is returned, and keeps it referenced from the
  // last one on.
  beginStream(requestId, contentType, onAnswered) {
    this.open();
    const { socket } = this;
    this.due.push(() => {
      // The next event may be due already.
      if (this.due.length === 0) {
        socket.unref();
      }
      onAnswered();
    });
    this.socket.write(
      postHead(
        `invocation/${requestId}/response`,
        contentType,
        undefined,
        'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
          'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n' +
          'Transfer-Encoding: chunked',
      ),
    );
    return this.socket;
  }

  // Asks for the next event after a streamed answer.
  next() {
    this.open();
    this.socket.write(NEXT);
    this.expectEvent();
  }

  // Posts the error of an invocation after which the process ends.
  postLastError(requestId, body, errorType, done) {
    const bytes = Buffer.byteLength(body);
    const head = postHead(`invocation/${requestId}/error`, 'application/json', errorType, `Content-Length: ${bytes}`);
    this.open();
    this.sayLast(head + body, done);
  }

  postInitError(description, done) {
    const body = JSON.stringify(description);
    const bytes = Buffer.byteLength(body);
    const head = postHead('init/error', 'application/json', description.errorType, `Content-Length: ${bytes}`);
    this.connect();
    this.sayLast(head + body, done);
  }

  sayLast(request, done) {
    this.onEvent = null;
    this.due.push(done);
    this.socket.ref();
    this.socket.on('close', done);
    setTimeout(done, LAST_WORDS_MS);
    this.socket.write(request);
  }

  expectEvent() {
    // While an event is due, the connection keeps the process alive; while an invocation runs, it must not.
    this.socket.ref();
    this.due.push((status, head, body) => {
      if (status !== 200) {
        console.error(`the Runtime API answered ${status} instead of an event`);
        process.exit(1);
      }
      this.attempts = 0;
      this.socket.unref();
      this.onEvent(head, body);
    });
  }

  open() {
    if (this.socket === null) {
      this.connect();
    }
  }

  connect() {
    const socket = net.connect(this.port, this.host);
    socket.setNoDelay(true);
    this.socket = socket;
    this.due = [];
    this.parser = new ResponseParser((status, head, body) => {
      const receiver = this.due.shift();
      if (receiver) {
        receiver(status, head, body);
      }
    });
    socket.on('data', (piece) => {
      if (socket === this.socket && !this.parser.take(piece)) {
        socket.destroy();
      }
    });
    socket.on('error', () => {}); // what follows it is `close`
    socket.on('close', () => socket === this.socket && this.closed());
  }

  // A broken connection is made anew: asking again gives the same event. During an invocation its answer does that.
  closed() {
    const eventDue = this.due.length > 0;
    this.socket = null;
    if (!eventDue || this.onEvent === null) {
      return;
    }
    this.attempts += 1;
    if (this.attempts >= ATTEMPTS_MAX) {
      console.error('the Runtime API has closed the connection');
      process.exit(1);
    }
    this.start(this.onEvent);
  }
}

function postHead(path, contentType, errorType, framing) {
  // An error may have any name.
  const name = typeof errorType === 'string' ? errorType.replace(/[^!-~]/g, '') : '';
  const error = name ? `Lambda-Runtime-Function-Error-Type: ${name}\r\n` : '';
  return `POST ${VERSION}${path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: ${contentType}\r\n${error}${framing}\r\n\r\n`;
}

// Cuts what comes into responses. Every response of the Runtime API has a `Content-Length`.
class ResponseParser {
  constructor(onResponse) {
    this.onResponse = onResponse;
    this.received = null;
    // Of a body that has not come whole yet.
    this.pieces = null;
    this.missing = 0;
    this.status = 0;
    this.head = null;
  }

  // Says false when it makes no sense.
  take(piece) {
    if (this.pieces !== null) {
      if (piece.length < this.missing) {
        this.missing -= piece.length;
        this.pieces.push(piece);
        return true;
      }
      const body = Buffer.concat([...this.pieces, piece.subarray(0, this.missing)]);
      piece = piece.subarray(this.missing);
      this.pieces = null;
      this.onResponse(this.status, this.head, body);
    }
    this.received = this.received === null ? piece : Buffer.concat([this.received, piece]);
    return this.takeReceived();
  }

  takeReceived() {
    while (this.received.length > 0) {
      const end = this.received.indexOf(HEAD_END);
      if (end < 0) {
        return this.received.length <= HEAD_BYTES_MAX;
      }
      this.parseHead(this.received.toString('utf8', 0, end));
      const length = Number(this.head.get('content-length') || 0);
      const rest = this.received.subarray(end + HEAD_END.length);
      if (rest.length < length) {
        this.pieces = [rest];
        this.missing = length - rest.length;
        break;
      }
      this.received = rest.subarray(length);
      this.onResponse(this.status, this.head, rest.subarray(0, length));
    }
    this.received = null;
    return true;
  }

  parseHead(text) {
    const lines = text.split('\r\n');
    this.status = Number(lines[0].split(' ')[1]);
    this.head = new Map();
    for (let at = 1; at < lines.length; at += 1) {
      const colon = lines[at].indexOf(':');
      this.head.set(lines[at].slice(0, colon).toLowerCase(), lines[at].slice(colon + 1).trim());
    }
  }
}

module.exports = { RuntimeApi };
