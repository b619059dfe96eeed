// Node's `https`: certificates by server name, agents that keep connections, sessions that are resumed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import https from "node:https";
import test from "node:test";

const { CA, HTTPS_PORT, LOCAL_CA } = process.env;

function get(path, options) {
  return new Promise((resolve, reject) => {
    const request = https.get({ host: "127.0.0.1", port: HTTPS_PORT, path, timeout: 30_000, ...options }, (answer) => {
      const { socket } = answer;
      const names = socket.getPeerCertificate().subjectaltname;
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("error", reject);
      answer.on("end", () => {
        const body = Buffer.concat(pieces).toString();
        resolve({ status: answer.statusCode, body, socket, names, protocol: socket.getProtocol() });
      });
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", reject);
  });
}

test("the server name chooses the certificate", async () => {
  const named = await get("/fixed", { servername: "shop.localhost", ca: readFileSync(LOCAL_CA), agent: false });
  assert.equal(named.status, 200);
  assert.match(named.names, /DNS:shop\.localhost/);
  assert.equal(named.protocol, "TLSv1.3");
  const byDefault = await get("/fixed", { servername: "localhost", ca: readFileSync(CA), agent: false });
  assert.match(byDefault.names, /DNS:rsa\.localhost/);
});

// ALB-X-001
test("an unknown server name gets the default certificate", async () => {
  const unknown = { servername: "unknown.example", ca: readFileSync(CA), agent: false };
  await assert.rejects(get("/fixed", unknown), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  const looked = await get("/fixed", { ...unknown, checkServerIdentity: () => undefined });
  assert.match(looked.names, /DNS:rsa\.localhost/);
});

test("an agent keeps its connection", async () => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const options = { servername: "shop.localhost", ca: readFileSync(LOCAL_CA), agent };
  const first = await get("/fixed", options);
  for (let number = 0; number < 5; number += 1) {
    assert.equal((await get("/echo", options)).socket, first.socket);
  }
  agent.destroy();
});

test("a session is resumed", async () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
    // The agent keeps sessions but no connections.
    const agent = new https.Agent({ keepAlive: false });
    const options = { servername: "shop.localhost", ca: readFileSync(LOCAL_CA), agent, maxVersion };
    const first = await get("/fixed", options);
    assert.equal(first.socket.isSessionReused(), false);
    const second = await get("/fixed", options);
    assert.notEqual(second.socket, first.socket);
    assert.equal(second.protocol, maxVersion);
    assert.equal(second.socket.isSessionReused(), true, `${maxVersion} was not resumed`);
    agent.destroy();
  }
});
