// What every stock function of these tests does, behind the stock runtime client.

if (process.env.INIT === "fail") {
  throw new Error("told to fail at init");
}

export async function handler(event, context) {
  if (event.path === "/hello") {
    return answer("text/plain", `Hello from node ${context.functionName}`);
  }
  if (event.path === "/fail") {
    throw new RangeError("told to fail");
  }
  // The client hands over an object, which keeps the order of the document.
  return answer("application/json", JSON.stringify(event));
}

function answer(contentType, body) {
  return {
    statusCode: 200,
    headers: { "content-type": contentType },
    multiValueHeaders: { "content-type": [contentType] },
    body,
  };
}
