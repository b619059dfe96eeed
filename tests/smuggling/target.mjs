// A target on Node's parser, which is told to be lenient: node target.mjs LOG. It says its port, answers each request with
// its method and URL, and writes each request that it saw to the log, a JSON document a line.

import { appendFileSync } from "node:fs";
import http from "node:http";

const [log] = process.argv.slice(2);
const write = (seen) => appendFileSync(log, `${JSON.stringify(seen)}\n`);

const server = http.createServer({ insecureHTTPParser: true, keepAliveTimeout: 600_000 }, (request, response) => {
  write({ method: request.method, target: request.url });
  request.on("error", () => {}); // its body breaks off
  request.on("end", () => response.end(`${request.method} ${request.url}`));
  request.resume();
});
// An upgrade that nobody serves here is answered as any request.
server.on("upgrade", (request, socket) => {
  write({ method: request.method, target: request.url });
  socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
server.on("clientError", (error, socket) => {
  if (error.code !== "ECONNRESET") {
    write({ refused: error.code });
  }
  socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
