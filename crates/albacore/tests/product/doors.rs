//! What the manifest says of a function's door to AWS's APIs: `role`, and `aws_api: none`.

use crate::support::*;
use serde_json::Value;
use std::fs;

/// Says who it is, by a call through its door that it signs itself; or why it could not.
pub(crate) const CALLER: &str = r#"
import datetime, hashlib, hmac, http.client, os, re, socket, urllib.parse

def call(service, path, body):
    door = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = "/".join([when[:8], os.environ["AWS_REGION"], service, "aws4_request"])
    signed = {"host": door.netloc, "x-amz-date": when, "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(sorted(signed))
    sha256 = lambda text: hashlib.sha256(text.encode()).hexdigest()
    fields = [name + ":" + signed[name] for name in sorted(signed)]
    canonical = "\n".join(["POST", path, "", *fields, "", names, sha256(body)])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in [*scope.split("/"), "\n".join(["AWS4-HMAC-SHA256", when, scope, sha256(canonical)])]:
        key = hmac.new(key, part.encode(), "sha256").digest()
    credential = "Credential=%s/%s, SignedHeaders=%s" % (os.environ["AWS_ACCESS_KEY_ID"], scope, names)
    signed["authorization"] = "AWS4-HMAC-SHA256 %s, Signature=%s" % (credential, key.hex())
    line = http.client.HTTPConnection(door.hostname, door.port, timeout=50)
    line.request("POST", path, body, {**signed, "content-type": "application/x-www-form-urlencoded"})
    answer = line.getresponse()
    return answer.status, answer.read().decode()

def who():
    status, text = call("sts", "/", "Action=GetCallerIdentity&Version=2011-06-15")
    return re.search("<Arn>(.*)</Arn>", text)[1] if status == 200 else text
"#;

const HANDLER: &str = r#"
def handler(event, context):
    answer = {"process": os.getpid() if "AWS_ENDPOINT_URL" not in os.environ else os.environ["AWS_ACCESS_KEY_ID"]}
    try:
        answer["who"] = who()
    except KeyError as error:
        answer["missing"] = str(error)
    try:
        socket.create_connection(("127.0.0.1", 4566), 5).close()
        answer["door"] = "open"
    except OSError as error:
        answer["door"] = type(error).__name__
    return answer
"#;

fn manifest(keys: &str) -> String {
    format!(
        "functions:\n  orders: {{ code: ./orders, runtime: python3.12, handler: app.handler, timeout: 60s{keys} }}\n"
    )
}

fn ask(folder: &Folder) -> Value {
    let finished = folder.run(&["invoke", "orders"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.out).unwrap()
}

/// In the tier that this machine has.
fn start() -> (Folder, Server) {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    fs::create_dir(folder.path("orders")).unwrap();
    folder.write("orders/app.py", &format!("{CALLER}{HANDLER}"));
    folder.write("albacore.yaml", &manifest(""));
    let server = folder.up(&[]);
    (folder, server)
}

// LAM-E-015: the credentials are those of the function's role
#[test]
fn a_function_calls_as_the_role_that_it_was_given() {
    let (folder, mut server) = start();
    let as_role = |role: &str| format!("arn:aws:sts::000000000000:assumed-role/{role}/orders");
    let own = ask(&folder);
    assert_eq!(own["who"], as_role("orders"), "without the key, that of its name");
    folder.write("albacore.yaml", &manifest(", role: reader"));
    assert_eq!(server.notice("revision")["change"], "1 function changed");
    let reader = ask(&folder);
    assert_eq!(reader["who"], as_role("reader"));
    assert_eq!(reader["process"], own["process"], "at once, where it runs already");
    let arn = "arn:aws:iam::000000000000:role/service/writer";
    folder.write("albacore.yaml", &manifest(&format!(", role: '{arn}'")));
    server.notice("revision");
    assert_eq!(ask(&folder)["who"], as_role("writer"));
}

#[test]
fn a_function_without_a_door_reaches_nobody() {
    let (folder, mut server) = start();
    let is_apart = server.own_api("status").1["sandbox"] == "namespace";
    assert!(ask(&folder)["who"].is_string());
    folder.write("albacore.yaml", &manifest(", aws_api: none"));
    server.notice("revision");
    let closed = ask(&folder);
    assert_eq!(closed["missing"], "'AWS_ENDPOINT_URL'", "{closed}");
    if is_apart {
        assert_eq!(
            closed["door"], "ConnectionRefusedError",
            "nobody listens, and nobody waits"
        );
    }
    folder.write("albacore.yaml", &manifest(""));
    server.notice("revision");
    assert!(ask(&folder)["who"].is_string(), "and it is open again");
}

#[test]
fn a_function_in_the_hosts_network_has_a_door_of_its_own() {
    let (folder, mut server) = start();
    folder.write("albacore.yaml", &manifest(", network: host, role: reader"));
    server.notice("revision");
    let who = ask(&folder)["who"].clone();
    assert_eq!(who, "arn:aws:sts::000000000000:assumed-role/reader/orders");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let (folder, mut server) = start();
    folder.write("albacore.yaml", &manifest(", role: reader, aws_api: none"));
    let mistake = server.notice("mistake");
    assert_eq!(
        (&mistake["line"], &mistake["column"]),
        (&2.into(), &86.into()),
        "{mistake}"
    );
    let said = "`role` has no effect with `aws_api: none`: take one of them out";
    assert_eq!(mistake["message"], said);
    assert!(ask(&folder)["who"].is_string(), "what runs goes on");
}
