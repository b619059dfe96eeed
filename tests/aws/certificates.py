"""Certificates: requested, imported, served by listeners, and in the way of their own deletion."""

import os
import ssl
import socket
import subprocess
import tempfile
import urllib.request

from aws import BOUND, POLLS, client, equal, own_api, refused, run, socket_of
from resources import elb, fixed, listener, load_balancer, remove

acm = client("acm")
MISSING = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-4000-8000-000000000000"


def openssl(folder, arguments):
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


def authority_file():
    return os.path.join(own_api("status")["data_dir"], "ca", "ca.pem")


def made(names, days=30, folder=None, authority=None):
    """Certificate, key and chain of an authority of our own, as PEM."""
    with tempfile.TemporaryDirectory() as new:
        folder = folder or new
        if authority is None:
            openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 60 -subj /O=Example/CN=ca")
        openssl(folder, f"req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN={names[0]}")
        with open(os.path.join(folder, "names"), "w") as file:
            file.write("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        openssl(folder, f"x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days {days} -out leaf.pem -extfile names -CAcreateserial")
        read = lambda name: open(os.path.join(folder, name), "rb").read()
        return read("leaf.pem"), read("leaf.key"), read("ca.pem")


def detail(arn, **more):
    return acm.describe_certificate(CertificateArn=arn, **more)["Certificate"]


def handshake(port, name, trusted=None):
    """The certificate that is served, verified by what is trusted."""
    context = ssl.create_default_context(cadata=trusted) if trusted else ssl.create_default_context(cafile=authority_file())
    with socket.create_connection(socket_of(port), timeout=BOUND) as plain:
        with context.wrap_socket(plain, server_hostname=name) as secure:
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := secure.recv(65536):
                answer += piece
            return secure.getpeercert()["serialNumber"].lower(), answer


# EDG-123, EDG-124
def test_a_request_is_issued_at_once():
    arguments = {
        "DomainName": "example.com",
        "SubjectAlternativeNames": ["*.example.com", "www.example.com"],
        "ValidationMethod": "DNS",
        "IdempotencyToken": "once",
        "KeyAlgorithm": "EC_prime256v1",
        "Options": {"CertificateTransparencyLoggingPreference": "DISABLED"},
        "Tags": [{"Key": "team", "Value": "web"}],
    }
    arn = acm.request_certificate(**arguments)["CertificateArn"]
    equal(acm.request_certificate(**arguments)["CertificateArn"], arn)
    others = [
        acm.request_certificate(**{**arguments, "IdempotencyToken": "twice"})["CertificateArn"],
        acm.request_certificate(**{**arguments, "SubjectAlternativeNames": []})["CertificateArn"],
    ]
    assert arn not in others
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig=POLLS)
    found = detail(arn)
    names = ["example.com", "*.example.com", "www.example.com"]
    equal(found["SubjectAlternativeNames"], names)
    equal(
        [found[key] for key in ("DomainName", "Status", "Type", "KeyAlgorithm", "RenewalEligibility", "InUseBy")],
        ["example.com", "ISSUED", "AMAZON_ISSUED", "EC_prime256v1", "INELIGIBLE", []],
    )
    equal(found["Options"], {"CertificateTransparencyLoggingPreference": "DISABLED", "Export": "DISABLED"})
    assert found["NotBefore"] < found["CreatedAt"] < found["NotAfter"] and found["IssuedAt"]
    validations = found["DomainValidationOptions"]
    equal([it["DomainName"] for it in validations], names)
    equal({it["ValidationStatus"] for it in validations}, {"SUCCESS"})
    records = [it["ResourceRecord"] for it in validations]
    equal(records[0], records[1])
    assert records[0] != records[2] and records[0]["Type"] == "CNAME"
    assert records[0]["Name"].endswith(".example.com.") and records[0]["Value"].endswith(".acm-validations.aws.")
    equal(detail(others[0])["DomainValidationOptions"][0]["ResourceRecord"], records[0])
    pem = acm.get_certificate(CertificateArn=arn)
    assert pem["Certificate"].count("BEGIN") == 1 and pem["CertificateChain"].count("BEGIN") == 1
    assert "KEY" not in pem["Certificate"] + pem["CertificateChain"]
    acm.update_certificate_options(
        CertificateArn=arn, Options={"CertificateTransparencyLoggingPreference": "ENABLED"}
    )
    equal(detail(arn)["Options"]["CertificateTransparencyLoggingPreference"], "ENABLED")
    refused("ValidationException", acm.renew_certificate, CertificateArn=arn)
    refused("ValidationException", acm.export_certificate, CertificateArn=arn, Passphrase=b"secret",
            contains="is not a private certificate")
    for each in [arn, *others]:
        acm.delete_certificate(CertificateArn=each)
    refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn)


def test_validation_by_mail():
    arn = acm.request_certificate(
        DomainName="a.mail.example",
        DomainValidationOptions=[{"DomainName": "a.mail.example", "ValidationDomain": "mail.example"}],
    )["CertificateArn"]
    (validation,) = detail(arn)["DomainValidationOptions"]
    equal(validation["ValidationMethod"], "EMAIL")
    equal(validation["ValidationDomain"], "mail.example")
    assert "admin@mail.example" in validation["ValidationEmails"] and len(validation["ValidationEmails"]) == 5
    equal(detail(arn)["KeyAlgorithm"], "RSA-2048")
    refused("InvalidStateException", acm.resend_validation_email, CertificateArn=arn, Domain="a.mail.example",
            ValidationDomain="mail.example")
    acm.delete_certificate(CertificateArn=arn)


def test_what_is_wrong_is_refused():
    good = {"DomainName": "example.com"}
    for bad, code in [
        ({"DomainName": "localhost"}, "ValidationException"),
        ({"DomainName": "a b.com"}, "ValidationException"),
        ({"DomainName": None}, "ValidationException"),
        ({"DomainName": "x" * 61 + ".com"}, "InvalidParameterException"),
        ({"SubjectAlternativeNames": ["-a.com"]}, "ValidationException"),
        ({"SubjectAlternativeNames": [f"{n}.com" for n in range(10)]}, "LimitExceededException"),
        ({"SubjectAlternativeNames": [f"{n}.com" for n in range(101)]}, "ValidationException"),
        ({"ValidationMethod": "FAX"}, "ValidationException"),
        ({"KeyAlgorithm": "RSA_1024"}, "InvalidParameterException"),
        ({"IdempotencyToken": "a b"}, "ValidationException"),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidTagException"),
        ({"Tags": [{"Key": f"k{n}"} for n in range(51)]}, "TooManyTagsException"),
        ({"DomainValidationOptions": [{"DomainName": "other.com", "ValidationDomain": "other.com"}]},
         "InvalidDomainValidationOptionsException"),
    ]:
        refused(code, acm.request_certificate, **{**good, **bad})
    for bad in [
        {"ValidationMethod": "HTTP"},
        {"Options": {"Export": "ENABLED"}},
        {"CertificateAuthorityArn": "arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/x"},
        {"ManagedBy": "CLOUDFRONT"},
    ]:
        refused("NotImplementedException", acm.request_certificate, status=501, **{**good, **bad})
    refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=MISSING)
    refused("InvalidArnException", acm.describe_certificate, CertificateArn="arn:aws:acm:us-east-1:0:certificate/x")
    refused("ValidationException", acm.describe_certificate, CertificateArn="x")
    refused("NotImplementedException", acm.revoke_certificate, status=501, CertificateArn=MISSING,
            RevocationReason="SUPERSEDED", contains="RevokeCertificate")
    # Another region has certificates of its own.
    arn = acm.request_certificate(**good)["CertificateArn"]
    refused("ResourceNotFoundException", client("acm", region="eu-west-1").describe_certificate, CertificateArn=arn)
    acm.delete_certificate(CertificateArn=arn)


# EDG-126, EDG-129
def test_listeners_serve_it_and_it_cannot_be_deleted():
    one = acm.request_certificate(DomainName="one.acm.localhost", ValidationMethod="DNS")["CertificateArn"]
    two = acm.request_certificate(DomainName="*.two.localhost", ValidationMethod="DNS", KeyAlgorithm="EC_secp384r1")["CertificateArn"]
    balancer = load_balancer()
    secure = listener(balancer, 9001, fixed("secure"), Protocol="HTTPS", Certificates=[{"CertificateArn": one}])
    elb.add_listener_certificates(ListenerArn=secure["ListenerArn"], Certificates=[{"CertificateArn": two}])
    serial = lambda arn: detail(arn)["Serial"].replace(":", "")
    number, answer = handshake(9001, "one.acm.localhost")
    equal(number, serial(one))
    assert answer.endswith(b"secure")
    equal(handshake(9001, "a.two.localhost")[0], serial(two))
    # No name of the second one: the default, which is for another name.
    try:
        handshake(9001, "a.b.two.localhost")
        raise AssertionError("the default certificate is not for this name")
    except ssl.SSLCertVerificationError:
        pass
    for arn in (one, two):
        found = detail(arn)
        equal(found["InUseBy"], [balancer["LoadBalancerArn"]])
        equal(found["RenewalEligibility"], "ELIGIBLE")
        refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arn)
    summaries = {it["CertificateArn"]: it for it in acm.list_certificates()["CertificateSummaryList"]}
    assert summaries[one]["InUse"] and two not in summaries, "without a filter only RSA keys of 2048 bits are listed"
    # EDG-131: renewal keeps the ARN, and what is served changes.
    before = serial(two)
    acm.renew_certificate(CertificateArn=two)
    assert serial(two) != before
    equal(handshake(9001, "a.two.localhost")[0], serial(two))
    renewal = detail(two)["RenewalSummary"]
    equal(renewal["RenewalStatus"], "SUCCESS")
    remove(balancer)
    for arn in (one, two):
        acm.delete_certificate(CertificateArn=arn)


# EDG-127, EDG-128
def test_imports():
    with tempfile.TemporaryDirectory() as folder:
        certificate, key, chain = made(["in.example", "www.in.example"], folder=folder)
        brought = {"Certificate": certificate, "PrivateKey": key, "CertificateChain": chain}
        arn = acm.import_certificate(**brought, Tags=[{"Key": "a", "Value": "b"}])["CertificateArn"]
        found = detail(arn)
        equal(
            [found[name] for name in ("Type", "Status", "DomainName", "Issuer", "RenewalEligibility", "KeyAlgorithm")],
            ["IMPORTED", "ISSUED", "in.example", "Example", "INELIGIBLE", "RSA-2048"],
        )
        equal(found["SubjectAlternativeNames"], ["in.example", "www.in.example"])
        assert found["ImportedAt"] and "DomainValidationOptions" not in found
        equal(acm.get_certificate(CertificateArn=arn)["CertificateChain"].strip(), chain.decode().strip())

        balancer = load_balancer()
        listener(balancer, 9002, fixed("imported"), Protocol="HTTPS", Certificates=[{"CertificateArn": arn}])
        old, _ = handshake(9002, "in.example", trusted=chain.decode())
        again, again_key, _ = made(["in.example"], folder=folder, authority=chain)
        # A connection that is open goes on while the certificate is replaced.
        context = ssl.create_default_context(cadata=chain.decode())
        plain = socket.create_connection(socket_of(9002), timeout=BOUND)
        secure = context.wrap_socket(plain, server_hostname="in.example")
        refused("ValidationException", acm.import_certificate, CertificateArn=arn, Certificate=again,
                PrivateKey=again_key, CertificateChain=chain, Tags=[{"Key": "x", "Value": "y"}])
        answer = acm.import_certificate(CertificateArn=arn, Certificate=again, PrivateKey=again_key, CertificateChain=chain)
        equal(answer["CertificateArn"], arn)
        new, _ = handshake(9002, "in.example", trusted=chain.decode())
        assert new != old and new == detail(arn)["Serial"].replace(":", "")
        secure.sendall(b"GET / HTTP/1.1\r\nHost: in.example\r\nConnection: close\r\n\r\n")
        assert b"imported" in secure.makefile("rb").read()
        secure.close()
        equal(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])

        with open(os.path.join(folder, "ca.key"), "rb") as file:
            chain_key = file.read()
        other, other_key, other_chain = made(["other.example"])
        expired, expired_key, _ = made(["old.example"], days=-1, folder=folder, authority=chain)
        for bad, message in [
            ({"PrivateKey": other_key}, "does not match"),
            ({"Certificate": b"no PEM"}, "parse"),
            ({"PrivateKey": b"no PEM"}, "private key"),
            ({"CertificateChain": other_chain}, "certificate chain"),
            ({"CertificateChain": None}, "valid self signed"),
            ({"Certificate": certificate + chain}, "more than one certificate"),
            ({"Certificate": expired, "PrivateKey": expired_key}, "expired"),
            ({"Certificate": None}, "certificate"),
            # One that is signed by itself needs no chain, and is not its own.
            ({"Certificate": chain, "PrivateKey": chain_key}, "certificate chain"),
        ]:
            arguments = {name: value for name, value in {**brought, **bad}.items() if value is not None}
            refused("ValidationException", acm.import_certificate, contains=message, **arguments)
        issued = acm.request_certificate(DomainName="issued.example")["CertificateArn"]
        refused("ValidationException", acm.import_certificate, CertificateArn=issued, **brought)
        refused("ResourceNotFoundException", acm.import_certificate, CertificateArn=MISSING, **brought)
        refused("InvalidStateException", acm.update_certificate_options, CertificateArn=arn,
                Options={"CertificateTransparencyLoggingPreference": "ENABLED"})
        acm.delete_certificate(CertificateArn=issued)
        remove(balancer)
        acm.delete_certificate(CertificateArn=arn)


def test_lists_have_pages_and_filters():
    known = {it["CertificateArn"] for it in acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]}
    # Those of the manifest are shown.
    assert known, "the manifest has certificates"
    mine = [
        acm.request_certificate(DomainName=f"n{number}.list.example", KeyAlgorithm="EC_secp521r1")["CertificateArn"]
        for number in range(5)
    ]
    filters = {"Includes": {"keyTypes": ["EC_secp521r1"]}}
    for order, expected in [("ASCENDING", mine), ("DESCENDING", mine[::-1])]:
        pages = acm.get_paginator("list_certificates").paginate(
            **filters, SortBy="CREATED_AT", SortOrder=order, PaginationConfig={"PageSize": 2}
        )
        pages = [[it["CertificateArn"] for it in page["CertificateSummaryList"]] for page in pages]
        equal([len(page) for page in pages], [2, 2, 1])
        equal(sum(pages, []), expected)
    (first, *_) = acm.list_certificates(**filters)["CertificateSummaryList"]
    equal([first[name] for name in ("Status", "Type", "InUse", "Exported")], ["ISSUED", "AMAZON_ISSUED", False, False])
    equal(acm.list_certificates(**filters, CertificateStatuses=["EXPIRED"])["CertificateSummaryList"], [])
    usage = {"keyTypes": ["EC_secp521r1"], "extendedKeyUsage": ["TLS_WEB_SERVER_AUTHENTICATION"]}
    equal(len(acm.list_certificates(Includes=usage)["CertificateSummaryList"]), 5)
    usage["extendedKeyUsage"] = ["CODE_SIGNING"]
    equal(acm.list_certificates(Includes=usage)["CertificateSummaryList"], [])
    refused("InvalidArgsException", acm.list_certificates, SortBy="CREATED_AT")
    refused("ValidationException", acm.list_certificates, MaxItems=0)
    refused("ValidationException", acm.list_certificates, NextToken="x")
    refused("ValidationException", acm.list_certificates, CertificateStatuses=["FINE"])
    for arn in mine:
        acm.delete_certificate(CertificateArn=arn)


def test_tags():
    arn = acm.request_certificate(DomainName="tags.example")["CertificateArn"]
    tags = lambda: acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    equal(tags(), [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b"}])
    equal(tags(), [{"Key": "a", "Value": "1"}])
    refused("TooManyTagsException", acm.add_tags_to_certificate, CertificateArn=arn,
            Tags=[{"Key": f"k{n}"} for n in range(50)])
    refused("ResourceNotFoundException", acm.list_tags_for_certificate, CertificateArn=MISSING)
    acm.delete_certificate(CertificateArn=arn)
    equal(acm.get_account_configuration()["ExpiryEvents"], {"DaysBeforeExpiry": 45})


def test_what_the_manifest_owns_is_left_alone():
    owned = acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
    owned = [it["CertificateArn"] for it in owned if it["DomainName"] in ("one.localhost", "two.localhost")]
    equal(len(owned), 2)
    for arn in owned:
        error = refused("AccessDeniedException", acm.delete_certificate, CertificateArn=arn, contains="albacore.yaml")
        assert "--manifest-unlocked" in str(error)


def test_the_wire():
    """What SDKs never send: targets and bodies that are none."""
    sign = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
            "X-Amz-Date": "20260101T000000Z", "Content-Type": "application/x-amz-json-1.1"}
    for target, body, code in [
        ("CertificateManager.Dance", b"{}", "UnknownOperationException"),
        ("Other.ListCertificates", b"{}", "UnknownOperationException"),
        ("CertificateManager.ListCertificates", b"[", "SerializationException"),
        ("CertificateManager.ListCertificates", b"[" * 100000, "SerializationException"),
        ("CertificateManager.ListCertificates", b'{"MaxItems":"1"}', "SerializationException"),
        ("CertificateManager.ListCertificates", b'{"Colour":1}', "NotImplementedException"),
    ]:
        request = urllib.request.Request(f"http://{acm.meta.endpoint_url[7:]}/", data=body, headers={**sign, "X-Amz-Target": target})
        try:
            urllib.request.urlopen(request, timeout=BOUND)
            raise AssertionError(f"{target} {body[:20]} is answered")
        except urllib.error.HTTPError as error:
            equal(error.headers["x-amzn-ErrorType"], code)
            assert code in error.read().decode() and error.headers["x-amzn-RequestId"]


run(globals())
