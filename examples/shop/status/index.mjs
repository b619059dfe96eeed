// What stands behind api.shop.localhost. With HTTPS the load balancer says so in `x-forwarded-proto`.
export const handler = async (event, context) => ({
  statusCode: 200,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({
    function: context.functionName,
    host: event.headers.host,
    protocol: event.headers["x-forwarded-proto"],
  }),
});
