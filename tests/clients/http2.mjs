// Node's `http2`: streams at once, a stream that is given up, and a server that stops. The last test ends the server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import test from "node:test";

const { CA, HTTPS_PORT, SERVER_PID } = process.env;

function connect() {
  return http2.connect(`https://localhost:${HTTPS_PORT}`, { ca: readFileSync(CA) });
}

// Sends a request; `body` is undefined for a GET, and null for a stream that stays open.
function begin(session, path, body) {
  const method = body === undefined ? "GET" : "POST";
  const stream = session.request({ ":path": path, ":method": method, "content-type": "text/plain" });
  if (body !== null) stream.end(body);
  return stream;
}

async function finish(stream) {
  const [headers] = await once(stream, "response");
  let text = "";
  for await (const piece of stream) text += piece;
  return { status: headers[":status"], headers, text };
}

// ALB-H-021
test("the server allows 128 streams", async () => {
  const session = connect();
  if (session.remoteSettings.maxConcurrentStreams === undefined || session.connecting) {
    await once(session, "remoteSettings");
  }
  assert.equal(session.remoteSettings.maxConcurrentStreams, 128);
  assert.equal(session.alpnProtocol, "h2");
  session.close();
  await once(session, "close");
});

test("streams run at once and each gets its own answer", async () => {
  const session = connect();
  const bodies = Array.from({ length: 60 }, (_, number) => (number % 4 === 0 ? `body ${number}` : undefined));
  const answers = await Promise.all(
    bodies.map((body, number) => finish(begin(session, body ? `/echo/${number}` : `/fixed/${number}`, body))),
  );
  answers.forEach(({ status, text }, number) => {
    assert.equal(status, 200);
    if (bodies[number]) {
      const event = JSON.parse(text);
      assert.deepEqual([event.path, event.body], [`/echo/${number}`, bodies[number]]);
    } else {
      assert.equal(text, "fixed");
    }
  });
  session.close();
  await once(session, "close");
});

// ALB-L-034
test("a large body is refused and the connection serves on", async () => {
  const session = connect();
  assert.equal((await finish(begin(session, "/echo", Buffer.alloc(2_000_000)))).status, 413);
  assert.equal((await finish(begin(session, "/fixed"))).text, "fixed");
  session.close();
  await once(session, "close");
});

test("a stream that is reset leaves the others", async () => {
  const session = connect();
  const [given, kept] = [begin(session, "/echo", null), begin(session, "/echo", "kept")];
  given.on("error", () => {});
  given.close(http2.constants.NGHTTP2_CANCEL);
  assert.equal(JSON.parse((await finish(kept)).text).body, "kept");
  session.close();
  await once(session, "close");
});

test("a stop says goodbye and lets streams finish", async () => {
  const session = connect();
  const half = begin(session, "/echo", null);
  half.write("first ");
  assert.equal((await finish(begin(session, "/fixed"))).text, "fixed");
  const goodbye = once(session, "goaway");
  process.kill(Number(SERVER_PID), "SIGTERM");
  const [code] = await goodbye;
  assert.equal(code, http2.constants.NGHTTP2_NO_ERROR);
  half.end("and last");
  const { status, text } = await finish(half);
  assert.deepEqual([status, JSON.parse(text).body], [200, "first and last"]);
  if (!session.closed || !session.destroyed) await once(session, "close");
  const late = net.connect(Number(HTTPS_PORT), "127.0.0.1");
  const [error] = await once(late, "error");
  assert.equal(error.code, "ECONNREFUSED");
});
