// A server of gRPC, as the package `@grpc/grpc-js` has it: bytes in, bytes out, all four kinds of calls.

import { createRequire } from "node:module";

const grpc = createRequire(`${process.env.NODE_PACKAGES}/`)("@grpc/grpc-js");

const same = (bytes) => bytes;
// Calls that were slow and have been cancelled, and who waits for one.
let cancelled = 0;
const waiting = [];

function heardOfIt() {
  const who = waiting.shift();
  if (who) who();
  else cancelled += 1;
}

// What the client said of its own comes back, before and behind the answer.
function told(call) {
  const [before, behind] = [new grpc.Metadata(), new grpc.Metadata()];
  for (const key of Object.keys(call.metadata.getMap()).filter((name) => name.startsWith("x-own"))) {
    const bin = key.endsWith("-bin") ? "-bin" : "";
    for (const value of call.metadata.get(key)) {
      before.add(`${key.replace(/-bin$/, "")}-before${bin}`, value);
      behind.add(key, value);
    }
  }
  call.sendMetadata(before);
  return behind;
}

const unary = (call, callback) => callback(null, call.request, told(call));

function up(call, callback) {
  let sum = 0;
  call.on("data", (piece) => (sum += piece.length));
  call.on("end", () => callback(null, Buffer.from(String(sum))));
}

function down(call) {
  const count = Number(call.request.toString());
  for (let number = 0; number < count; number += 1) call.write(Buffer.from(`message ${number}`));
  call.end();
}

function both(call) {
  call.on("data", (piece) => call.write(piece));
  call.on("end", () => call.end());
}

function fail(call, callback) {
  const [name, ...message] = call.request.toString().split(" ");
  const metadata = new grpc.Metadata();
  metadata.set("x-why-bin", Buffer.from([0, 255]));
  callback({ code: grpc.status[name], details: message.join(" "), metadata });
}

// Never answered: its client loses patience.
const slow = (call) => call.on("cancelled", heardOfIt);

function slowStream(call) {
  call.on("cancelled", heardOfIt);
  call.write(Buffer.from("first"));
}

// Waits until a call that was slow has been cancelled.
function wasCancelled(_, callback) {
  const yes = () => callback(null, Buffer.from("yes"));
  if (cancelled > 0) {
    cancelled -= 1;
    yes();
  } else waiting.push(yes);
}

// The client has what it says when it dies.
function die(call) {
  call.write(Buffer.from("first"));
  call.once("data", () => process.exit(1));
}

function service(name, methods) {
  const definitions = Object.entries(methods).map(([method, [kind]]) => [
    method,
    {
      path: `/${name}/${method}`,
      requestStream: kind === "up" || kind === "both",
      responseStream: kind === "down" || kind === "both",
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  ]);
  const handlers = Object.entries(methods).map(([method, [, handler]]) => [method, handler]);
  server.addService(Object.fromEntries(definitions), Object.fromEntries(handlers));
}

const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
service("test.Echo", {
  Unary: ["unary", unary],
  Compressed: ["unary", unary],
  Up: ["up", up],
  Down: ["down", down],
  Both: ["both", both],
  Fail: ["unary", fail],
  Slow: ["unary", slow],
  SlowStream: ["down", slowStream],
  WasCancelled: ["unary", wasCancelled],
  Die: ["both", die],
});
// SERVING
service("grpc.health.v1.Health", { Check: ["unary", (_, callback) => callback(null, Buffer.from([8, 1]))] });
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
