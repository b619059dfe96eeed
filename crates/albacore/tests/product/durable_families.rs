//! Every family of the AWS API is killed in the middle of its changes, again and again: what was acknowledged is there,
//! with all that belongs to it, and nothing else is half there.

use crate::aws::{call, element, elements, json, lambda};
use crate::support::{Server, new_folder, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json as document};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// One client of one family: makes the numbered resource with all its steps. `None` when the server is gone.
type Make = fn(SocketAddr, &str) -> Option<()>;
/// What there is of a resource: nothing, a number of its steps, or all of them.
type Look = fn(SocketAddr, &str) -> usize;

/// A family: its prefix, its steps, and how many there are.
struct Family {
    name: &'static str,
    make: Make,
    look: Look,
    steps: usize,
}

const FAMILIES: [Family; 7] = [
    Family {
        name: "function",
        make: make_function,
        look: look_at_function,
        steps: 5,
    },
    Family {
        name: "layer",
        make: make_layer,
        look: look_at_layer,
        steps: 2,
    },
    Family {
        name: "user",
        make: make_user,
        look: look_at_user,
        steps: 3,
    },
    Family {
        name: "group",
        make: make_security_group,
        look: look_at_security_group,
        steps: 3,
    },
    Family {
        name: "certificate",
        make: make_certificate,
        look: look_at_certificate,
        steps: 2,
    },
    Family {
        name: "tags",
        make: make_tags,
        look: look_at_tags,
        steps: 2,
    },
    Family {
        name: "log events",
        make: make_events,
        look: look_at_events,
        steps: 4,
    },
];

const KILLS: usize = 5;

/// How many steps of which resource were acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<(usize, String), usize>>>;

std::thread_local! {
    /// The steps that the client on this thread was told are made.
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts a step that was answered; one that was not ends the client.
#[track_caller]
fn done(answer: Option<(u16, String)>) -> Option<String> {
    let (status, said) = answer?;
    assert!((200..300).contains(&status), "{status}: {said}");
    STEPS.set(STEPS.get() + 1);
    Some(said)
}

#[test]
fn what_was_acknowledged_survives_kill_in_every_family() {
    let folder = new_folder();
    folder.write("albacore.yaml", "functions: {}\n");
    let acknowledged = Acknowledged::default();
    for kill in 0..KILLS {
        let mut server = folder.up(&[]);
        let endpoint = server.endpoint();
        role(endpoint);
        let clients: Vec<_> = (0..FAMILIES.len())
            .map(|family| {
                let acknowledged = acknowledged.clone();
                std::thread::spawn(move || make_for_ever(endpoint, family, kill, &acknowledged))
            })
            .collect();
        let of_this_run = |family: usize| {
            let acknowledged = acknowledged.lock().unwrap();
            let mine = |(its, name): &(usize, String)| *its == family && name.starts_with(&format!("k{kill}-"));
            acknowledged
                .iter()
                .filter(|(key, _)| mine(key))
                .map(|(_, steps)| steps)
                .sum::<usize>()
        };
        // The moment of the kill moves from round to round.
        until("every family has changed something", || {
            (0..FAMILIES.len())
                .all(|family| of_this_run(family) > kill)
                .then_some(())
        });
        server.signal(Signal::KILL);
        assert_eq!(server.exit_code(), None);
        clients.into_iter().for_each(|client| client.join().unwrap());
        let server = folder.up(&[]);
        check(&server, &mut acknowledged.lock().unwrap());
    }
}

fn make_for_ever(endpoint: SocketAddr, family: usize, kill: usize, acknowledged: &Acknowledged) {
    for number in 0.. {
        let name = format!("k{kill}-{number}");
        STEPS.set(0);
        let is_there = (FAMILIES[family].make)(endpoint, &name).is_some();
        acknowledged.lock().unwrap().insert((family, name), STEPS.get());
        if !is_there {
            return;
        }
    }
}

/// Compares what is there with what was acknowledged: the step that was under way may have been made, as a whole.
fn check(server: &Server, acknowledged: &mut BTreeMap<(usize, String), usize>) {
    for ((family, name), steps) in acknowledged.iter_mut() {
        let Family {
            look,
            name: kind,
            steps: all,
            ..
        } = &FAMILIES[*family];
        let there = look(server.endpoint(), name);
        let possible = *steps..=(*steps + 1).min(*all);
        assert!(
            possible.contains(&there),
            "{kind} {name}: {there} steps are there, {steps} were acknowledged"
        );
        *steps = there;
    }
    packages(server);
}

/// Every package that something uses is there, and what nothing uses is gone once the server has collected.
fn packages(server: &Server) {
    let mut used: Vec<String> = Vec::new();
    let (_, listed) = lambda(
        server.endpoint(),
        "GET",
        "/2015-03-31/functions?FunctionVersion=ALL&MaxItems=50",
        "",
    )
    .unwrap();
    let mut page: Value = serde_json::from_str(&listed).unwrap();
    loop {
        let functions = page["Functions"].as_array().unwrap();
        used.extend(functions.iter().map(|it| hex(it["CodeSha256"].as_str().unwrap())));
        let Some(next) = page["NextMarker"].as_str() else { break };
        let path = format!("/2015-03-31/functions?FunctionVersion=ALL&MaxItems=50&Marker={next}");
        page = serde_json::from_str(&lambda(server.endpoint(), "GET", &path, "").unwrap().1).unwrap();
    }
    let (_, status) = server.own_api("status");
    let folder = std::path::Path::new(status["data_dir"].as_str().unwrap()).join("packages");
    for digest in &used {
        let file = folder.join(format!("{digest}.zip"));
        assert!(file.exists(), "{} is used and not there", file.display());
    }
    until("what nothing uses is gone", || {
        let names = fs::read_dir(&folder)
            .ok()?
            .map(|it| it.unwrap().file_name().into_string().unwrap());
        let layers = layer_digests(server.endpoint());
        let is_used = |name: &String| {
            used.iter()
                .chain(&layers)
                .any(|digest| *name == format!("{digest}.zip"))
        };
        names.collect::<Vec<_>>().iter().all(is_used).then_some(())
    });
}

/// Base64 as hexadecimal digits.
fn hex(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn layer_digests(endpoint: SocketAddr) -> Vec<String> {
    let (_, listed) = lambda(endpoint, "GET", "/2018-10-31/layers?MaxItems=50", "").unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert!(listed["NextMarker"].is_null(), "more layers than a page holds");
    let names = listed["Layers"].as_array().unwrap().iter();
    names
        .map(|layer| {
            let path = format!("/2018-10-31/layers/{}/versions/1", layer["LayerName"].as_str().unwrap());
            let version: Value = serde_json::from_str(&lambda(endpoint, "GET", &path, "").unwrap().1).unwrap();
            hex(version["Content"]["CodeSha256"].as_str().unwrap())
        })
        .collect()
}

/// A zip file with one stored file of this text, in base64.
fn zip(name: &str, text: &str) -> String {
    let checksum = {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        crc.sum()
    };
    let [size, name_bytes] = [text.len(), name.len()].map(|it| u32::try_from(it).unwrap());
    let about = |out: &mut Vec<u8>| {
        out.extend([20, 0, 0, 0, 0, 0, 0, 0, 33, 0]);
        [checksum, size, size]
            .iter()
            .for_each(|word| out.extend(word.to_le_bytes()));
        out.extend([name_bytes as u8, 0, 0, 0]);
    };
    let mut file = b"PK\x03\x04".to_vec();
    about(&mut file);
    file.extend([name.as_bytes(), text.as_bytes()].concat());
    let directory = file.len();
    file.extend(b"PK\x01\x02\x14\x03");
    about(&mut file);
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xed, 0x81, 0, 0, 0, 0]);
    file.extend(name.as_bytes());
    let directory_bytes = file.len() - directory;
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(u32::try_from(directory_bytes).unwrap().to_le_bytes());
    file.extend(u32::try_from(directory).unwrap().to_le_bytes());
    file.extend([0, 0]);
    STANDARD.encode(file)
}

/// The role of all functions; it is there from the second run on.
fn role(endpoint: SocketAddr) {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B\
                 %22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D";
    let form = format!("Action=CreateRole&Version=2010-05-08&RoleName=runner&AssumeRolePolicyDocument={trust}");
    let (status, said) = call(endpoint, "iam", &form).unwrap();
    assert!(status == 200 || said.contains("EntityAlreadyExists"), "{said}");
}

/// The function, other code, a version, an alias, reserved concurrency.
fn make_function(endpoint: SocketAddr, name: &str) -> Option<()> {
    let role = "arn:aws:iam::000000000000:role/runner";
    let create = document!({ "FunctionName": name, "Runtime": "provided.al2023", "Handler": "x", "Role": role,
        "Code": { "ZipFile": zip("bootstrap", name) } });
    done(lambda(endpoint, "POST", "/2015-03-31/functions", &create.to_string()))?;
    active(endpoint, name)?;
    let path = format!("/2015-03-31/functions/{name}");
    let code = document!({ "ZipFile": zip("bootstrap", &format!("{name} again")) });
    done(lambda(endpoint, "PUT", &format!("{path}/code"), &code.to_string()))?;
    active(endpoint, name)?;
    done(lambda(endpoint, "POST", &format!("{path}/versions"), "{}"))?;
    active(endpoint, name)?;
    let alias = document!({ "Name": "live", "FunctionVersion": "1" });
    done(lambda(endpoint, "POST", &format!("{path}/aliases"), &alias.to_string()))?;
    let concurrency = format!("/2017-10-31/functions/{name}/concurrency");
    done(lambda(
        endpoint,
        "PUT",
        &concurrency,
        "{\"ReservedConcurrentExecutions\":0}",
    ))?;
    Some(())
}

/// Waits until what was done to a function has come to its end.
fn active(endpoint: SocketAddr, name: &str) -> Option<()> {
    let path = format!("/2015-03-31/functions/{name}/configuration");
    until("the function is active", || {
        let Some((status, said)) = lambda(endpoint, "GET", &path, "") else {
            return Some(None);
        };
        assert_eq!(status, 200, "{said}");
        let shown: Value = serde_json::from_str(&said).unwrap();
        let is_over = shown["State"] == "Active" && shown["LastUpdateStatus"] == "Successful";
        is_over.then_some(Some(()))
    })
}

fn look_at_function(endpoint: SocketAddr, name: &str) -> usize {
    let path = format!("/2015-03-31/functions/{name}");
    let is_there = |path: &str| lambda(endpoint, "GET", path, "").unwrap().0 == 200;
    let (status, shown) = lambda(endpoint, "GET", &path, "").unwrap();
    if status == 404 {
        return 0;
    }
    let shown: Value = serde_json::from_str(&shown).unwrap();
    // Whatever was under way when the server was killed comes to its end.
    active(endpoint, name).unwrap();
    let digest = |text: &str| {
        let zip = STANDARD.decode(zip("bootstrap", text)).unwrap();
        shown["Configuration"]["CodeSize"] == zip.len()
    };
    let again = format!("{name} again");
    assert!(digest(name) || digest(&again), "{shown}");
    let steps = [
        digest(&again),
        is_there(&format!("{path}?Qualifier=1")),
        is_there(&format!("{path}/aliases/live")),
        shown["Concurrency"]["ReservedConcurrentExecutions"] == 0,
    ];
    in_order(&steps) + 1
}

/// How many steps were made; none is made before the one before it.
#[track_caller]
fn in_order(steps: &[bool]) -> usize {
    let made = steps.iter().take_while(|it| **it).count();
    assert!(!steps[made..].contains(&true), "{steps:?}");
    made
}

/// A version of a layer, and who may use it.
fn make_layer(endpoint: SocketAddr, name: &str) -> Option<()> {
    let path = format!("/2018-10-31/layers/{name}/versions");
    let publish = document!({ "Content": { "ZipFile": zip("library", name) } });
    done(lambda(endpoint, "POST", &path, &publish.to_string()))?;
    let permission = document!({ "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*" });
    done(lambda(
        endpoint,
        "POST",
        &format!("{path}/1/policy"),
        &permission.to_string(),
    ))?;
    Some(())
}

fn look_at_layer(endpoint: SocketAddr, name: &str) -> usize {
    let path = format!("/2018-10-31/layers/{name}/versions/1");
    let steps =
        [path.clone(), format!("{path}/policy")].map(|path| lambda(endpoint, "GET", &path, "").unwrap().0 == 200);
    in_order(&steps)
}

/// A user, a key, an inline policy.
fn make_user(endpoint: SocketAddr, name: &str) -> Option<()> {
    let iam = |form: &str| {
        done(call(
            endpoint,
            "iam",
            &format!("Version=2010-05-08&UserName={name}&{form}"),
        ))
    };
    iam("Action=CreateUser")?;
    iam("Action=CreateAccessKey")?;
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22\
                  %2C%22Resource%22%3A%22*%22%7D%7D";
    iam(&format!("Action=PutUserPolicy&PolicyName=p&PolicyDocument={policy}"))?;
    Some(())
}

fn look_at_user(endpoint: SocketAddr, name: &str) -> usize {
    let iam = |form: &str| call(endpoint, "iam", &format!("Version=2010-05-08&UserName={name}&{form}")).unwrap();
    if iam("Action=GetUser").0 != 200 {
        return 0;
    }
    let keys = iam("Action=ListAccessKeys").1;
    let policy = iam("Action=GetUserPolicy&PolicyName=p").0 == 200;
    in_order(&[keys.contains("<AccessKeyId>"), policy]) + 1
}

/// A security group, a rule, tags.
fn make_security_group(endpoint: SocketAddr, name: &str) -> Option<()> {
    let ec2 = |form: &str| done(call(endpoint, "ec2", &format!("Version=2016-11-15&{form}")));
    let made = ec2(&format!(
        "Action=CreateSecurityGroup&GroupName={name}&GroupDescription=x"
    ))?;
    let id = element(&made, "groupId").to_owned();
    ec2(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={id}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80\
         &IpPermissions.1.ToPort=80&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
    ))?;
    ec2(&format!(
        "Action=CreateTags&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=b"
    ))?;
    Some(())
}

fn look_at_security_group(endpoint: SocketAddr, name: &str) -> usize {
    let form =
        format!("Action=DescribeSecurityGroups&Version=2016-11-15&Filter.1.Name=group-name&Filter.1.Value.1={name}");
    let (status, said) = call(endpoint, "ec2", &form).unwrap();
    assert_eq!(status, 200, "{said}");
    match elements(&said, "groupId").is_empty() {
        true => 0,
        false => in_order(&[said.contains("10.0.0.0/8"), said.contains("<key>a</key>")]) + 1,
    }
}

fn acm(endpoint: SocketAddr, operation: &str, body: &Value) -> Option<(u16, String)> {
    json(
        endpoint,
        ("acm", &format!("CertificateManager.{operation}")),
        &body.to_string(),
    )
}

/// A certificate, and a tag.
fn make_certificate(endpoint: SocketAddr, name: &str) -> Option<()> {
    let made = done(acm(
        endpoint,
        "RequestCertificate",
        &document!({ "DomainName": format!("{name}.test"), "KeyAlgorithm": "EC_prime256v1" }),
    ))?;
    let made: Value = serde_json::from_str(&made).unwrap();
    let tags = document!({ "CertificateArn": made["CertificateArn"], "Tags": [{ "Key": "a", "Value": "b" }] });
    done(acm(endpoint, "AddTagsToCertificate", &tags))?;
    Some(())
}

fn look_at_certificate(endpoint: SocketAddr, name: &str) -> usize {
    let all = document!({ "Includes": { "keyTypes": ["EC_prime256v1"] } });
    let listed: Value = serde_json::from_str(&acm(endpoint, "ListCertificates", &all).unwrap().1).unwrap();
    let mut listed = listed["CertificateSummaryList"].as_array().unwrap().iter();
    let Some(found) = listed.find(|it| it["DomainName"] == format!("{name}.test")) else {
        return 0;
    };
    let arn = document!({ "CertificateArn": found["CertificateArn"] });
    // Its key is there, too.
    let (status, whole) = acm(endpoint, "GetCertificate", &arn).unwrap();
    assert!(status == 200 && whole.contains("BEGIN CERTIFICATE"), "{whole}");
    let tags = acm(endpoint, "ListTagsForCertificate", &arn).unwrap().1;
    in_order(&[tags.contains("\"Key\":\"a\"")]) + 1
}

/// A target group, and its tags.
fn make_tags(endpoint: SocketAddr, name: &str) -> Option<()> {
    let elb = |form: &str| {
        done(call(
            endpoint,
            "elasticloadbalancing",
            &format!("Version=2015-12-01&{form}"),
        ))
    };
    let made = elb(&format!("Action=CreateTargetGroup&Name={name}&TargetType=lambda"))?;
    let arn = element(&made, "TargetGroupArn");
    elb(&format!(
        "Action=AddTags&ResourceArns.member.1={arn}&Tags.member.1.Key=a&Tags.member.1.Value=b"
    ))?;
    Some(())
}

fn look_at_tags(endpoint: SocketAddr, name: &str) -> usize {
    let elb = |form: &str| call(endpoint, "elasticloadbalancing", &format!("Version=2015-12-01&{form}")).unwrap();
    let (status, said) = elb(&format!("Action=DescribeTargetGroups&Names.member.1={name}"));
    if status != 200 {
        return 0;
    }
    let tags = elb(&format!(
        "Action=DescribeTags&ResourceArns.member.1={}",
        element(&said, "TargetGroupArn")
    ))
    .1;
    in_order(&[tags.contains("<Key>a</Key>")]) + 1
}

/// A call of CloudWatch Logs.
fn logs(endpoint: SocketAddr, operation: &str, input: &Value) -> Option<(u16, String)> {
    let target = format!("Logs_20140328.{operation}");
    json(endpoint, ("logs", &target), &input.to_string())
}

fn make_events(endpoint: SocketAddr, name: &str) -> Option<()> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(since_epoch.as_millis()).unwrap();
    let stream = document!({ "logGroupName": name, "logStreamName": "s" });
    done(logs(endpoint, "CreateLogGroup", &document!({ "logGroupName": name })))?;
    done(logs(endpoint, "CreateLogStream", &stream))?;
    for message in ["one", "two"] {
        let mut input = stream.clone();
        input["logEvents"] = document!([{ "timestamp": now, "message": message }]);
        done(logs(endpoint, "PutLogEvents", &input))?;
    }
    Some(())
}

/// The group, the stream and the events, each of which is a step.
fn look_at_events(endpoint: SocketAddr, name: &str) -> usize {
    let of = |operation: &str, input: &Value, list: &str| {
        let (status, said) = logs(endpoint, operation, input).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        match status {
            200 => said[list].as_array().unwrap().clone(),
            _ => {
                assert_eq!(said["__type"], "ResourceNotFoundException", "{said}");
                Vec::new()
            }
        }
    };
    let groups = of(
        "DescribeLogGroups",
        &document!({ "logGroupNamePrefix": name }),
        "logGroups",
    );
    let groups = groups.iter().filter(|group| group["logGroupName"] == name).count();
    let stream = document!({ "logGroupName": name, "logStreamName": "s", "startFromHead": true });
    let streams = of("DescribeLogStreams", &document!({ "logGroupName": name }), "logStreams").len();
    let events = of("GetLogEvents", &stream, "events");
    let messages: Vec<_> = events.iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert!(["one", "two"].starts_with(&messages), "{messages:?}");
    groups + streams + events.len()
}
