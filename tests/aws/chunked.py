"""Bodies in chunks of their own: the signer is botocore's, and so are the chunks that are not signed; the others are made by hand."""

import base64
import gzip
import hashlib
import hmac
import http.client
import io
import json
import zlib

from aws import BOUND, ENDPOINT, REGION, equal, run
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum, Sha1Checksum, Sha256Checksum

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SIGNED, TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
INVOKE = "/2015-03-31/functions/streams/invocations"
CHUNK = 64 * 1024
# The function `streams` answers with a prelude of 26 bytes and as many as the event asks for.
ASKED = 2 * CHUNK
# Three chunks, so that the event is only whole with all of them.
EVENT = json.dumps({"pad": "x" * 2 * CHUNK, "bytes": ASKED}).encode()
# The largest event that Lambda takes.
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Upload:
    """A request whose head is signed, and the signatures of what comes behind it."""

    def __init__(self, kind, data, service="lambda", path=INVOKE, trailer=None, secret=SECRET, **headers):
        self.path, self.data, self.trailer = path, data, trailer
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers = {"Content-Encoding": "aws-chunked", "X-Amz-Content-SHA256": kind} | headers
        self.headers["X-Amz-Decoded-Content-Length"] = str(len(data))
        if trailer:
            self.headers["X-Amz-Trailer"] = trailer
        request = AWSRequest("POST", f"http://{ENDPOINT}{path}", headers=self.headers)
        SigV4Auth(Credentials(KEY, secret), service, REGION).add_auth(request)
        self.headers = dict(request.headers.items())
        self.signature = self.headers["Authorization"].rpartition("Signature=")[2]
        self.date = self.headers["X-Amz-Date"]
        self.scope = f"{self.date[:8]}/{REGION}/{service}/aws4_request"
        self.key = ("AWS4" + secret).encode()
        for part in self.scope.split("/"):
            self.key = self.mac(part)

    def mac(self, text):
        return hmac.new(self.key, text.encode(), hashlib.sha256).digest()

    def signed(self, what, *hashed):
        """The next signature of the chain."""
        hashes = [hashlib.sha256(it).hexdigest() for it in hashed]
        text = "\n".join([f"AWS4-HMAC-SHA256-{what}", self.date, self.scope, self.signature, *hashes])
        self.signature = self.mac(text).hex()
        return self.signature

    def chunks(self):
        """One after the other, the empty one last."""
        for at in range(0, len(self.data) + CHUNK, CHUNK):
            chunk = self.data[at : at + CHUNK]
            head = f"{len(chunk):x};chunk-signature={self.signed('PAYLOAD', b'', chunk)}\r\n".encode()
            yield head + chunk + b"\r\n" if chunk else head
            if not chunk:
                return

    def trailers(self, checksum):
        if not self.trailer:
            return b"\r\n"
        line = f"{self.trailer}:{checksum}"
        signature = self.signed("TRAILER", f"{line}\n".encode())
        return f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()

    def body(self, checksum=None):
        return b"".join(self.chunks()) + self.trailers(checksum)

    def send(self, body):
        host, _, port = ENDPOINT.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=BOUND)
        connection.request("POST", self.path, body, self.headers)
        answer = connection.getresponse()
        status, kind, text = answer.status, answer.getheader("x-amzn-errortype"), answer.read()
        connection.close()
        return status, kind, text


def unsigned(data, checksum_cls, name, **more):
    upload = Upload(UNSIGNED, data, trailer=name, **more)
    return upload, AwsChunkedWrapper(io.BytesIO(data), checksum_cls, name, CHUNK).read()


def is_answered(found):
    status, kind, text = found
    equal((status, kind, len(text)), (200, None, 26 + ASKED), text[:300])


def is_refused(found, status, kind, words):
    equal(found[:2], (status, kind), found[2][:300])
    assert words in found[2].decode(), found[2]


def test_chunks_that_are_signed():
    upload = Upload(SIGNED, EVENT)
    is_answered(upload.send(upload.body()))


def test_chunks_and_a_trailer_that_are_signed():
    upload = Upload(TRAILER, EVENT, trailer="x-amz-checksum-crc32")
    is_answered(upload.send(upload.body(crc32(EVENT))))


def test_chunks_with_a_checksum_alone():
    for checksum, name in [(Crc32Checksum, "crc32"), (Sha1Checksum, "sha1"), (Sha256Checksum, "sha256")]:
        upload, body = unsigned(EVENT, checksum, f"x-amz-checksum-{name}")
        is_answered(upload.send(body))


def test_a_chunk_with_another_signature():
    upload = Upload(SIGNED, EVENT)
    chunks = list(upload.chunks())
    equal(len(chunks), 4)
    head, _, data = chunks[1].partition(b"\r\n")
    for second in (
        head[:-64] + b"0" * 64 + b"\r\n" + data,
        head + b"\r\n" + data.replace(b"xx", b"xy", 1),
    ):
        body = b"".join([chunks[0], second, *chunks[2:], b"\r\n"])
        is_refused(upload.send(body), 403, "InvalidSignatureException", "does not match the signature")
    # Each is right, but not where it stands.
    is_refused(upload.send(b"".join([chunks[1], chunks[0], *chunks[2:], b"\r\n"])), 403, "InvalidSignatureException", "not match")
    # Neither is the chain of somebody who knows another secret.
    other = Upload(SIGNED, EVENT, secret="another")
    is_refused(other.send(other.body()), 403, "InvalidSignatureException", "does not match the signature")


def test_a_body_that_was_cut():
    upload = Upload(TRAILER, EVENT, trailer="x-amz-checksum-crc32")
    body = upload.body(crc32(EVENT))
    for end in (0, 10, 100, CHUNK, len(body) - 300, len(body) - 100, len(body) - 1):
        is_refused(upload.send(body[:end]), 400, "IncompleteBodyException", "terminated unexpectedly")


def test_another_length_than_announced():
    upload = Upload(SIGNED, EVENT)
    upload.data += b" "
    is_refused(upload.send(upload.body()), 400, "IncompleteBodyException", "x-amz-decoded-content-length")


def test_a_chunk_header_without_an_end():
    for kind, trailer in [(SIGNED, None), (UNSIGNED, "x-amz-checksum-crc32")]:
        upload = Upload(kind, EVENT, trailer=trailer)
        is_refused(upload.send(b"1" * 200_000), 400, "InvalidRequestException", "is longer than any")
        is_refused(upload.send(b"1" * 40 + b"\r\n" + EVENT), 400, "InvalidRequestException", "header of a chunk")


def test_a_checksum_of_another_body():
    upload = Upload(TRAILER, EVENT, trailer="x-amz-checksum-crc32")
    is_refused(upload.send(upload.body(crc32(b"another"))), 400, "BadDigestException", "The CRC32 you specified did not match")
    upload = Upload(TRAILER, EVENT, trailer="x-amz-checksum-crc32")
    is_refused(upload.send(upload.body("AAAA")), 400, "InvalidRequestException", "Value for x-amz-checksum-crc32")
    upload, body = unsigned(EVENT, Sha256Checksum, "x-amz-checksum-sha256")
    is_refused(upload.send(body.replace(b"xx", b"xy", 1)), 400, "BadDigestException", "The SHA256 you specified did not match")
    upload, body = unsigned(EVENT, Sha256Checksum, "x-amz-checksum-sha1")
    upload.headers["X-Amz-Trailer"] = "x-amz-checksum-sha256"
    is_refused(upload.send(body), 403, "InvalidSignatureException", "does not match the signature")


def test_a_trailer_that_was_not_announced():
    upload, body = unsigned(EVENT, Crc32Checksum, "x-amz-checksum-crc32")
    body = body.replace(b"x-amz-checksum-crc32:", b"x-amz-checksum-sha1:")
    is_refused(upload.send(body), 400, "MalformedTrailerErrorException", "trailing data")


def test_heads_that_announce_what_is_not_there():
    for kind, trailer, status, code in [
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", None, 501, "NotImplementedException"),
        (UNSIGNED, None, 400, "InvalidRequestException"),
        (UNSIGNED, "x-amz-meta-a", 400, "InvalidRequestException"),
        (SIGNED, "x-amz-checksum-crc32", 400, "InvalidRequestException"),
    ]:
        upload = Upload(kind, EVENT, trailer=trailer)
        is_refused(upload.send(upload.body("AAAAAA==")), status, code, "")
    upload = Upload(SIGNED, EVENT)
    del upload.headers["X-Amz-Decoded-Content-Length"]
    is_refused(upload.send(upload.body()), 411, "MissingContentLengthException", "x-amz-decoded-content-length")


def test_small_chunks():
    upload = Upload(UNSIGNED, b"{}", trailer="x-amz-checksum-crc32")
    body = f"1\r\n{{\r\n1\r\n}}\r\n0\r\nx-amz-checksum-crc32:{crc32(b'{}')}\r\n\r\n".encode()
    is_refused(upload.send(body), 403, "InvalidChunkSizeErrorException", "8192 bytes")


def test_only_the_event_has_a_bound():
    # The framing of the largest event is no part of it.
    event = json.dumps({"bytes": ASKED, "pad": ""}).encode()
    event = event.replace(b'""', b'"' + b"x" * (PAYLOAD_BYTES_MAX - len(event)) + b'"')
    equal(len(event), PAYLOAD_BYTES_MAX)
    upload = Upload(SIGNED, event)
    is_answered(upload.send(upload.body()))
    upload = Upload(SIGNED, event + b" ")
    is_refused(upload.send(upload.body()), 413, "RequestEntityTooLargeException", "6291456")


def test_a_stream_is_asked_for_in_chunks():
    path = "/2021-11-15/functions/streams/response-streaming-invocations"
    upload = Upload(SIGNED, EVENT, path=path)
    status, kind, text = upload.send(upload.body())
    equal((status, kind), (200, None), text[:300])
    assert len(text) > ASKED and b"InvokeComplete" in text[-200:], text[-200:]
    is_refused(upload.send(b"0\r\n"), 400, "InvalidRequestException", "no signature")


def test_other_services():
    form = b"Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=owned"
    media = {"Content_Type": "application/x-www-form-urlencoded; charset=utf-8"}
    upload, body = unsigned(form, Crc32Checksum, "x-amz-checksum-crc32", service="elasticloadbalancing", path="/", **media)
    status, _, text = upload.send(body)
    assert status == 200 and b"<LoadBalancerName>owned<" in text, text
    status, _, text = upload.send(body.replace(b"owned", b"other"))
    assert status == 400 and b"<Code>BadDigest</Code>" in text, text
    media = {"Content_Type": "application/x-amz-json-1.1", "X_Amz_Target": "Logs_20140328.DescribeLogGroups"}
    upload = Upload(SIGNED, b'{"limit":1}', service="logs", path="/", **media)
    status, _, text = upload.send(upload.body())
    assert status == 200 and "logGroups" in json.loads(text), text
    # Only the chunks are taken off: the rest is for whoever knows it.
    form = b"Action=PutMetricData&Version=2010-08-01&Namespace=Chunks&MetricData.member.1.MetricName=a&MetricData.member.1.Value=1"
    media = {"Content_Type": "application/x-www-form-urlencoded", "Content_Encoding": "aws-chunked,gzip"}
    upload = Upload(SIGNED, gzip.compress(form), service="monitoring", path="/", **media)
    status, _, text = upload.send(upload.body())
    assert status == 200 and b"PutMetricDataResponse" in text, text


run(globals())
