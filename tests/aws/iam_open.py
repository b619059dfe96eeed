"""A server without a key: whoever signs is the root, but for keys that were given out here, before and after a kill."""

import json
import os

from aws import client, equal, refused, run

# What the server shows once, the first run leaves for the second.
NOTES = os.environ["NOTES"]
ARN = "arn:aws:iam::000000000000:user/kept"
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}})


def signed(key):
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"], "session_token": key.get("SessionToken")}


def make():
    iam = client("iam")
    iam.create_user(UserName="kept")
    iam.put_user_policy(UserName="kept", PolicyName="own", PolicyDocument=ALLOW)
    kept, gone = (iam.create_access_key(UserName="kept")["AccessKey"] for _ in range(2))
    iam.delete_access_key(UserName="kept", AccessKeyId=gone["AccessKeyId"])
    session = client("sts", **signed(kept)).get_session_token()["Credentials"]
    with open(NOTES, "w") as notes:
        json.dump({"kept": kept, "gone": gone, "session": session}, notes, default=str)


def test_keys_that_were_given_out_are_verified():
    if os.environ["RUN"] == "first":
        make()
    with open(NOTES) as notes:
        keys = json.load(notes)
    for key in (keys["kept"], keys["session"]):
        equal(client("sts", **signed(key)).get_caller_identity()["Arn"], ARN)
        equal(client("iam", **signed(key)).get_user()["User"]["UserName"], "kept")
        refused("AccessDenied", client("iam", **signed(key)).list_users, status=403)
        wrong = signed(key) | {"secret_key": "x" * 40}
        refused("SignatureDoesNotMatch", client("sts", **wrong).get_caller_identity, status=403)
    # A key that is gone makes nobody the root.
    refused("InvalidClientTokenId", client("sts", **signed(keys["gone"])).get_caller_identity, status=403)
    equal(client("sts").get_caller_identity()["Arn"], "arn:aws:iam::000000000000:root")


run(globals())
