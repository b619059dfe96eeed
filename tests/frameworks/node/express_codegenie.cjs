// Express behind @codegenie/serverless-express.
"use strict";

const serverlessExpress = require("@codegenie/serverless-express");
const application = require("./express_application.cjs");

exports.handler = serverlessExpress({ app: application });
