// A target of HTTP/2 in clear text: reads what comes and answers.

import http2 from "node:http2";

const server = http2.createServer((request, response) => {
  request.resume().on("end", () => response.end("hello"));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
