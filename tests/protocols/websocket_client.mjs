// The client of the package `ws`, through albacore: in clear text and over TLS.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import test from "node:test";

const { CA, ENDPOINT, HTTP_PORT, HTTPS_PORT, NODE_PACKAGES } = process.env;
const { WebSocket } = createRequire(`${NODE_PACKAGES}/`)("ws");
const SCHEMES = ["ws", "wss"];

function connect(scheme, path, options = {}, protocols = []) {
  const port = scheme === "wss" ? HTTPS_PORT : HTTP_PORT;
  const websocket = new WebSocket(`${scheme}://localhost:${port}${path}`, protocols, {
    ca: readFileSync(CA),
    maxPayload: 1 << 28,
    ...options,
  });
  // What comes before somebody waits for it.
  websocket.came = [];
  websocket.on("message", (data, isBinary) => websocket.came.push(isBinary ? data : data.toString()));
  return websocket;
}

async function opened(...parameters) {
  const websocket = connect(...parameters);
  await once(websocket, "open");
  return websocket;
}

async function next(websocket) {
  while (websocket.came.length === 0) await once(websocket, "message");
  return websocket.came.shift();
}

async function close(websocket) {
  const closed = once(websocket, "close");
  websocket.close(1000);
  return closed;
}

async function records(path) {
  const answer = await fetch(`http://${ENDPOINT}/_albacore/requests`);
  const { requests } = await answer.json();
  return requests.filter(({ request }) => request.split(" ")[1].endsWith(path));
}

async function recorded(path, count = 1) {
  for (;;) {
    const found = await records(path);
    if (found.length === count) return found;
    await new Promise(setImmediate);
  }
}

for (const scheme of SCHEMES) {
  // ALB-H-042
  test(`messages go both ways, ${scheme}`, async () => {
    const websocket = await opened(scheme, "/echo");
    for (const message of ["", "text", "löng ".repeat(20_000), Buffer.alloc(0), randomBytes(200_000)]) {
      websocket.send(message);
      assert.deepEqual(await next(websocket), message);
    }
    for (let number = 0; number < 200; number += 1) websocket.send(`message ${number}`);
    for (let number = 0; number < 200; number += 1) assert.equal(await next(websocket), `message ${number}`);
    await close(websocket);
  });

  test(`fragments arrive as one message, ${scheme}`, async () => {
    const websocket = await opened(scheme, "/echo", { perMessageDeflate: false });
    for (const [at, piece] of ["one ", "two ", "", "three"].entries()) websocket.send(piece, { fin: at === 3 });
    assert.equal(await next(websocket), "one two three");
    await close(websocket);
    const fragments = await opened(scheme, "/fragments");
    fragments.send("7");
    assert.equal((await next(fragments)).length, 6000);
    await close(fragments);
  });

  test(`pings and pongs of both sides, ${scheme}`, async () => {
    const websocket = await opened(scheme, "/ping");
    const pong = once(websocket, "pong");
    websocket.ping("are you there");
    assert.equal((await pong)[0].toString(), "are you there");
    websocket.send("is the client there");
    assert.equal(await next(websocket), "ponged");
    await close(websocket);
  });

  test(`codes and reasons of closing, ${scheme}`, async () => {
    for (const [code, reason] of [[1000, ""], [1001, "going"], [3000, "a reason"], [4999, "ü".repeat(60)]]) {
      const told = await opened(scheme, "/close");
      told.send(`${code} ${reason}`);
      const [found, why] = await once(told, "close");
      assert.deepEqual([found, why.toString()], [code, reason]);
      const says = await opened(scheme, "/echo");
      const closed = once(says, "close");
      says.close(code === 1001 ? 1000 : code, reason);
      assert.equal((await closed)[0], code === 1001 ? 1000 : code);
    }
  });

  test(`sixty-four megabytes, ${scheme}`, async () => {
    const message = randomBytes(64 << 20);
    const websocket = await opened(scheme, "/echo", { perMessageDeflate: false });
    websocket.send(message);
    const echoed = await next(websocket);
    const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
    assert.deepEqual([echoed.length, digest(echoed)], [message.length, digest(message)]);
    await close(websocket);
  });

  test(`deflate is agreed on by the two ends, ${scheme}`, async () => {
    const message = "the same again and again ".repeat(100_000);
    const websocket = await opened(scheme, `/deflated/${scheme}`, { perMessageDeflate: { threshold: 0 } });
    assert.match(websocket.extensions, /permessage-deflate/);
    for (let round = 0; round < 3; round += 1) {
      websocket.send(message);
      assert.equal(await next(websocket), message);
    }
    await close(websocket);
    const [record] = await recorded(`/deflated/${scheme}`);
    assert.ok(Number(record.received_bytes) < message.length / 10);
  });

  test(`subprotocols, ${scheme}`, async () => {
    const websocket = await opened(scheme, "/told", {}, ["none", "chat.v1"]);
    assert.equal(websocket.protocol, "chat.v1");
    assert.equal(JSON.parse(await next(websocket)).subprotocol, "chat.v1");
    await close(websocket);
  });

  test(`a refusal is an ordinary response, ${scheme}`, async () => {
    const websocket = connect(scheme, "/refused");
    websocket.on("error", () => {});
    const [, response] = await once(websocket, "unexpected-response");
    let text = "";
    for await (const piece of response) text += piece;
    assert.deepEqual([response.statusCode, text], [403, "not you\n"]);
    websocket.terminate();
  });

  // ALB-H-043
  test(`the log has one line at the end, ${scheme}`, async () => {
    const path = `/logged/${scheme}`;
    const websocket = await opened(scheme, path, { perMessageDeflate: false });
    websocket.send("x".repeat(10_000));
    await next(websocket);
    assert.deepEqual(await records(path), []);
    await close(websocket);
    const [record] = await recorded(path);
    assert.deepEqual([record.type, record.elb_status_code], [scheme, "101"]);
    assert.ok(Number(record.received_bytes) > 10_000 && Number(record.sent_bytes) > 10_000);
  });

  test(`a target that dies, ${scheme}`, async () => {
    const websocket = await opened(scheme, "/die");
    websocket.on("error", () => {});
    websocket.send("now");
    assert.equal((await once(websocket, "close"))[0], 1006);
  });
}

// Whatever else a client wants to become, its target is not asked.
test("other upgrades go no further", async () => {
  for (const [upgrade, connection] of [["h2c", "Upgrade, HTTP2-Settings"], ["TLS/1.2", "Upgrade"], ["websockets", "upgrade"]]) {
    const request = http.get({
      port: HTTP_PORT,
      path: "/plain",
      headers: { Upgrade: upgrade, Connection: connection, "HTTP2-Settings": "AAMAAABkAAQAAP__" },
    });
    const [response] = await once(request, "response");
    let text = "";
    for await (const piece of response) text += piece;
    // What is no handshake is answered 426 by one of the servers.
    assert.equal(response.statusCode, process.env.SHOWS_HEADERS ? 200 : 426);
    if (process.env.SHOWS_HEADERS) {
      const headers = JSON.parse(text);
      assert.equal(headers.upgrade, undefined, upgrade);
      assert.doesNotMatch(headers.connection ?? "", /upgrade/i, upgrade);
    }
  }
});

// HTTP/2 by its preface in clear text is no protocol of a listener (ALB 4.1), nor is an upgrade of what is no GET.
test("what is no handshake opens nothing", async () => {
  const socket = net.connect(Number(HTTP_PORT), "localhost");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  let text = "";
  for await (const piece of socket) text += piece;
  assert.match(text, /^HTTP\/1\.1 (400|505) /);
});
