//! The Telemetry API and the Logs API before it: extensions get what the log has, as JSON, at a listener of their own.
//!
//! Each subscription has a queue with bounds and a task that empties it. Whoever writes never waits: what a slow listener
//! does not take is dropped, counted, and the count is delivered. A run without subscriptions has none of this.
//! Source: Lambda 4.6.

mod delivery;
mod queue;
mod subscription;
#[cfg(test)]
mod tests;

pub(crate) use subscription::{Api, Subscription, TelemetryRefusal};

use crate::json::write_string;
use crate::log::write_time;
use queue::Queue;
use serde::de::IgnoredAny;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the end of an environment waits for listeners. It is a part of the time that extensions have for their end.
const FLUSH_TIME_MAX: Duration = Duration::from_millis(200);

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordType {
    Platform,
    Function,
    Extension,
}

impl RecordType {
    const ALL: [Self; 3] = [Self::Platform, Self::Function, Self::Extension];

    fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// Which of the two APIs has an event of the platform's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Both,
    /// Those who have subscribed with this one only.
    Only(Api),
}

/// The subscriptions of one run. Dropping it ends their deliveries.
#[derive(Default)]
pub(crate) struct Telemetry {
    subscribers: RefCell<Vec<Subscriber>>,
    deliveries: RefCell<JoinSet<()>>,
}

struct Subscriber {
    extension: String,
    subscription: Subscription,
    queue: Rc<Queue>,
}

impl Telemetry {
    /// Takes a subscription, in place of the same extension's earlier one.
    ///
    /// `connect` connects to a listener of the environment's on a port, and may believe that it is known.
    pub(crate) fn subscribe<F>(
        &self,
        extension: &str,
        subscription: Subscription,
        connect: impl Fn(u16, bool) -> F + 'static,
    ) where
        F: Future<Output = io::Result<TcpStream>> + 'static,
    {
        let queue = Rc::new(Queue::new(subscription.buffering));
        let delivery = delivery::deliver(Rc::clone(&queue), subscription.destination.clone(), connect);
        self.deliveries.borrow_mut().spawn_local(delivery);
        let mut subscribers = self.subscribers.borrow_mut();
        subscribers.retain(|other| {
            let is_other = other.extension != extension;
            if !is_other {
                other.queue.close();
            }
            is_other
        });
        subscribers.push(Subscriber {
            extension: extension.to_owned(),
            subscription,
            queue,
        });
    }

    /// An event of the platform's, a whole record.
    pub(crate) fn platform(&self, audience: Audience, record: &[u8]) {
        for subscriber in &*self.subscribers.borrow() {
            let is_meant = match audience {
                Audience::Both => true,
                Audience::Only(api) => api == subscriber.subscription.api,
            };
            if is_meant && subscriber.subscription.wants(RecordType::Platform) {
                subscriber.queue.put(record);
            }
        }
    }

    /// A line that the function or an extension wrote.
    pub(crate) fn line(&self, record_type: RecordType, timestamp_ms: u64, line: &[u8], is_json_log: bool) {
        let (mut text, mut object) = (None, None);
        for subscriber in &*self.subscribers.borrow() {
            if !subscriber.subscription.wants(record_type) {
                continue;
            }
            let wants_object = is_json_log && subscriber.subscription.has_objects && is_object(line);
            let record = match wants_object {
                true => {
                    object.get_or_insert_with(|| record(record_type, timestamp_ms, |out| out.extend_from_slice(line)))
                }
                false => text.get_or_insert_with(|| {
                    record(record_type, timestamp_ms, |out| {
                        write_string(out, &String::from_utf8_lossy(line));
                    })
                }),
            };
            subscriber.queue.put(record);
        }
    }

    /// Everything that waits is delivered now, and what comes at once. Waits for that for a moment.
    pub(crate) async fn flush(&self) {
        let queues: Vec<_> = self
            .subscribers
            .borrow()
            .iter()
            .map(|it| Rc::clone(&it.queue))
            .collect();
        let all = async {
            for queue in &queues {
                queue.hurry();
            }
            for queue in &queues {
                queue.empty().await;
            }
        };
        let _ = timeout(FLUSH_TIME_MAX, all).await;
    }
}

fn record(record_type: RecordType, timestamp_ms: u64, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"{\"time\":\"".to_vec();
    write_time(&mut out, timestamp_ms);
    out.extend(b"\",\"type\":\"");
    out.extend(record_type.as_str().as_bytes());
    out.extend(b"\",\"record\":");
    write(&mut out);
    out.push(b'}');
    out
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{')
        // A line break inside would end the record of a listener that reads lines.
        && !line.contains(&b'\n')
        && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}
