// Without headers: serverless-offline's ALB mode does not survive an answer that has them.
exports.handler = async () => ({ statusCode: 200, body: "hello" });
