// AWS's SDK for JavaScript: another signer, another reader of XML, waiters, pages and typed errors.

import assert from "node:assert/strict";
import * as elb from "@aws-sdk/client-elastic-load-balancing-v2";
import * as lambda from "@aws-sdk/client-lambda";

const { ENDPOINT, ACCESS_KEY, SECRET_KEY } = process.env;
const settings = (secretAccessKey = SECRET_KEY) => ({
  endpoint: `http://${ENDPOINT}`,
  region: "us-east-1",
  credentials: { accessKeyId: ACCESS_KEY, secretAccessKey },
  maxAttempts: 1,
});
const client = new elb.ElasticLoadBalancingV2Client(settings());
const send = (command) => client.send(command);

const owned = (await send(new elb.DescribeLoadBalancersCommand({ Names: ["owned"] }))).LoadBalancers[0];
assert.ok(owned.CreatedTime instanceof Date);
const Subnets = owned.AvailabilityZones.map((zone) => zone.SubnetId);

const Tags = [{ Key: "größe + 1", Value: "a/b=c" }];
const made = (await send(new elb.CreateLoadBalancerCommand({ Name: "by-sdk", Subnets, Tags }))).LoadBalancers[0];
const LoadBalancerArn = made.LoadBalancerArn;
assert.equal(made.State.Code, "provisioning");
const waiting = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 };
const available = await elb.waitUntilLoadBalancerAvailable(waiting, { Names: ["by-sdk"] });
assert.equal(available.state, "SUCCESS");
const tagged = await send(new elb.DescribeTagsCommand({ ResourceArns: [LoadBalancerArn] }));
assert.deepEqual(tagged.TagDescriptions, [{ ResourceArn: LoadBalancerArn, Tags }]);

const fixed = (MessageBody) => [
  { Type: "fixed-response", FixedResponseConfig: { StatusCode: "200", ContentType: "text/plain", MessageBody } },
];
const listener = { LoadBalancerArn, Protocol: "HTTP", Port: 9001, DefaultActions: fixed("<default> & more") };
const { ListenerArn } = (await send(new elb.CreateListenerCommand(listener))).Listeners[0];
const status = await (await fetch(`http://${ENDPOINT}/_albacore/status`)).json();
const { socket } = status.listeners.find((it) => it.port === 9001);
assert.equal(await (await fetch(`http://${socket}/`)).text(), "<default> & more");
const described = await send(new elb.DescribeListenersCommand({ ListenerArns: [ListenerArn] }));
assert.equal(described.Listeners[0].DefaultActions[0].FixedResponseConfig.MessageBody, "<default> & more");

for (let Priority = 1; Priority <= 5; Priority += 1) {
  const Conditions = [{ Field: "query-string", QueryStringConfig: { Values: [{ Key: "p", Value: `${Priority}` }] } }];
  await send(new elb.CreateRuleCommand({ ListenerArn, Priority, Conditions, Actions: fixed(`${Priority}`) }));
}
assert.equal(await (await fetch(`http://${socket}/?p=3`)).text(), "3");
const seen = [];
for await (const page of elb.paginateDescribeRules({ client }, { ListenerArn, PageSize: 2 })) {
  assert.ok(page.Rules.length <= 2);
  seen.push(...page.Rules.map((rule) => rule.Priority));
}
assert.deepEqual(seen, ["1", "2", "3", "4", "5", "default"]);

const again = new elb.CreateListenerCommand({ ...listener, DefaultActions: fixed("other") });
await assert.rejects(send(again), (error) => {
  assert.ok(error instanceof elb.DuplicateListenerException, `${error}`);
  assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
  return error.$metadata.httpStatusCode === 400;
});
const stranger = new elb.ElasticLoadBalancingV2Client(settings("another-secret"));
await assert.rejects(stranger.send(new elb.DescribeAccountLimitsCommand({})), { name: "SignatureDoesNotMatch" });

await send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn }));
const gone = await elb.waitUntilLoadBalancersDeleted(waiting, { LoadBalancerArns: [LoadBalancerArn] });
assert.equal(gone.state, "SUCCESS");

const functions = new lambda.LambdaClient(settings());
const FunctionName = "arn:aws:lambda:us-east-1:000000000000:function:hello";
const answer = await functions.send(new lambda.InvokeCommand({ FunctionName, Payload: "{}" }));
assert.equal(JSON.parse(Buffer.from(answer.Payload).toString()).body, "hello");
const unknown = functions.send(new lambda.InvokeCommand({ FunctionName: "nobody" }));
await assert.rejects(unknown, lambda.ResourceNotFoundException);
