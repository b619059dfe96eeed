// A target of HTTP/1.1: reads what comes and answers.

import http from "node:http";

const server = http.createServer((request, response) => {
  request.resume().on("end", () => response.end("hello"));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
