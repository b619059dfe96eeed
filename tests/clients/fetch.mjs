// Node's `fetch`: connections that are kept, bodies, redirects, and an authority from NODE_EXTRA_CA_CERTS.

import assert from "node:assert/strict";
import test from "node:test";

const { ENDPOINT, HTTP_PORT, HTTPS_PORT } = process.env;
const http = `http://localhost:${HTTP_PORT}`;
const https = `https://localhost:${HTTPS_PORT}`;

// The records of requests, once there are as many as expected: a record is written just after its answer was sent.
async function recordsOf(path, number) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const { requests } = await (await fetch(`http://${ENDPOINT}/_albacore/requests`)).json();
    const found = requests.filter((record) => record.request.includes(path));
    if (found.length >= number) return found;
  }
  throw new Error(`not ${number} requests for ${path} are recorded`);
}

test("connections are kept", async () => {
  for (const origin of [http, https]) {
    const path = `/kept/${new URL(origin).protocol.replace(":", "")}`;
    for (let number = 0; number < 10; number += 1) {
      const answer = await fetch(`${origin}${path}?${number}`);
      assert.equal(answer.status, 200);
      assert.equal((await answer.json()).path, path);
    }
    const records = await recordsOf(path, 10);
    // Two at most: a body is read before its connection is free again, and the next request may not wait for that.
    const ports = new Set(records.map((record) => record["client:port"]));
    assert.ok(ports.size <= 2, `${ports.size} connections for 10 requests`);
  }
});

test("a body is sent and read", async () => {
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  const sent = JSON.stringify({ city: "Zürich" });
  const event = await (await fetch(`${https}/body`, { method: "POST", headers, body: sent })).json();
  assert.equal(event.body, sent);
  assert.equal(event.isBase64Encoded, false);
  assert.equal(event.headers["x-forwarded-proto"], "https");

  const stream = new Blob(["a", "b", "c"]).stream();
  const streamed = await fetch(`${http}/body`, { method: "PUT", headers: { "Content-Type": "text/plain" }, body: stream, duplex: "half" });
  assert.equal((await streamed.json()).body, "abc");
});

test("a redirect is shown or followed", async () => {
  const shown = await fetch(`${http}/secure/a?b=c`, { redirect: "manual" });
  assert.equal(shown.status, 302);
  assert.equal(shown.headers.get("location"), `${https}/secure/a?b=c`);
  const followed = await fetch(`${http}/secure/a?b=c`);
  assert.ok(followed.redirected);
  assert.deepEqual((await followed.json()).queryStringParameters, { b: "c" });
});

test("answers without a body", async () => {
  for (const status of [204, 304]) {
    const answer = await fetch(`${https}/status/${status}`);
    assert.equal(answer.status, status);
    assert.equal(await answer.text(), "");
  }
});

test("a request that is given up frees its client", async () => {
  const given = new AbortController();
  const answer = fetch(`${http}/wait`, { signal: given.signal });
  given.abort();
  await assert.rejects(answer, { name: "AbortError" });
  assert.equal(await (await fetch(`${http}/fixed`)).text(), "fixed");
});
