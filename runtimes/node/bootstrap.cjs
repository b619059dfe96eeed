// Runs one Node.js function: what `/var/runtime/index.mjs` is on Lambda. Written for Node.js 16 and later.
//
// From the start of the interpreter to the first request for an event.

'use strict';

const { createRequire } = require('module');
const failures = require('./albacore/failures.cjs');
const logs = require('./albacore/logs.cjs');
const loader = require('./albacore/loader.cjs');
const { Invocations } = require('./albacore/invocations.cjs');
const { RuntimeApi } = require('./albacore/api.cjs');

// Exit statuses. Source: Lambda 3.5; 13 is what Node.js itself says of a module that waits for ever.
const UNHANDLED_REJECTION = 128;
const UNCAUGHT_EXCEPTION = 129;
const UNSETTLED_MODULE = 13;

// `global.gc`, as on Lambda. The flag for it, like any other flag of V8, would cost every start seven milliseconds,
// because Node.js then cannot use the code that it was compiled with.
function exposeGc() {
  if ('gc' in globalThis) {
    return; // `NODE_OPTIONS` may have the flag
  }
  Object.defineProperty(globalThis, 'gc', {
    configurable: true,
    get() {
      require('v8').setFlagsFromString('--expose-gc');
      const gc = require('vm').runInNewContext('gc');
      Object.defineProperty(globalThis, 'gc', { configurable: true, writable: true, value: gc });
      return gc;
    },
    set(value) {
      Object.defineProperty(globalThis, 'gc', { configurable: true, writable: true, value });
    },
  });
}

async function main() {
  exposeGc();
  logs.patchConsole();
  const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
  const invocations = new Invocations(api);
  let initFailed = false;
  const fail = (error, status) => {
    if (initFailed) {
      return; // the first one is being reported
    }
    if (invocations.started) {
      invocations.failAndExit(error, status);
    } else {
      initFailed = true;
      api.postInitError(failures.describe(error), () => process.exit(status));
    }
  };
  process.on('uncaughtException', (error) => {
    logs.logError('Uncaught Exception', error);
    fail(error, UNCAUGHT_EXCEPTION);
  });
  process.on('unhandledRejection', (reason) => {
    const error = new failures.UnhandledPromiseRejection(reason);
    logs.logError('Unhandled Promise Rejection', error);
    fail(error, UNHANDLED_REJECTION);
  });
  process.on('beforeExit', () => {
    if (invocations.started) {
      invocations.ranOutOfWork();
    } else {
      process.exitCode = UNSETTLED_MODULE;
    }
  });
  try {
    // Made here, so that this file stands as the one that asked for the function's module.
    const require = createRequire(__filename);
    const handler = await loader.load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER || '', require);
    // After whatever the module has left to do, so that a rejection in it still counts as a part of the init.
    setImmediate(() => {
      if (!initFailed) {
        invocations.serve(handler);
      }
    });
  } catch (error) {
    logs.logError('Uncaught Exception', error);
    fail(error, UNCAUGHT_EXCEPTION);
  }
}

main();
