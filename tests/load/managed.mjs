// The same for a managed runtime: the first part of the path says what to do.

export async function handler(event) {
  if (event.path.startsWith("/node-rejecting/")) {
    throw new Error("told to fail");
  }
  if (event.path.startsWith("/node-exiting/")) {
    process.exit(1);
  }
  return { statusCode: 200, headers: { "content-type": "text/plain" }, body: event.path };
}
