// A server of WebSockets, as the package `ws` has it. What it does with a message depends on the path.

import { createRequire } from "node:module";
import http from "node:http";

const { WebSocketServer } = createRequire(`${process.env.NODE_PACKAGES}/`)("ws");

const server = http.createServer((request, response) => {
  // What is no upgrade, or is none any more, shows what came.
  request.resume().on("end", () => response.end(JSON.stringify(request.headers)));
});
const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: 1 << 28,
  perMessageDeflate: {},
  handleProtocols: (offered) => ["chat.v2", "chat.v1"].find((known) => offered.has(known)) ?? false,
});
server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\nnot you\n");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (websocket) => serve(websocket, request, socket));
});

function serve(websocket, request, socket) {
  if (request.url === "/told") {
    websocket.send(JSON.stringify({ headers: request.headers, subprotocol: websocket.protocol || null }));
  }
  websocket.on("error", () => {});
  websocket.on("message", (data, isBinary) => {
    const text = () => data.toString();
    switch (request.url) {
      case "/close": {
        const [code, ...reason] = text().split(" ");
        websocket.close(Number(code), reason.join(" "));
        break;
      }
      case "/ping":
        websocket.once("pong", () => websocket.send("ponged"));
        websocket.ping(data);
        break;
      case "/fragments": {
        const count = Number(text());
        const all = "abcdef".repeat(1000);
        for (let at = 0; at < count; at += 1) {
          const piece = [...all].filter((_, index) => index % count === at).join("");
          websocket.send(piece, { fin: at === count - 1 });
        }
        break;
      }
      case "/die":
        socket.resetAndDestroy();
        break;
      case "/quiet":
        break;
      default:
        websocket.send(data, { binary: isBinary });
    }
  });
}

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
