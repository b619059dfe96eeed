// A target of load tests: node target.mjs PROTOCOL [CERTIFICATE KEY], where PROTOCOL is http, https or http2. It says its
// port, and ends well when it is told to. What it answers tells which request it answers.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";

const [protocol, certificate, key] = process.argv.slice(2);
const tls = certificate && { cert: readFileSync(certificate), key: readFileSync(key) };

// Byte number i of a download is i modulo 251.
const PATTERN = Buffer.from(Array.from({ length: 251 * 64 }, (_, index) => index % 251));

function download(response, length) {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": length });
  let sent = 0;
  const more = () => {
    while (sent < length) {
      const piece = PATTERN.subarray(0, Math.min(PATTERN.length, length - sent));
      sent += piece.length;
      if (!response.write(piece)) {
        response.once("drain", more);
        return;
      }
    }
    response.end();
  };
  more();
}

function upload(request, response) {
  let count = 0;
  request.on("data", (piece) => (count += piece.length));
  request.on("end", () => response.end(`${request.url} ${count}`));
}

function serve(request, response) {
  const [, , what, number] = request.url.split("/");
  if (request.url === "/healthz") {
    response.end("healthy");
  } else if (what === "download") {
    download(response, Number(number));
  } else if (what === "echo") {
    // Both bodies at once.
    response.writeHead(200, { "content-type": "application/octet-stream" });
    request.pipe(response);
  } else if (request.method === "POST") {
    upload(request, response);
  } else {
    response.end(request.url);
  }
}

// After the handshake of a WebSocket everything comes back.
function upgrade(request, socket) {
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + guid).digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write(`${head.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.on("error", () => {});
  socket.pipe(socket);
}

const server = {
  http: () => http.createServer(serve),
  https: () => https.createServer(tls, serve),
  http2: () => http2.createServer(serve),
}[protocol]();
// Longer than the load balancer keeps a connection that nobody uses: it is the one to close.
server.keepAliveTimeout = 600_000;
server.on("upgrade", upgrade);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
// Requests that run are answered; connections that wait for one are closed.
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  // Sessions of HTTP/2 do not end by themselves.
  if (protocol === "http2") {
    setTimeout(() => process.exit(0), 1_000);
  }
});
