"""Functions in Node.js call AWS's APIs through their doors, with AWS's SDK for JavaScript as it is, which is told nothing."""

import io
import json
import os
import zipfile

from aws import POLLS, client, equal, run

ACCOUNT = "000000000000"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}})
# What the function does not use.
LEFT_OUT = ("client-cloudwatch", "client-elastic-load-balancing-v2")
HANDLER = """
import { LambdaClient, InvokeCommand, InvokeWithResponseStreamCommand } from "@aws-sdk/client-lambda";
const client = new LambdaClient({});
const text = (bytes) => new TextDecoder().decode(bytes);

export const handler = async (event) => {
  if (!event.calls) return { doubled: 2 * event.number };
  const FunctionName = event.calls;
  const Payload = JSON.stringify({ number: 21 });
  try {
    if (!event.streams) {
      const answer = await client.send(new InvokeCommand({ FunctionName, Payload }));
      return { status: answer.StatusCode, answer: JSON.parse(text(answer.Payload)) };
    }
    const answer = await client.send(new InvokeWithResponseStreamCommand({ FunctionName, Payload }));
    let whole = "";
    for await (const it of answer.EventStream) whole += text(it.PayloadChunk?.Payload ?? new Uint8Array());
    return { status: answer.StatusCode, answer: JSON.parse(whole) };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
};
"""

iam, lambda_ = client("iam"), client("lambda")


def package():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        entry = zipfile.ZipInfo("app.mjs", (2026, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100644 << 16
        zipped.writestr(entry, HANDLER)
        top = os.environ["NODE_MODULES"]
        for folder, folders, files in os.walk(top):
            folders[:] = [it for it in folders if it not in LEFT_OUT and it != "dist-types"]
            for file in files:
                path = os.path.join(folder, file)
                zipped.write(path, os.path.join("node_modules", os.path.relpath(path, top)))
    return archive.getvalue()


PACKAGE = package()


def function(name, *statements):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "*"} for action in statements]}))
    lambda_.create_function(FunctionName=name, Role=arn, Runtime="nodejs20.x", Handler="app.handler",
        Code={"ZipFile": PACKAGE}, Timeout=60, MemorySize=1769)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=POLLS)


function("node-called")
function("node-caller", "lambda:InvokeFunction")


def ask(name, **event):
    answer = lambda_.invoke(FunctionName=name, Payload=json.dumps(event))
    document = json.load(answer["Payload"])
    assert "FunctionError" not in answer, document
    return document


def test_a_function_invokes_another_one():
    equal(ask("node-caller", calls="node-called"), {"status": 200, "answer": {"doubled": 42}})


def test_an_answer_is_read_piece_by_piece():
    equal(ask("node-caller", calls="node-called", streams=True), {"status": 200, "answer": {"doubled": 42}})


def test_an_error_is_the_sdks_own():
    found = ask("node-called", calls="node-caller")
    equal(found.get("error"), "AccessDeniedException", f"{found}")
    assert "assumed-role/node-called/node-called is not authorized to perform: lambda:InvokeFunction" in found["message"], found
    equal(ask("node-caller", calls="nobody").get("error"), "ResourceNotFoundException")


run(globals())
