//! Buckets in memory.

use crate::support::*;
use flate2::read::GzDecoder;
use observe::{LogStore, ObjectName};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// All buckets. A clone means the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By bucket and key.
    objects: BTreeMap<(String, String), Vec<u8>>,
    /// Buckets that take nothing.
    closed: Vec<String>,
}

impl LogStore for Buckets {
    fn put(&self, object: &ObjectName, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let mut inner = self.0.lock().unwrap();
        if inner.closed.contains(&object.bucket) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is closed"));
        }
        inner.objects.insert((object.bucket.clone(), object.key.clone()), bytes);
        Ok(())
    }
}

impl Buckets {
    /// From now on this bucket takes nothing, or everything.
    pub(crate) fn close(&self, bucket: &str, closed: bool) {
        let mut inner = self.0.lock().unwrap();
        inner.closed.retain(|other| other != bucket);
        if closed {
            inner.closed.push(bucket.to_owned());
        }
    }

    /// The keys in a bucket, sorted.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let inner = self.0.lock().unwrap();
        let keys = inner.objects.keys().filter(|(its, _)| its == bucket);
        keys.map(|(_, key)| key.clone()).collect()
    }

    /// The lines of all log objects of a bucket; those of connection logs have `conn_log_` as prefix, those of health checks
    /// `health_check_log_`, those of access logs nothing.
    pub(crate) fn lines(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let begin = format!("/{prefix}123456789012_elasticloadbalancing_");
        let inner = self.0.lock().unwrap();
        let mut text = String::new();
        for ((its, key), bytes) in &inner.objects {
            if its == bucket && key.contains(&begin) {
                GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
            }
        }
        text.lines().map(str::to_owned).collect()
    }
}

impl Setup {
    /// Delivers the access log, the connection log and the health-check log to buckets of these names.
    pub(crate) fn delivering(mut self, buckets: &Buckets) -> Self {
        self.log_store = Some(Arc::new(buckets.clone()));
        for log in ["access", "connection", "health_check"] {
            let bucket = format!("{}-bucket", log.replace('_', "-"));
            self = self
                .attribute(&format!("{log}_logs.s3.bucket"), &bucket)
                .attribute(&format!("{log}_logs.s3.enabled"), "true");
        }
        self
    }
}
