"""`requests`: sessions, redirects to HTTPS, trust, and bodies as a function gets them."""

import base64

import requests
from clients import BOTH_CAS, HTTP, HTTPS, LOCAL_CA, equal, run


def test_a_session_keeps_its_connection():
    with requests.Session() as session:
        for number in range(20):
            event = session.get(f"{HTTP}/echo", params={"number": number}, timeout=30).json()
            equal(event["queryStringParameters"], {"number": str(number)})
        pools = session.get_adapter(HTTP).poolmanager.pools
        (pool,) = [pools[key] for key in pools.keys()]
        equal((pool.num_connections, pool.num_requests), (1, 20))


# ALB-A-011: path and query are kept. ALB-A-013: the port is named
def test_a_redirect_is_followed_to_https():
    answer = requests.get(f"{HTTP}/secure/a%20b?x=1&x=2", verify=BOTH_CAS, timeout=30)
    (hop,) = answer.history
    equal((hop.status_code, hop.headers["location"]), (302, f"{HTTPS}/secure/a%20b?x=1&x=2"))
    event = answer.json()
    equal((event["path"], event["queryStringParameters"]), ("/secure/a%20b", {"x": "2"}))
    equal(event["headers"]["x-forwarded-proto"], "https")
    not_followed = requests.get(f"{HTTP}/moved", allow_redirects=False, timeout=30)
    equal((not_followed.status_code, not_followed.headers["location"]), (301, f"{HTTP}/echo"))


def test_another_authority_is_not_trusted():
    try:
        requests.get(f"{HTTPS}/fixed", verify=LOCAL_CA, timeout=30)
    except requests.exceptions.SSLError as error:
        assert "certificate verify failed" in str(error), error
    else:
        raise AssertionError("a certificate of another authority was trusted")


# ALB-L-010: names in lower case. ALB-L-021: what always arrives
def test_json_arrives_as_text():
    event = requests.post(f"{HTTP}/orders", json={"name": "Zoë"}, headers={"X-Mixed-Case": "Kept"}, timeout=30).json()
    equal((event["body"], event["isBase64Encoded"]), ('{"name": "Zo\\u00eb"}', False))
    equal((event["httpMethod"], event["path"]), ("POST", "/orders"))
    headers = event["headers"]
    equal((headers["x-mixed-case"], headers["content-type"]), ("Kept", "application/json"))
    equal((headers["x-forwarded-for"], headers["x-forwarded-proto"]), ("127.0.0.1", "http"))
    assert headers["x-amzn-trace-id"].startswith("Root=1-"), headers
    equal(headers["x-forwarded-port"], "8080")


# ALB-L-029
def test_a_form_arrives_as_base64():
    event = requests.post(f"{HTTP}/form", data={"a": "1 2", "b": "é"}, timeout=30).json()
    equal((base64.b64decode(event["body"]), event["isBase64Encoded"]), (b"a=1+2&b=%C3%A9", True))


def test_an_uploaded_file_arrives_whole():
    content = bytes(range(256)) * 4
    event = requests.post(f"{HTTP}/upload", files={"file": ("all.bin", content)}, timeout=30).json()
    assert event["isBase64Encoded"]
    body = base64.b64decode(event["body"])
    assert content in body and b'filename="all.bin"' in body
    assert event["headers"]["content-type"].startswith("multipart/form-data; boundary=")


def test_a_compressed_answer_is_unpacked():
    answer = requests.get(f"{HTTP}/gzip", timeout=30)
    equal((answer.headers["content-encoding"], answer.text), ("gzip", "packed " * 100))


run(globals())
