// `console` in Lambda's formats, and where its lines go. Source: Lambda 2.10, 2.11.

'use strict';

const fs = require('fs');
const { format } = require('util');
const failures = require('./failures.cjs');

const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;
const FRAME_HEAD_BYTES = 16;
// The bits of a level in the type of a frame ascend as the levels do.
const LEVELS = { TRACE: 0x04, DEBUG: 0x08, INFO: 0x0c, WARN: 0x10, ERROR: 0x14, FATAL: 0x18 };

const variable = (name) => (process.env[name] || '').toUpperCase();
let isJson = false;

// Of the invocation that runs; `undefined` during init, and printed so.
let requestId;
let tenantId;

function follow(invocation) {
  requestId = invocation.requestId;
  tenantId = invocation.tenantId;
}

function patchConsole() {
  // Not before: this file may be older than the variables of the function are.
  isJson = variable('AWS_LAMBDA_LOG_FORMAT') === 'JSON';
  const write = openSink();
  const lowest = LEVELS[variable('AWS_LAMBDA_LOG_LEVEL')] || LEVELS.TRACE;
  const method = (level) => {
    if (LEVELS[level] < lowest) {
      return () => {};
    }
    return (...parts) => {
      const now = new Date();
      write(level, now, isJson ? jsonLine(level, now, parts) : textLine(level, now, parts));
    };
  };
  console.trace = method('TRACE');
  console.debug = method('DEBUG');
  console.info = method('INFO');
  console.log = console.info;
  console.warn = method('WARN');
  console.error = method('ERROR');
  console.fatal = method('FATAL');
}

function textLine(level, now, parts) {
  return `${now.toISOString()}\t${requestId}\t${level}\t${format(...(parts.length ? parts : [undefined]))}`;
}

function jsonLine(level, now, parts) {
  const line = { timestamp: now.toISOString(), level, requestId };
  if (tenantId !== undefined) {
    line.tenantId = tenantId;
  }
  if (parts.length <= 1) {
    line.message = parts[0];
    try {
      return JSON.stringify(line, (_key, value) => (value instanceof Error ? errorFields(value) : value));
    } catch {
      line.message = format(parts[0]);
      return JSON.stringify(line);
    }
  }
  line.message = format(...parts);
  const error = parts.find((part) => part instanceof Error);
  if (error) {
    const { errorType, errorMessage, stackTrace } = errorFields(error);
    Object.assign(line, { errorType, errorMessage, stackTrace });
  }
  return JSON.stringify(line);
}

function errorFields(error) {
  return {
    errorType: (error.constructor && error.constructor.name) || 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
    ...error,
  };
}

// An error that ends an invocation or the init.
function logError(what, error) {
  const logged = failures.asError(error);
  if (isJson) {
    console.error(logged);
  } else {
    console.error(what, `\t${failures.toLogText(logged)}`);
  }
}

// Through the framed log channel if there is one, otherwise standard output.
function openSink() {
  const text = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  const descriptor = Number.parseInt(text, 10);
  try {
    fs.fstatSync(descriptor);
    return (level, now, line) => writeFrame(descriptor, level, now, line);
  } catch {
    // One line for each message, so that each is one event.
    return (_level, _now, line) => process.stdout.write(`${line.replace(/\n/g, '\r')}\n`);
  }
}

// 4 bytes of type and level, 4 of length, 8 of microseconds since the epoch, and the message; all big-endian.
function writeFrame(descriptor, level, now, line) {
  const length = Buffer.byteLength(line);
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length);
  frame.writeUInt32BE(((isJson ? JSON_FRAME : TEXT_FRAME) | LEVELS[level]) >>> 0, 0);
  frame.writeUInt32BE(length, 4);
  frame.writeBigInt64BE(BigInt(now.getTime()) * 1000n, 8);
  frame.write(line, FRAME_HEAD_BYTES);
  try {
    let written = 0;
    while (written < frame.length) {
      written += fs.writeSync(descriptor, frame, written);
    }
  } catch {
    // Closed by the function. Its invocation does not fail because of a log line.
  }
}

module.exports = { follow, logError, patchConsole };
