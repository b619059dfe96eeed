//! A bucket that is gone when albacore starts again.

use crate::aws::{call, element};
use crate::support::{Server, get, with_manifest, worker};
use crate::taken_port::load_balancer;
use rustix::process::Signal;
use std::fs;
use std::path::Path;

const OPTIONS: [&str; 4] = ["--publish", "9001:0", "--log-buckets", "s3"];

/// Wants the access logs of a load balancer in a bucket.
fn log_to(server: &Server, bucket: &str) -> (u16, String) {
    let described = "Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=made";
    let (_, described) = call(server.endpoint(), "elasticloadbalancing", described).unwrap();
    let form = format!(
        "Action=ModifyLoadBalancerAttributes&Version=2015-12-01&LoadBalancerArn={}\
         &Attributes.member.1.Key=access_logs.s3.enabled&Attributes.member.1.Value=true\
         &Attributes.member.2.Key=access_logs.s3.bucket&Attributes.member.2.Value={bucket}",
        element(&described, "LoadBalancerArn")
    );
    call(server.endpoint(), "elasticloadbalancing", &form).unwrap()
}

/// How many files of logs are below a folder; test objects are none.
fn logs(below: &Path) -> usize {
    let entries = fs::read_dir(below).into_iter().flatten().map(Result::unwrap);
    let count = |path: &Path| match path.is_dir() {
        true => logs(path),
        false => usize::from(path.extension().is_some_and(|it| it == "gz")),
    };
    entries.map(|entry| count(&entry.path())).sum()
}

#[test]
fn a_bucket_of_the_api_that_is_gone_keeps_nothing_from_being_served() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&OPTIONS);
    assert_eq!(load_balancer(server.endpoint(), "made", 9001).0, 200);
    assert_eq!(log_to(&server, "logs").0, 200);
    assert_eq!(get(server.socket(9001), "/").0, 200);
    server.signal(Signal::TERM);
    server.exit_code();
    let bucket = folder.path("s3");
    assert_eq!(logs(&bucket), 1);

    fs::rename(&bucket, folder.path("elsewhere")).unwrap();
    folder.write("s3", "a file where a folder should be");
    let mut server = folder.up(&OPTIONS);
    assert_eq!(worker(&server).0, "a");
    assert_eq!(get(server.socket(9001), "/").0, 200);
    // What is asked for now is refused as ever.
    let (status, refused) = log_to(&server, "others");
    assert_eq!(
        (status, element(&refused, "Code")),
        (400, "InvalidConfigurationRequest"),
        "{refused}"
    );
    // Its lines have waited for it.
    fs::remove_file(&bucket).unwrap();
    fs::rename(folder.path("elsewhere"), &bucket).unwrap();
    server.signal(Signal::TERM);
    server.exit_code();
    assert_eq!(logs(&bucket), 2);
}
