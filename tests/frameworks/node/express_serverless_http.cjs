// Express behind serverless-http.
"use strict";

const serverless = require("serverless-http");
const application = require("./express_application.cjs");

exports.handler = (serverless.default ?? serverless)(application, { binary: ["image/png"] });
