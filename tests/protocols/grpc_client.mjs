// The client of `@grpc/grpc-js`, through albacore.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

const { CA, HTTPS_PORT, NODE_PACKAGES } = process.env;
const grpc = createRequire(`${NODE_PACKAGES}/`)("@grpc/grpc-js");

const same = (bytes) => bytes;
const soon = () => ({ deadline: Date.now() + 30_000 });
const client = new grpc.Client(`localhost:${HTTPS_PORT}`, grpc.credentials.createSsl(readFileSync(CA)), {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
});

// The answer and the trailers, which come last.
function unary(method, request, metadata = new grpc.Metadata(), options = soon()) {
  return new Promise((resolve, reject) => {
    let came;
    const call = client.makeUnaryRequest(
      `/test.Echo/${method}`, same, same, Buffer.from(request), metadata, options,
      (error, answer) => (error ? reject(error) : (came = answer)),
    );
    call.on("status", (status) => resolve({ answer: came, trailers: status.metadata }));
  });
}

async function all(stream) {
  const messages = [];
  for await (const message of stream) messages.push(message.toString());
  return messages;
}

// ALB-H-026
test("all kinds of calls", async () => {
  assert.equal((await unary("Unary", "hello")).answer.toString(), "hello");
  const down = client.makeServerStreamRequest("/test.Echo/Down", same, same, Buffer.from("20"), new grpc.Metadata(), soon());
  assert.deepEqual(await all(down), Array.from({ length: 20 }, (_, number) => `message ${number}`));
  const sum = await new Promise((resolve, reject) => {
    const up = client.makeClientStreamRequest("/test.Echo/Up", same, same, new grpc.Metadata(), soon(), (error, answer) =>
      error ? reject(error) : resolve(answer.toString()),
    );
    for (let number = 0; number < 100; number += 1) up.write(Buffer.alloc(number));
    up.end();
  });
  assert.equal(sum, "4950");
  const both = client.makeBidiStreamRequest("/test.Echo/Both", same, same, new grpc.Metadata(), soon());
  for (let number = 0; number < 30; number += 1) {
    both.write(Buffer.from(`question ${number}`));
    const [answer] = await once(both, "data");
    assert.equal(answer.toString(), `question ${number}`);
  }
  both.end();
  const [status] = await once(both, "status");
  assert.equal(status.code, grpc.status.OK);
});

test("metadata", async () => {
  const metadata = new grpc.Metadata();
  metadata.add("x-own", "text");
  metadata.add("x-own-bin", Buffer.from([0, 1, 254, 255]));
  const { trailers } = await unary("Unary", "", metadata);
  assert.deepEqual([trailers.get("x-own"), trailers.get("x-own-bin")], [["text"], [Buffer.from([0, 1, 254, 255])]]);
});

test("status codes", async () => {
  for (const [name, code] of Object.entries(grpc.status).filter(([, code]) => typeof code === "number" && code > 0)) {
    await assert.rejects(unary("Fail", `${name} because ü`), { code, details: "because ü" });
  }
});

test("deadlines and cancelling", async () => {
  await assert.rejects(unary("Slow", "", new grpc.Metadata(), { deadline: Date.now() + 300 }), {
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  assert.equal((await unary("WasCancelled", "")).answer.toString(), "yes");
  const stream = client.makeServerStreamRequest("/test.Echo/SlowStream", same, same, Buffer.alloc(0), new grpc.Metadata(), soon());
  await once(stream, "data");
  const ended = once(stream, "error");
  stream.cancel();
  assert.equal((await ended)[0].code, grpc.status.CANCELLED);
  assert.equal((await unary("WasCancelled", "")).answer.toString(), "yes");
});

test("large messages", async () => {
  const message = randomBytes(8 << 20);
  const { answer } = await unary("Unary", message);
  assert.ok(answer.equals(message));
});

test("many calls at once", async () => {
  const answers = await Promise.all(Array.from({ length: 300 }, (_, number) => unary("Unary", String(number))));
  assert.deepEqual(answers.map(({ answer }) => Number(answer)), Array.from({ length: 300 }, (_, number) => number));
  client.close();
});
