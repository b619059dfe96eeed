// The application in Express, which does what every application of these tests does.
"use strict";

const cookieParser = require("cookie-parser");
const express = require("express");
const { IMAGE } = require("./image.cjs");

const application = express();
application.use(cookieParser());
application.use(express.json());
application.use(express.urlencoded({ extended: false }));
application.use(express.raw({ type: "image/png" }));

const list = (value) => (value === undefined ? [] : [value].flat());

application.get("/hello", (request, response) => {
  response.type("text/plain").send("hello");
});
application.get("/items/:id", (request, response) => {
  response.json({ id: request.params.id, tags: list(request.query.tag), q: request.query.q ?? null });
});
application.delete("/items/:id", (request, response) => {
  response.status(204).end();
});
application.get("/cookies", (request, response) => {
  response.json(request.cookies);
});
application.get("/set-cookie", (request, response) => {
  response.cookie("session", "abc", { httpOnly: true }).type("text/plain").send("one");
});
application.get("/set-cookies", (request, response) => {
  response.cookie("session", "abc", { httpOnly: true }).cookie("theme", "dark").type("text/plain").send("two");
});
application.get("/image", (request, response) => {
  response.type("image/png").send(IMAGE);
});
application.post("/image", (request, response) => {
  response.type("image/png").send(request.body);
});
application.get("/moved", (request, response) => {
  response.redirect("/hello?from=moved");
});
application.post("/json", (request, response) => {
  response.json({ got: request.body });
});
application.post("/form", (request, response) => {
  response.json({ name: request.body.name, tags: list(request.body.tag) });
});
// The framework's own answer looks at the connection, and @codegenie/serverless-express imitates none.
application.use((request, response) => {
  response.status(404).type("text/plain").send("nothing here");
});

module.exports = application;
