//! The delivery of load balancers' logs: its folders and threads, and what is told about them.

use crate::cli::Files;
use anyhow::Result;
use observe::{Delivery, DeliveryEvent, DeliveryLimits, DeliverySender, DirectoryStore};
use proxy::LogDeliveries;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};

/// The buckets, and who delivers to them.
pub(super) struct DeliveredLogs {
    pub(super) buckets: PathBuf,
    pub(super) deliveries: Arc<LogDeliveries>,
    pub(super) sender: DeliverySender,
}

impl DeliveredLogs {
    /// Starts delivering what earlier processes left. `bind` is the address that listeners are opened on.
    pub(super) fn open(files: &Files, data_dir: &Path, bind: IpAddr) -> Result<Self> {
        let buckets = match &files.log_buckets {
            Some(path) => std::path::absolute(path)?,
            None => data_dir.join("s3"),
        };
        let store = Arc::new(DirectoryStore::new(buckets.clone()));
        let (spool, node) = (data_dir.join("spool"), node(bind));
        let (delivery, sender) = Delivery::open(&spool, store, node, DeliveryLimits::default(), tell)?;
        Ok(Self {
            buckets,
            deliveries: Arc::new(LogDeliveries::new(delivery)),
            sender,
        })
    }

    /// Delivers what there is, open intervals too. The senders of the cores have to be gone.
    pub(super) async fn close(self, within: Duration) {
        let Self { deliveries, sender, .. } = self;
        drop(sender);
        let closed = tokio::task::spawn_blocking(move || deliveries.close(within)).await;
        if !closed.unwrap_or(false) {
            warn!("not all logs of load balancers were delivered in time; the next start delivers them");
        }
    }
}

/// The address of this load balancer node, as it stands in the names of objects. Listening on all addresses, it is the one
/// that packets leave by.
fn node(bind: IpAddr) -> IpAddr {
    if !bind.is_unspecified() {
        return bind;
    }
    // Addresses for documentation: connecting a socket of UDP sends nothing, it only looks for the way.
    let (far, loopback): (IpAddr, IpAddr) = match bind {
        IpAddr::V4(_) => (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => (
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::LOCALHOST.into(),
        ),
    };
    let near = UdpSocket::bind((bind, 0)).and_then(|socket| {
        socket.connect((far, 9))?;
        socket.local_addr()
    });
    near.map_or(loopback, |address| address.ip())
}

fn tell(event: DeliveryEvent) {
    match event {
        DeliveryEvent::SpoolFailing { error } => error!(error, "logs of load balancers cannot be written to the spool"),
        DeliveryEvent::SpoolRecovered { lines_lost } => {
            warn!(lines_lost, "logs of load balancers are written to the spool again");
        }
        DeliveryEvent::QueueFull { lines_lost } => warn!(lines_lost, "the spool of logs is slower than the traffic"),
        DeliveryEvent::StoreFailing { bucket, error } => {
            error!(bucket, error, "a bucket takes no logs; they wait in the spool");
        }
        DeliveryEvent::StoreRecovered { bucket } => warn!(bucket, "a bucket takes logs again"),
        DeliveryEvent::Stuck { path, error } => {
            error!(path = %path.display(), error, "a spool of logs can be neither read nor removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_an_address() {
        for bind in ["127.0.0.1", "::1", "192.0.2.7"] {
            let bind: IpAddr = bind.parse().unwrap();
            assert_eq!(node(bind), bind);
        }
        for bind in ["0.0.0.0", "::"] {
            let bind: IpAddr = bind.parse().unwrap();
            let found = node(bind);
            assert!(!found.is_unspecified() && found.is_ipv4() == bind.is_ipv4(), "{found}");
        }
    }
}
