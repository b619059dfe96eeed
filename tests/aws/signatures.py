"""A server with a key: who does not have it gets nothing."""

import datetime
import urllib.error
import urllib.request
from unittest import mock

import botocore.auth
from aws import BOUND, ENDPOINT, client, equal, refused, run

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def test_the_key_opens():
    elb = client(access_key=KEY, secret_key=SECRET)
    equal(elb.describe_load_balancers(Names=["owned"])["LoadBalancers"][0]["LoadBalancerName"], "owned")
    # Everything that signers encode in their own way.
    name = "a b/ä+~*'()&=%20"
    refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=[name])


def test_other_keys_do_not():
    elb = client(access_key="AKIDOTHER", secret_key=SECRET)
    refused("InvalidClientTokenId", elb.describe_account_limits, status=403)
    elb = client(access_key=KEY, secret_key=SECRET + "x")
    error = refused("SignatureDoesNotMatch", elb.describe_account_limits, status=403)
    assert SECRET not in str(error), error


def test_a_signature_holds_for_what_was_signed():
    elb = client(access_key=KEY, secret_key=SECRET)
    elb.meta.events.register("before-send", lambda request, **_: swap(request))
    refused("SignatureDoesNotMatch", elb.describe_load_balancers, status=403, Names=["owned"])


def swap(request):
    request.body = request.body.replace("DescribeLoadBalancers", "DescribeAccountLimits")


def test_what_was_recorded_opens_nothing_else():
    url, headers, body = recorded()
    # A signature names no request by itself: what is sent again unchanged is the same call, as on AWS.
    equal(post(url, headers, body)[0], 200)
    authorization = headers["Authorization"]
    day = authorization.split("/")[1]
    for what, changed in {
        "another body": (url, headers, body.replace(b"owned", b"other")),
        "a part more": (url, headers, body + b"&PageSize=1"),
        "another path": (url + "2015-03-31/functions", headers, body),
        "a query": (url + "?Action=DescribeAccountLimits", headers, body),
        "another moment": (url, headers | {"X-Amz-Date": moved(headers["X-Amz-Date"])}, body),
        "another media type": (url, headers | {"Content-Type": "application/x-www-form-urlencoded"}, body),
        "another region": (url, headers | {"Authorization": authorization.replace("us-east-1", "eu-west-1")}, body),
        "another service": (url, headers | {"Authorization": authorization.replace("elasticloadbalancing", "iam")}, body),
        "another day": (url, headers | {"Authorization": authorization.replace(day, "20200101")}, body),
        "a day on which it did not happen": (url, headers | {"X-Amz-Date": "20200101T000000Z"}, body),
        "no moment": (url, {name: it for name, it in headers.items() if name != "X-Amz-Date"}, body),
        "fewer headers": (url, headers | {"Authorization": authorization.replace("SignedHeaders=content-type;", "SignedHeaders=")}, body),
        "a token": (url, headers | {"X-Amz-Security-Token": "another"}, body),
    }.items():
        status, answer = post(*changed)
        assert status in (400, 403) and "<Code>" in answer, f"{what}: {status} {answer}"
        assert "owned" not in answer and SECRET not in answer, f"{what}: {answer}"


def recorded():
    """A call as it went over the wire."""
    seen = []
    elb = client(access_key=KEY, secret_key=SECRET)
    elb.meta.events.register("before-send", lambda request, **_: seen.append(request))
    elb.describe_load_balancers(Names=["owned"])
    [request] = seen
    text = lambda it: it.decode() if isinstance(it, bytes) else it
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    # The length is for whoever sends it.
    headers = {name: text(it) for name, it in request.headers.items() if name != "Content-Length"}
    return request.url, headers, body


def moved(moment):
    later = datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ") + datetime.timedelta(minutes=1)
    return later.strftime("%Y%m%dT%H%M%SZ")


def post(url, headers, body):
    return answered(urllib.request.Request(url, data=body, headers=headers, method="POST"))


def test_clocks_that_are_a_little_apart():
    for minutes in (-14, 14):
        with clock(minutes):
            client(access_key=KEY, secret_key=SECRET).describe_account_limits()


def clock(minutes):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))


def test_clocks_that_are_far_apart():
    for minutes, words in [(-16, "Signature expired"), (16, "Signature not yet current"), (-60 * 24, "Signature expired")]:
        with clock(minutes):
            elb = client(access_key=KEY, secret_key=SECRET)
            refused("SignatureDoesNotMatch", elb.describe_account_limits, status=403, contains=words)


def test_another_service_is_not_meant():
    signer = client("sns", access_key=KEY, secret_key=SECRET)
    refused("NotImplemented", signer.list_topics, status=501, contains="(sns, operation ListTopics)")


def test_presigned_urls():
    elb = client(access_key=KEY, secret_key=SECRET)
    signed = elb.generate_presigned_url("describe_load_balancers", Params={"Names": ["owned"]}, HttpMethod="GET")
    equal(get(signed)[0], 200)
    status, body = get(signed.replace("owned", "other"))
    equal(status, 403)
    assert "SignatureDoesNotMatch" in body, body
    with clock(-120):
        signed = elb.generate_presigned_url("describe_load_balancers", ExpiresIn=60, HttpMethod="GET")
    status, body = get(signed)
    equal(status, 400)
    assert "RequestExpired" in body, body


def get(url):
    assert url.startswith(f"http://{ENDPOINT}/"), url
    return answered(url)


def answered(request):
    try:
        with urllib.request.urlopen(request, timeout=BOUND) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


run(globals())
