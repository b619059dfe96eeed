"""Trust stores made from objects, acting on live mutual TLS; then killed, and there again without the objects."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

from aws import BOUND, client, equal, own_api, refused, run, socket_of
from resources import elb, fixed, listener, load_balancer, name

FOLDER = os.path.join(os.path.dirname(os.environ["NOTES"]), "trust")
BUCKET = os.path.join(os.environ["OBJECTS"], "trust")
IN_BUCKET = {"CaCertificatesBundleS3Bucket": "trust"}
acm = client("acm")

CONFIGURATION = """
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = number
new_certs_dir = .
default_md = sha256
default_crl_days = 30
policy = any
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
[any]
commonName = supplied
"""


def openssl(arguments):
    subprocess.run(["openssl", *arguments.split()], cwd=FOLDER, check=True, capture_output=True)


def authority(of):
    openssl(f"req -x509 -newkey rsa:2048 -nodes -keyout {of}.key -out {of}.pem -days 60 -subj /CN={of}")
    with open(os.path.join(FOLDER, f"{of}.cnf"), "w") as file:
        file.write(CONFIGURATION.replace("index.txt", f"{of}.index").replace("number", f"{of}.number", 1))
    open(os.path.join(FOLDER, f"{of}.index"), "w").close()
    with open(os.path.join(FOLDER, f"{of}.number"), "w") as file:
        file.write("01\n")


def person(of, issuer):
    openssl(f"req -newkey rsa:2048 -nodes -keyout {of}.key -out {of}.csr -subj /CN={of}")
    with open(os.path.join(FOLDER, "usage"), "w") as file:
        file.write("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
    openssl(f"x509 -req -in {of}.csr -CA {issuer}.pem -CAkey {issuer}.key -days 30 -out {of}.pem -extfile usage -CAcreateserial")


def revoke(of, issuer):
    openssl(f"ca -config {issuer}.cnf -cert {issuer}.pem -keyfile {issuer}.key -revoke {of}.pem")
    openssl(f"ca -config {issuer}.cnf -cert {issuer}.pem -keyfile {issuer}.key -gencrl -out {of}.crl")


def text(file):
    with open(os.path.join(FOLDER, file)) as opened:
        return opened.read()


def put(key, content):
    path = os.path.join(BUCKET, key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content)


def admitted(port, who):
    """Whether this client has an answer, as opposed to a broken handshake."""
    context = ssl.create_default_context(cafile=os.path.join(own_api("status")["data_dir"], "ca", "ca.pem"))
    context.load_cert_chain(os.path.join(FOLDER, f"{who}.pem"), os.path.join(FOLDER, f"{who}.key"))
    try:
        with socket.create_connection(socket_of(port), timeout=BOUND) as plain:
            with context.wrap_socket(plain, server_hostname="mutual.localhost") as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: mutual.localhost\r\nConnection: close\r\n\r\n")
                return secure.recv(12) == b"HTTP/1.1 200"
    except (ssl.SSLError, ConnectionError):
        return False


def fetched(location):
    with urllib.request.urlopen(location, timeout=BOUND) as answer:
        return answer.read().decode()


def certificates(pem):
    """The base64 of a bundle, whatever its comments."""
    return [line for line in pem.splitlines() if not line.startswith("#")]


def store(arn):
    return elb.describe_trust_stores(TrustStoreArns=[arn])["TrustStores"][0]


def notes(**new):
    path = os.environ["NOTES"]
    if new:
        with open(path, "w") as file:
            json.dump(new, file)
    with open(path) as file:
        return json.load(file)


def links(arn):
    location = elb.get_trust_store_ca_certificates_bundle(TrustStoreArn=arn)["Location"]
    equal(certificates(fetched(location)), text("one.pem").splitlines() + text("two.pem").splitlines())
    expires = int(location.partition("expires=")[2].partition("&")[0])
    for wrong in [location[:-1], location.replace(f"expires={expires}", f"expires={expires + 1}"), location.partition("?")[0]]:
        try:
            fetched(wrong)
        except urllib.error.HTTPError as error:
            equal(error.code, 403)
        else:
            raise AssertionError(f"{wrong} was answered")
    content = elb.get_trust_store_revocation_content(TrustStoreArn=arn, RevocationId=1)["Location"]
    equal(fetched(content), text("ann.crl"))
    refused("RevocationIdNotFound", elb.get_trust_store_revocation_content, TrustStoreArn=arn, RevocationId=7)


def made():
    os.makedirs(FOLDER)
    for issuer in ["one", "two"]:
        authority(issuer)
    for who in ["ann", "bob"]:
        person(who, "one")
    person("eve", "two")
    put("bundles/one.pem", "# the first authority\n" + text("one.pem"))
    arguments = {"Name": "people", **IN_BUCKET, "CaCertificatesBundleS3Key": "bundles/one.pem"}
    created = elb.create_trust_store(**arguments, Tags=[{"Key": "stage", "Value": "dev"}])["TrustStores"][0]
    arn = created["TrustStoreArn"]
    equal(created, {"Name": "people", "TrustStoreArn": arn, "Status": "CREATING", "NumberOfCaCertificates": 1, "TotalRevokedEntries": 0})
    assert ":truststore/people/" in arn, arn
    equal(store(arn), {**created, "Status": "ACTIVE"})
    equal(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"], [{"Key": "stage", "Value": "dev"}])
    refused("DuplicateTrustStoreName", elb.create_trust_store, **arguments)
    return arn


def mutual(arn):
    certificate = acm.request_certificate(DomainName="mutual.localhost", ValidationMethod="DNS")["CertificateArn"]
    return listener(
        load_balancer(Name="mutual"), 9001, fixed("in"), Protocol="HTTPS",
        Certificates=[{"CertificateArn": certificate}],
        MutualAuthentication={"Mode": "verify", "TrustStoreArn": arn},
    )


def acts_before_the_call_returns(arn):
    equal([admitted(9001, who) for who in ["ann", "bob", "eve"]], [True, True, False])
    put("bundles/both.pem", text("one.pem") + text("two.pem"))
    changed = elb.modify_trust_store(TrustStoreArn=arn, **IN_BUCKET, CaCertificatesBundleS3Key="bundles/both.pem")["TrustStores"][0]
    equal((changed["NumberOfCaCertificates"], changed["Status"]), (2, "ACTIVE"))
    equal([admitted(9001, who) for who in ["ann", "bob", "eve"]], [True, True, True])
    # Lists of two authorities.
    for who, issuer in [("ann", "one"), ("eve", "two")]:
        revoke(who, issuer)
        put(f"lists/{who}.crl", text(f"{who}.crl"))
    contents = [{"S3Bucket": "trust", "S3Key": f"lists/{who}.crl", "RevocationType": "CRL"} for who in ["ann", "eve"]]
    added = elb.add_trust_store_revocations(TrustStoreArn=arn, RevocationContents=contents)["TrustStoreRevocations"]
    listed = [
        {"TrustStoreArn": arn, "RevocationId": number, "RevocationType": "CRL", "NumberOfRevokedEntries": 1} for number in [1, 2]
    ]
    equal(added, listed)
    equal(elb.describe_trust_store_revocations(TrustStoreArn=arn)["TrustStoreRevocations"], listed)
    equal(store(arn)["TotalRevokedEntries"], 2)
    equal([admitted(9001, who) for who in ["ann", "bob", "eve"]], [False, True, False])
    links(arn)
    elb.remove_trust_store_revocations(TrustStoreArn=arn, RevocationIds=[2])
    equal(store(arn)["TotalRevokedEntries"], 1)
    equal([admitted(9001, who) for who in ["ann", "bob", "eve"]], [False, True, True])


def refusals(arn):
    create = lambda code, key, bucket="trust", **more: refused(
        code, elb.create_trust_store, Name=name("ts"), CaCertificatesBundleS3Bucket=bucket, CaCertificatesBundleS3Key=key, **more
    )
    outside = os.path.join(os.environ["OBJECTS"], "..", "outside.pem")
    shutil.copy(os.path.join(FOLDER, "one.pem"), outside)
    os.symlink(os.path.realpath(outside), os.path.join(BUCKET, "link.pem"))
    for key in ["missing.pem", "../../outside.pem", "link.pem", "bundles", "/etc/passwd", ""]:
        create("CaCertificatesBundleNotFound", key)
    create("CaCertificatesBundleNotFound", "one.pem", bucket="none")
    create("CaCertificatesBundleNotFound", "outside.pem", bucket="..")
    create("CaCertificatesBundleNotFound", "bundles/one.pem", CaCertificatesBundleS3ObjectVersion="1", contains="--s3-root")
    put("bundles/blank.pem", "\n" + text("one.pem"))
    create("InvalidCaCertificatesBundle", "bundles/blank.pem", contains="blank")
    put("bundles/leaf.pem", text("ann.pem"))
    create("InvalidCaCertificatesBundle", "bundles/leaf.pem")
    put("bundles/large.pem", "#" * (3 << 20))
    create("InvalidCaCertificatesBundle", "bundles/large.pem")
    refused("ValidationError", elb.create_trust_store, Name="no--name", **IN_BUCKET, CaCertificatesBundleS3Key="bundles/one.pem")
    refused("ValidationError", elb.create_trust_store, Name="x", CaCertificatesBundleS3Bucket="trust")
    missing = arn[:-16] + "0" * 16
    refused("TrustStoreNotFound", elb.modify_trust_store, TrustStoreArn=missing, **IN_BUCKET, CaCertificatesBundleS3Key="bundles/one.pem")
    refused("TrustStoreNotFound", elb.get_trust_store_ca_certificates_bundle, TrustStoreArn=missing)
    add = lambda code, key, **more: refused(
        code, elb.add_trust_store_revocations, TrustStoreArn=arn, RevocationContents=[{"S3Bucket": "trust", "S3Key": key, **more}]
    )
    add("RevocationContentNotFound", "lists/none.crl")
    add("InvalidRevocationContent", "bundles/one.pem")
    add("ValidationError", "lists/ann.crl", RevocationType="OCSP")
    refused("TrustStoreInUse", elb.delete_trust_store, TrustStoreArn=arn)
    association = elb.describe_trust_store_associations(TrustStoreArn=arn)["TrustStoreAssociations"][0]["ResourceArn"]
    refused("DeleteAssociationSameAccount", elb.delete_shared_trust_store_association, TrustStoreArn=arn, ResourceArn=association)
    refused("AssociationNotFound", elb.delete_shared_trust_store_association, TrustStoreArn=arn, ResourceArn=association[:-1] + "x")
    # What was refused changed nothing.
    equal((store(arn)["NumberOfCaCertificates"], store(arn)["TotalRevokedEntries"]), (2, 1))
    equal([it["Name"] for it in elb.describe_trust_stores()["TrustStores"] if it["Name"] != "clients"], ["people"])


def permissions():
    """Who reads objects needs the permission to."""
    iam = client("iam")
    iam.create_user(UserName="reader")
    allow = lambda *actions: iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
    allow("elasticloadbalancing:*")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = client(access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    arguments = {"Name": "read", **IN_BUCKET, "CaCertificatesBundleS3Key": "bundles/one.pem"}
    refused("AccessDenied", reader.create_trust_store, 403, contains="s3:GetObject", **arguments)
    allow("elasticloadbalancing:*", "s3:GetObject")
    elb.delete_trust_store(TrustStoreArn=reader.create_trust_store(**arguments)["TrustStores"][0]["TrustStoreArn"])


# ALB-P-030: links to what they are made of, for whoever has them as they were given. ALB-X-013: not while in use
def test_trust_stores_are_made_of_objects():
    if os.environ["RUN"] == "first":
        arn = made()
        mutual(arn)
        acts_before_the_call_returns(arn)
        refusals(arn)
        permissions()
        shutil.rmtree(os.environ["OBJECTS"])
        return notes(arn=arn)
    arn = notes()["arn"]
    equal((store(arn)["NumberOfCaCertificates"], store(arn)["TotalRevokedEntries"]), (2, 1))
    equal([admitted(9001, who) for who in ["ann", "bob", "eve"]], [False, True, True])
    links(arn)
    refused("CaCertificatesBundleNotFound", elb.modify_trust_store, TrustStoreArn=arn, **IN_BUCKET, CaCertificatesBundleS3Key="bundles/one.pem")
    for balancer in elb.describe_load_balancers(Names=["mutual"])["LoadBalancers"]:
        elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    elb.delete_trust_store(TrustStoreArn=arn)
    refused("TrustStoreNotFound", elb.describe_trust_stores, TrustStoreArns=[arn])


def test_capacity_and_pools():
    if os.environ["RUN"] == "first":
        return
    arn = load_balancer()["LoadBalancerArn"]
    modify = elb.modify_capacity_reservation
    reset = modify(LoadBalancerArn=arn, ResetCapacityReservation=True)
    before = elb.describe_capacity_reservation(LoadBalancerArn=arn)
    for answer in [reset, before]:
        answer.pop("ResponseMetadata")
    equal(reset, before)
    assert "MinimumLoadBalancerCapacity" not in reset, reset
    units = lambda number: {"LoadBalancerArn": arn, "MinimumLoadBalancerCapacity": {"CapacityUnits": number}}
    refused("OperationNotPermitted", modify, **units(100), contains="reserves no capacity")
    refused("CapacityUnitsLimitExceeded", modify, **units(15_001))
    refused("InvalidConfigurationRequest", modify, **units(99))
    refused("ValidationError", modify, LoadBalancerArn=arn)
    refused("ValidationError", modify, **units(100), ResetCapacityReservation=True)
    refused("LoadBalancerNotFound", modify, LoadBalancerArn=arn[:-16] + "0" * 16, ResetCapacityReservation=True)
    pools = elb.modify_ip_pools
    equal(pools(LoadBalancerArn=arn, RemoveIpamPools=["ipv4"])["IpamPools"], {})
    refused("InvalidConfigurationRequest", pools, LoadBalancerArn=arn, IpamPools={"Ipv4IpamPoolId": "ipam-pool-0a"}, contains="not found")
    refused("ValidationError", pools, LoadBalancerArn=arn, IpamPools={"Ipv4IpamPoolId": "pool"})
    refused("ValidationError", pools, LoadBalancerArn=arn, RemoveIpamPools=["ipv6"])
    refused("LoadBalancerNotFound", pools, LoadBalancerArn=arn[:-16] + "0" * 16)
    elb.delete_load_balancer(LoadBalancerArn=arn)


run(globals())
