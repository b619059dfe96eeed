//! What the connection log says of clients with and without certificates. Source: ALB 8.5.

use super::*;
use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
use observe::{Delivery, DeliveryLimits, LogStore, ObjectName};
use proxy::{CoreParts, LogDeliveries, LogFormat, Options, Proxy};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// A bucket in memory.
#[derive(Debug, Default)]
struct Bucket(Mutex<Vec<(String, Vec<u8>)>>);

impl LogStore for Bucket {
    fn put(&self, object: &ObjectName, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.0.lock().unwrap().push((object.key.clone(), bytes));
        Ok(())
    }
}

struct Nobody;

impl Invoker for Nobody {
    fn invoke(&self, _: Invocation) -> LocalBoxFuture<InvokeOutcome> {
        unreachable!("there is no function")
    }
}

/// A proxy whose connections are logged.
struct Logged {
    proxy: Proxy,
    address: SocketAddr,
    deliveries: Arc<LogDeliveries>,
    bucket: Arc<Bucket>,
    _spool: Scratch,
}

impl Logged {
    fn start(setup: Setup) -> Self {
        // Both at once, because one without the other is refused.
        let mut setup = setup;
        let attributes = &mut setup.attributes;
        attributes.set("connection_logs.s3.bucket", "logs").unwrap();
        attributes.set("connection_logs.s3.enabled", "true").unwrap();
        let (bucket, spool) = (Arc::new(Bucket::default()), Scratch::new());
        let (delivery, sender) = Delivery::open(
            &spool.0,
            bucket.clone(),
            Ipv4Addr::LOCALHOST.into(),
            DeliveryLimits::default(),
            |_| {},
        )
        .unwrap();
        let deliveries = Arc::new(LogDeliveries::new(delivery));
        let options = Options {
            bind: Ipv4Addr::LOCALHOST.into(),
            publish: [(PORT, 0)].into(),
            cores: 1,
            limits: setup.limits.clone(),
            cookie_key: [7; 32],
            access_log: None,
            log_delivery: Some((deliveries.clone(), sender)),
            log_format: LogFormat::Text,
            availability_zone: "us-east-1a".to_owned(),
        };
        let parts = |_| CoreParts {
            invoker: Rc::new(Nobody) as Rc<dyn Invoker>,
            shutdown: Box::pin(async {}),
        };
        let proxy = Proxy::start(options, parts).unwrap();
        proxy.apply(&state_of(&setup.commands())).unwrap();
        Self {
            address: proxy.listeners()[0].socket,
            proxy,
            deliveries,
            bucket,
            _spool: spool,
        }
    }

    /// Connects, and asks if that succeeds.
    fn visit(&self, offer: Offer) {
        if let Ok(mut client) = handshake(self.address, &offer.config(), "shop.example") {
            let _ = client
                .stream
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); // it may be refused
            let _ = client.stream.read_to_end(&mut Vec::new()); // the same
        }
    }

    /// Stops, and reads the log. Its lines come in the order of the clients.
    fn lines(self) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(self.proxy.drain());
        drop(self.proxy);
        assert!(self.deliveries.close(PATIENCE));
        let objects = self.bucket.0.lock().unwrap();
        let logs = objects.iter().filter(|(key, _)| key.contains("/conn_log_"));
        logs.flat_map(|(_, gzipped)| unzipped(gzipped).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

fn unzipped(bytes: &[u8]) -> String {
    let mut child = Command::new("python3")
        .args([
            "-c",
            "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// The fields of a line, of which the subject is in quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => fields.extend(part.split_whitespace().map(str::to_owned)),
            _ => fields.push(part.to_owned()),
        }
    }
    fields
}

// ALB-X-011: a revoked certificate is logged as `Failed:ClientCertCrlHit`
#[test]
fn every_attempt_is_a_line() {
    let root = Authority::root("Root");
    let store = trust_store(&[&root], &[root.revokes(&[666])]);
    let logged = Logged::start(Setup::default().with_tls().asking(verify(), Some(store)));
    let dates = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2024, 7, 28);
        params.not_after = rcgen::date_time_ymd(2094, 8, 27);
    };
    let validity = "NotBefore=2024-07-28T00:00:00Z;NotAfter=2094-08-27T00:00:00Z";
    let client = |name: &str, number: u64| {
        root.client(name, |params| {
            serial_number(number)(params);
            dates(params);
        })
    };
    let foreign = Authority::root("Other").client("foreign", |params| {
        serial_number(9)(params);
        dates(params);
    });
    logged.visit(tls13().showing(client("good", 0x5a)));
    logged.visit(Offer::tls12().showing(client("good", 0x5b)));
    logged.visit(tls13().showing(client("revoked", 666)));
    logged.visit(tls13().showing(foreign));
    logged.visit(tls13());
    let (address, port) = (logged.address.ip().to_string(), PORT.to_string());
    let lines: Vec<_> = logged.lines().iter().map(|line| fields(line)).collect();
    let expected = [
        [
            "TLSv1.3",
            "TLS_AES_128_GCM_SHA256",
            "CN=good",
            validity,
            "5A",
            "Success",
            "x25519",
        ],
        [
            "TLSv1.2",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "CN=good",
            validity,
            "5B",
            "Success",
            "x25519",
        ],
        ["-", "-", "CN=revoked", validity, "029A", "Failed:ClientCertCrlHit", "-"],
        [
            "-",
            "-",
            "CN=foreign",
            validity,
            "09",
            "Failed:ClientCertUntrusted",
            "-",
        ],
        ["-", "-", "-", "-", "-", "Failed:UnmappedConnectionError", "-"],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, [version, cipher, subject, validity, number, status, exchange]) in lines.iter().zip(expected) {
        assert_eq!(line.len(), 13, "{line:?}");
        assert_eq!((&line[1], &line[3]), (&address, &port));
        assert_eq!((&*line[4], &*line[5]), (version, cipher), "{line:?}");
        assert_eq!(line[6] == "-", status != "Success", "{line:?}");
        assert_eq!(
            (&*line[7], &*line[8], &*line[9]),
            (subject, validity, number),
            "{line:?}"
        );
        assert_eq!((&*line[10], &*line[12]), (status, exchange), "{line:?}");
        assert!(line[11].starts_with("TID_"), "{line:?}");
    }
}
