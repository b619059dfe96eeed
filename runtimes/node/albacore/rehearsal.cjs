// What an interpreter does that waits for a function: everything once that a function's first invocation takes, with
// functions of its own and a Runtime API of its own, so that the engine has compiled it and Node.js has loaded what it needs.
//
// It leaves nothing that a function could see: no module, no variable, no handle, and no word in the log.

'use strict';

const net = require('net');
const path = require('path');
const loader = require('./loader.cjs');
const logs = require('./logs.cjs');
const { Invocations } = require('./invocations.cjs');
const { RuntimeApi } = require('./api.cjs');

const HOST = '127.0.0.1';
const FOLDER = path.join(__dirname, 'rehearsal');
// In a moment it is over, or something is wrong here, and then functions start more slowly.
const TIME_MAX_MS = 2000;

const EVENT = '{"headers":{}}';
const HEAD = [
  'HTTP/1.1 200 OK',
  'Content-Type: application/json',
  'Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-000000000000',
  'Lambda-Runtime-Deadline-Ms: 4102444800000',
  'Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:rehearsal',
  'Lambda-Runtime-Trace-Id: Root=1-00000000-000000000000000000000000',
  `Content-Length: ${EVENT.length}`,
];
const RESPONSE = `${HEAD.join('\r\n')}\r\n\r\n${EVENT}`;
const ACCEPTED = 'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n';

async function rehearse(require) {
  const handlers = [];
  for (const name of ['script.handler', 'module.handler']) {
    handlers.push(await loader.load(FOLDER, name, require));
  }
  const server = net.createServer();
  const ended = new Promise((resolve) => server.once('close', resolve));
  const alarm = setTimeout(() => server.close(), TIME_MAX_MS);
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, HOST, resolve));
  const api = new RuntimeApi(`${HOST}:${server.address().port}`);
  server.on('connection', (socket) => answer(socket, () => end(api, server)));
  const invocations = new Invocations(api);
  invocations.serve(handlers[0]);
  await ended;
  clearTimeout(alarm);
  forget(require);
}

// One event, and the end when its answer has come.
function answer(socket, done) {
  let hasAsked = false;
  socket.on('data', () => {
    if (hasAsked) {
      socket.write(ACCEPTED, done);
      return;
    }
    hasAsked = true;
    socket.write(RESPONSE);
  });
  socket.on('error', done);
}

function end(api, server) {
  api.onEvent = null;
  if (api.socket !== null) {
    api.socket.once('close', () => server.close());
    api.socket.destroy();
  }
}

function forget(require) {
  const isOwn = (file) => file === __filename || file.startsWith(FOLDER + path.sep);
  Object.keys(require.cache).filter(isOwn).forEach((file) => delete require.cache[file]);
  for (const parent of Object.values(require.cache)) {
    parent.children = parent.children.filter((child) => !isOwn(child.filename));
  }
  delete globalThis.awslambda;
  delete process.env._X_AMZN_TRACE_ID;
  logs.follow({});
}

module.exports = { rehearse };
