// Fastify behind @fastify/aws-lambda, as an ES module.

import cookie from "@fastify/cookie";
import formbody from "@fastify/formbody";
import awsLambdaFastify from "@fastify/aws-lambda";
import fastify from "fastify";
import image from "./image.cjs";

const list = (value) => (value === undefined ? [] : [value].flat());

function application() {
  const application = fastify();
  application.register(cookie);
  application.register(formbody);
  application.addContentTypeParser("image/png", { parseAs: "buffer" }, (request, body, done) => done(null, body));

  application.get("/hello", async (request, reply) => reply.type("text/plain").send("hello"));
  application.get("/items/:id", async (request) => {
    return { id: request.params.id, tags: list(request.query.tag), q: request.query.q ?? null };
  });
  application.delete("/items/:id", async (request, reply) => reply.code(204).send());
  application.get("/cookies", async (request) => request.cookies);
  application.get("/set-cookie", async (request, reply) => {
    return reply.setCookie("session", "abc", { path: "/", httpOnly: true }).type("text/plain").send("one");
  });
  application.get("/set-cookies", async (request, reply) => {
    reply.setCookie("session", "abc", { path: "/", httpOnly: true }).setCookie("theme", "dark", { path: "/" });
    return reply.type("text/plain").send("two");
  });
  application.get("/image", async (request, reply) => reply.type("image/png").send(image.IMAGE));
  application.post("/image", async (request, reply) => reply.type("image/png").send(request.body));
  application.get("/moved", async (request, reply) => reply.redirect("/hello?from=moved"));
  application.post("/json", async (request) => ({ got: request.body }));
  application.post("/form", async (request) => ({ name: request.body.name, tags: list(request.body.tag) }));
  return application;
}

const binaryMimeTypes = ["image/png"];
export const handler = awsLambdaFastify(application(), { binaryMimeTypes });
// The adapter wants to be told of target groups with multi-value headers.
export const multi = awsLambdaFastify(application(), { binaryMimeTypes, albMultiValueHeaders: true });
