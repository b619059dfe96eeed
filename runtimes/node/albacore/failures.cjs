// Errors as Lambda's Node.js runtimes report them. Source: Lambda 2.11, 3.5, 5.8.

'use strict';

const { isNativeError } = require('util').types;

// An error that the runtime finds itself; its name is the error type.
class RuntimeError extends Error {
  constructor(kind, message) {
    super(message);
    // Not among the properties that the log shows.
    Object.defineProperty(this, 'name', { value: `Runtime.${kind}` });
    // The line of `stack` with the name was made before there was this one.
    this.stack = this.stack.replace(/^Error/, this.name);
  }
}

class UnhandledPromiseRejection extends RuntimeError {
  constructor(reason) {
    super('UnhandledPromiseRejection', textOf(reason));
    // Shown in the log.
    this.reason = reason;
    this.promise = {};
  }
}

function textOf(value) {
  try {
    return String(value);
  } catch {
    return 'a value that cannot be written as text';
  }
}

function looksLikeError(value) {
  const isText = (text) => typeof text === 'string' && text !== '';
  return isNativeError(value) || Boolean(value && isText(value.name) && isText(value.message) && isText(value.stack));
}

// The error payload of whatever was thrown.
function describe(error) {
  try {
    if (looksLikeError(error)) {
      return {
        errorType: error.name,
        errorMessage: error.message,
        trace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, ' +
        'name, and stack',
      trace: [],
    };
  }
}

// The error payload in JSON. An error may hold anything.
function encode(description) {
  try {
    return JSON.stringify(description);
  } catch {
    return JSON.stringify({ errorType: 'Error', errorMessage: 'Unable to stringify response body', trace: [] });
  }
}

function asError(value) {
  return isNativeError(value) || value instanceof Error ? value : new Error(textOf(value));
}

// An error as one line of the log: its own properties too, after those that every error has.
function toLogText(error) {
  const visible = (_key, value) => {
    if (!(value instanceof Error)) {
      return value;
    }
    const all = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === 'string') {
      all.stack = value.stack.split('\n');
    }
    return all;
  };
  try {
    return JSON.stringify(error, visible);
  } catch {
    return encode(describe(error));
  }
}

module.exports = { RuntimeError, UnhandledPromiseRejection, asError, describe, encode, textOf, toLogText };
