// Express behind @h4ad/serverless-adapter.
"use strict";

const { ServerlessAdapter } = require("@h4ad/serverless-adapter");
const { AlbAdapter } = require("@h4ad/serverless-adapter/adapters/aws");
const { ExpressFramework } = require("@h4ad/serverless-adapter/frameworks/express");
const { DefaultHandler } = require("@h4ad/serverless-adapter/handlers/default");
const { PromiseResolver } = require("@h4ad/serverless-adapter/resolvers/promise");
const application = require("./express_application.cjs");

exports.handler = ServerlessAdapter.new(application)
  .setFramework(new ExpressFramework())
  .setHandler(new DefaultHandler())
  .setResolver(new PromiseResolver())
  .addAdapter(new AlbAdapter())
  .build();
