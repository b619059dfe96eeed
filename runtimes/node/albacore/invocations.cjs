// One invocation after the other: the event, the context, the handler, its answer. Source: Lambda 2, 3.5, 5.8.

'use strict';

const failures = require('./failures.cjs');
const logs = require('./logs.cjs');

const JSON_TYPE = 'application/json';

class Invocations {
  constructor(api) {
    this.api = api;
    this.handler = null;
    this.started = false;
    // The one that runs.
    this.current = null;
  }

  serve(handler) {
    this.handler = handler;
    this.started = true;
    this.api.start((head, body) => this.begin(head, body));
  }

  begin(head, body) {
    const invocation = new Invocation(this, head);
    this.current = invocation;
    logs.follow(invocation);
    const traceId = head.get('lambda-runtime-trace-id');
    if (traceId) {
      process.env._X_AMZN_TRACE_ID = traceId;
    } else {
      delete process.env._X_AMZN_TRACE_ID;
    }
    // On a fresh stack, so that the traces of the handler's errors show the handler and not the way to it.
    const run = this.handler.isStreaming ? require('./streaming.cjs').run : Invocation.run;
    process.nextTick(run, invocation, body);
  }

  // An error that no handler caught. Nothing can be trusted after it, so the process ends.
  failAndExit(error, status) {
    const description = failures.describe(error);
    const exit = () => process.exit(status);
    if (this.current === null || !this.current.canPostError()) {
      exit();
      return;
    }
    const { requestId } = this.current;
    this.current = null;
    this.api.postLastError(requestId, failures.encode(description), description.errorType, exit);
  }

  // Nothing is left that could make the invocation go on.
  ranOutOfWork() {
    if (this.current !== null) {
      this.current.onEmptyLoop();
    }
  }
}

class Invocation {
  constructor(invocations, head) {
    this.invocations = invocations;
    this.api = invocations.api;
    this.handler = invocations.handler;
    this.head = head;
    this.requestId = head.get('lambda-runtime-aws-request-id');
    this.tenantId = head.get('lambda-runtime-aws-tenant-id');
    this.waitsForEmptyLoop = true;
    // Only the first call of `callback`, `done`, `succeed` and `fail` counts.
    this.settled = false;
    this.onEmptyLoop = () => this.neverSettled();
  }

  canPostError() {
    return true;
  }

  static run(invocation, body) {
    const succeed = (value) => invocation.once(() => invocation.succeed(value));
    const fail = (error) => invocation.once(() => invocation.fail(error));
    const { run, knowsCallbacks } = invocation.handler;
    try {
      const event = JSON.parse(body.toString('utf8'));
      const context = Object.assign(knowsCallbacks ? invocation.callbacks() : {}, invocation.contextData());
      const callback = (error, result) => invocation.once(() => invocation.called(error, result));
      const result = knowsCallbacks ? run(event, context, callback) : run(event, context);
      if (result && typeof result.then === 'function') {
        result.then(succeed, fail);
      } else if (!knowsCallbacks) {
        succeed(result);
      }
    } catch (error) {
      fail(error);
    }
  }

  once(settle) {
    if (!this.settled) {
      this.settled = true;
      settle();
    }
  }

  callbacks() {
    const invocation = this;
    const done = (error, result) => this.once(() => (isNothing(error) ? this.succeed(result) : this.fail(error)));
    return {
      get callbackWaitsForEmptyEventLoop() {
        return invocation.waitsForEmptyLoop;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        invocation.waitsForEmptyLoop = value;
      },
      succeed: (result) => done(null, result),
      fail: (error) => done(isNothing(error) ? 'handled' : error),
      done,
    };
  }

  contextData() {
    const variables = process.env;
    const { head } = this;
    const deadline = Number(head.get('lambda-runtime-deadline-ms'));
    return {
      functionVersion: variables.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: variables.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: variables.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: variables.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: variables.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: parsed(head.get('lambda-runtime-client-context'), 'ClientContext'),
      identity: parsed(head.get('lambda-runtime-cognito-identity'), 'CognitoIdentity'),
      invokedFunctionArn: head.get('lambda-runtime-invoked-function-arn'),
      awsRequestId: this.requestId,
      tenantId: this.tenantId,
      getRemainingTimeInMillis: () => deadline - Date.now(),
    };
  }

  // The callback was called.
  called(error, result) {
    if (!isNothing(error)) {
      this.fail(error);
    } else if (this.waitsForEmptyLoop) {
      this.onEmptyLoop = () => this.succeed(result);
    } else {
      this.succeed(result);
    }
  }

  // The loop is empty and the handler has not said that it is done.
  neverSettled() {
    this.settled = true;
    if (!this.handler.isAsync && this.handler.knowsCallbacks) {
      // It may have forgotten to call the callback.
      this.succeed(null);
      return;
    }
    this.fail(
      new failures.RuntimeError(
        'NodeJsExit',
        'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise ' +
          'that was never settled. For more information, see ' +
          'https://nodejs.org/docs/latest/api/process.html#exit-codes',
      ),
    );
  }

  succeed(result) {
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result);
    } catch {
      const message = 'Unable to stringify response body';
      this.fail(
        this.handler.knowsCallbacks ? new Error(message) : new failures.RuntimeError('JSONStringifyError', message),
      );
      return;
    }
    // Of a function, for example, there is no text.
    this.answer('response', text === undefined ? 'null' : text, undefined);
  }

  fail(error) {
    logs.logError('Invoke Error', error);
    const description = failures.describe(error);
    this.answer('error', failures.encode(description), description.errorType);
  }

  answer(kind, body, errorType) {
    this.finish();
    this.api.answer(this.requestId, kind, body, JSON_TYPE, errorType);
  }

  // From here on it is the next one's turn.
  finish() {
    this.onEmptyLoop = () => {};
    if (this.invocations.current === this) {
      this.invocations.current = null;
    }
  }
}

function isNothing(value) {
  return value === undefined || value === null;
}

function parsed(text, name) {
  if (text === undefined) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

module.exports = { Invocations };
