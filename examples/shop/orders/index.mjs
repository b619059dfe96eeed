// Orders: list them, read one, place one. An Application Load Balancer turns the returned object into an HTTP response.

// Module state lives as long as the execution environment, and every environment has its own. A real shop asks a database.
const orders = new Map([[1, { id: 1, item: "teapot" }]]);

export const handler = async (event) => {
  const id = event.path.match(/^\/orders\/(\d+)$/)?.[1];
  if (id !== undefined) {
    const order = orders.get(Number(id));
    return order ? json(200, order) : json(404, { error: `there is no order ${id}` });
  }
  if (event.path !== "/orders") {
    return json(404, { error: "not found" });
  }
  switch (event.httpMethod) {
    case "GET":
      return json(200, [...orders.values()]);
    case "POST":
      return place(event);
    default:
      return json(405, { error: "GET or POST" }, { Allow: "GET, POST" });
  }
};

function place(event) {
  let order;
  try {
    order = JSON.parse(bodyOf(event));
  } catch {
    return json(400, { error: "the body is not JSON" });
  }
  if (typeof order?.item !== "string") {
    return json(400, { error: "`item` is missing" });
  }
  const placed = { id: orders.size + 1, item: order.item };
  orders.set(placed.id, placed);
  console.log("placed", placed);
  return json(201, placed, { Location: `/orders/${placed.id}` });
}

// Only text, JSON, JavaScript and XML come as they are; a body of any other content type comes in base64.
function bodyOf(event) {
  return event.isBase64Encoded ? Buffer.from(event.body, "base64").toString("utf8") : event.body;
}

function json(statusCode, document, headers = {}) {
  return {
    statusCode,
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(document),
  };
}
