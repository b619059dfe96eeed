// The page. Reading the file once, when the environment starts, is what makes every further request cheap.
const fs = require("node:fs");
const path = require("node:path");

const page = fs.readFileSync(path.join(__dirname, "index.html"), "utf8");

exports.handler = async () => ({
  statusCode: 200,
  headers: { "Content-Type": "text/html; charset=utf-8" },
  body: page,
});
