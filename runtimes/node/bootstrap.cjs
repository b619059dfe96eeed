// Runs one Node.js function: what `/var/runtime/index.mjs` is on Lambda. Written for Node.js 16 and later.
//
// From the start of the interpreter to the first request for an event.

'use strict';

const fs = require('fs');
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

// Names the descriptor that says what this interpreter is for, if that was not known when it was started.
const ASSIGNMENT = '_ALBACORE_ASSIGNMENT_FD';

// Takes over the folder and the variables of a function: each ends with a zero byte, and before them is their count. From
// here on nothing may show that the interpreter is older than its function.
function waitForAssignment(descriptor) {
  const received = fs.readFileSync(descriptor).toString('latin1');
  fs.closeSync(descriptor);
  const [count, ...parts] = received.split('\0');
  const rest = parts.pop();
  if (rest === undefined || parts.length === 0 || Number(count) !== parts.length) {
    process.exit(0); // whoever started this has no use for it any more
  }
  const [folder, ...variables] = parts.map((part) => Buffer.from(part, 'latin1').toString('utf8'));
  const wanted = new Map(variables.map((variable) => {
    const at = variable.indexOf('=');
    return [variable.slice(0, at), variable.slice(at + 1)];
  }));
  // Not the time zone, which is the same: when it goes or comes, Node.js looks for the host's among all that there are, and
  // that takes longer than all the rest of a start.
  const isKept = (name) => name === 'TZ' && wanted.get(name) === process.env[name];
  Object.keys(process.env).forEach((name) => isKept(name) || delete process.env[name]);
  for (const [name, value] of wanted) {
    if (!isKept(name)) {
      process.env[name] = value;
    }
  }
  process.chdir(folder);
}

async function main() {
  if (ASSIGNMENT in process.env) {
    try {
      await require('./albacore/rehearsal.cjs').rehearse(require);
    } catch {
      // Functions start more slowly then, and say why if they cannot start at all.
    }
    waitForAssignment(Number(process.env[ASSIGNMENT]));
  }
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
