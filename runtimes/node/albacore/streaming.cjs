// Streamed answers: `awslambda.streamifyResponse` and `awslambda.HttpResponseStream`. Source: Lambda 2.6.

'use strict';

const failures = require('./failures.cjs');
const logs = require('./logs.cjs');

const DEFAULT_TYPE = 'application/octet-stream';
const HTTP_INTEGRATION_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

// Puts the status and the headers of an HTTP answer in front of a stream.
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(HTTP_INTEGRATION_TYPE);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(PRELUDE_END);
    };
    return stream;
  }
}

// Runs a streaming handler.
async function run(invocation, body) {
  const stream = responseStream(invocation);
  const outcome = new Promise((resolve, reject) => {
    stream.answered = resolve;
    // What else could finish the stream is gone.
    invocation.onEmptyLoop = () => reject(new Error('Response stream is not finished.'));
    stream.on('error', reject);
  });
  // The handler may fail first, and then nobody listens to this one.
  outcome.catch(() => {});
  invocation.canPostError = () => !stream.hasBegun;
  try {
    const event = JSON.parse(body.toString('utf8'));
    const context = Object.assign(waitFlag(invocation), invocation.contextData());
    const result = invocation.handler.run(event, stream, context);
    if (!result || typeof result.then !== 'function') {
      throw new Error('Streaming does not support non-async handlers.');
    }
    if ((await Promise.race([result, neverBefore(outcome)])) !== undefined) {
      console.warn('Streaming handlers ignore return values.');
    }
    await outcome;
    goOn(invocation);
  } catch (error) {
    logs.logError('Invoke Error', error);
    stream.fail(error);
  }
}

// Only a failure of the stream ends the wait for the handler.
function neverBefore(outcome) {
  return new Promise((_resolve, reject) => {
    outcome.catch(reject);
  });
}

function waitFlag(invocation) {
  return {
    get callbackWaitsForEmptyEventLoop() {
      return invocation.waitsForEmptyLoop;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      invocation.waitsForEmptyLoop = value;
    },
  };
}

// The answer is complete. What the handler has left in the event loop may still want to run.
function goOn(invocation) {
  const next = () => {
    invocation.finish();
    invocation.api.next();
  };
  if (invocation.waitsForEmptyLoop) {
    invocation.onEmptyLoop = next;
  } else {
    next();
  }
}

function responseStream(invocation) {
  const { Writable } = require('stream');
  const { api, requestId, handler } = invocation;
  let contentType = DEFAULT_TYPE;
  let socket = null;
  const begin = () => {
    if (socket === null) {
      socket = api.beginStream(requestId, contentType, () => stream.answered());
      stream.hasBegun = true;
    }
  };
  const writeChunk = (chunk, done) => {
    // A chunk of no bytes would be the end.
    if (chunk.length === 0) {
      done();
      return;
    }
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    socket.write('\r\n', done);
    socket.uncork();
  };
  const stream = new Writable({
    highWaterMark: handler.highWaterMark,
    write: (chunk, _encoding, done) => {
      begin();
      writeChunk(chunk, done);
    },
    final: (done) => {
      begin();
      stream.hasEnded = true;
      // From here on the response is due, and nothing else need keep the process alive.
      socket.ref();
      socket.write('0\r\n\r\n', done);
    },
  });
  stream.hasBegun = false;
  stream.hasEnded = false;
  stream.setContentType = (type) => {
    if (stream.hasBegun || stream.wasWritten) {
      throw new failures.RuntimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    }
    contentType = String(type).replace(/[^ -~]/g, '');
  };
  const write = stream.write.bind(stream);
  stream.write = (chunk, ...rest) => {
    if (!stream.wasWritten) {
      stream.wasWritten = true;
      if (typeof stream._onBeforeFirstWrite === 'function') {
        stream._onBeforeFirstWrite((part) => write(part));
      }
    }
    const isBytes = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return write(isBytes ? chunk : JSON.stringify(chunk), ...rest);
  };
  // `end(chunk)` does not come by `write`.
  const end = stream.end.bind(stream);
  stream.end = (chunk, ...rest) => {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') {
      stream.write(chunk, ...rest.filter((it) => typeof it === 'string'));
      return end(...rest.filter((it) => typeof it === 'function'));
    }
    return end(chunk, ...rest);
  };
  stream.fail = (error) => fail(invocation, stream, socket, error);
  return stream;
}

// Before the first byte the error is the answer; later it follows the bytes as a trailer.
function fail(invocation, stream, socket, error) {
  const description = failures.describe(error);
  if (!stream.hasBegun) {
    stream.destroy();
    invocation.answer('error', failures.encode(description), description.errorType);
    return;
  }
  stream.answered = () => {};
  if (!stream.hasEnded) {
    const type = String(description.errorType).replace(/[^!-~]/g, '');
    const body = Buffer.from(failures.encode(description)).toString('base64');
    stream.destroy();
    socket.write(
      `0\r\nLambda-Runtime-Function-Error-Type: ${type}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`,
    );
  }
  invocation.finish();
  invocation.api.next();
}

module.exports = { HttpResponseStream, run };
