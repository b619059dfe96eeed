// CloudWatch with AWS's SDK for JavaScript: the protocol that it prefers, pages and typed errors.

import assert from "node:assert/strict";
import * as cw from "@aws-sdk/client-cloudwatch";

const { ENDPOINT, ACCESS_KEY, SECRET_KEY } = process.env;
const client = new cw.CloudWatchClient({
  endpoint: `http://${ENDPOINT}`,
  region: "us-east-1",
  credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  maxAttempts: 1,
});
const send = (command) => client.send(command);

const minute = 60_000;
const now = new Date(Math.floor(Date.now() / minute) * minute);
const ago = (minutes) => new Date(now.getTime() - minutes * minute);

const Dimensions = [{ Name: "Kind", Value: "tea" }];
const MetricData = [0, 1, 2].map((it) => ({ MetricName: "Sold", Dimensions, Value: it + 0.5, Unit: "Count", Timestamp: ago(it) }));
await send(new cw.PutMetricDataCommand({ Namespace: "Shop", MetricData }));
// Enough for the SDK to pack it.
const many = Array.from({ length: 500 }, (_, it) => ({ MetricName: `Packed${it}`, Value: it, Dimensions }));
await send(new cw.PutMetricDataCommand({ Namespace: "Packed", MetricData: many }));

const listed = await send(new cw.ListMetricsCommand({ Namespace: "Shop" }));
assert.deepEqual(listed.Metrics, [{ Namespace: "Shop", MetricName: "Sold", Dimensions }]);
let count = 0;
for await (const page of cw.paginateListMetrics({ client }, { Namespace: "Packed" })) count += page.Metrics.length;
assert.equal(count, 500);

const MetricStat = { Metric: { Namespace: "Shop", MetricName: "Sold", Dimensions }, Period: 60, Stat: "Sum" };
const range = { StartTime: ago(10), EndTime: ago(-1) };
const MetricDataQueries = [{ Id: "sold", MetricStat }];
const { MetricDataResults } = await send(new cw.GetMetricDataCommand({ MetricDataQueries, ...range }));
assert.deepEqual(MetricDataResults[0].Values, [0.5, 1.5, 2.5]);
assert.deepEqual(MetricDataResults[0].Timestamps, [ago(0), ago(1), ago(2)]);
assert.equal(MetricDataResults[0].StatusCode, "Complete");
const paged = [];
for await (const page of cw.paginateGetMetricData({ client }, { MetricDataQueries, ...range, MaxDatapoints: 2 })) {
  for (const result of page.MetricDataResults) paged.push(...result.Values);
}
assert.deepEqual(paged, [0.5, 1.5, 2.5]);

const statistics = { Namespace: "Shop", MetricName: "Sold", Dimensions, ...range, Period: 600 };
const { Datapoints } = await send(new cw.GetMetricStatisticsCommand({ ...statistics, Statistics: ["Average", "Maximum"] }));
assert.deepEqual(Datapoints.map((it) => [it.Average, it.Maximum, it.Unit]), [[2, 2.5, "Count"], [0.5, 0.5, "Count"]]);

await assert.rejects(send(new cw.GetMetricStatisticsCommand(statistics)), (error) => {
  assert.ok(error instanceof cw.InvalidParameterCombinationException, `${error}`);
  assert.match(error.message, /either Statistics or ExtendedStatistics/);
  assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
  return error.$metadata.httpStatusCode === 400;
});
await assert.rejects(send(new cw.PutMetricAlarmCommand({ AlarmName: "a" })), (error) => {
  return error.$metadata.httpStatusCode === 501 && error.message.includes("PutMetricAlarm");
});
assert.deepEqual((await send(new cw.DescribeAlarmsCommand({}))).MetricAlarms, []);
