// Hono behind the adapter that it brings, as an ES module.

import { Hono } from "hono";
import { handle } from "hono/aws-lambda";
import { getCookie, setCookie } from "hono/cookie";
import image from "./image.cjs";

const application = new Hono();
application.get("/hello", (context) => context.text("hello"));
application.get("/items/:id", (context) => {
  const { req } = context;
  return context.json({ id: req.param("id"), tags: req.queries("tag") ?? [], q: req.query("q") ?? null });
});
application.delete("/items/:id", (context) => context.body(null, 204));
application.get("/cookies", (context) => context.json(getCookie(context)));
application.get("/set-cookie", (context) => {
  setCookie(context, "session", "abc", { path: "/", httpOnly: true });
  return context.text("one");
});
application.get("/set-cookies", (context) => {
  setCookie(context, "session", "abc", { path: "/", httpOnly: true });
  setCookie(context, "theme", "dark", { path: "/" });
  return context.text("two");
});
application.get("/image", (context) => context.body(image.IMAGE, 200, { "content-type": "image/png" }));
application.post("/image", async (context) => {
  return context.body(await context.req.arrayBuffer(), 200, { "content-type": "image/png" });
});
application.get("/moved", (context) => context.redirect("/hello?from=moved"));
application.post("/json", async (context) => context.json({ got: await context.req.json() }));
application.post("/form", async (context) => {
  const fields = await context.req.parseBody({ all: true });
  return context.json({ name: fields.name, tags: [fields.tag ?? []].flat() });
});

export const handler = handle(application);
