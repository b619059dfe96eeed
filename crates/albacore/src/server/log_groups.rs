//! What is told about log groups on the disk.

use observe::LogGroupNews;
use tracing::{error, warn};

pub(super) fn tell(news: LogGroupNews) {
    match news {
        LogGroupNews::Failing { group, error } => error!(group, error, "what functions write cannot be kept"),
        LogGroupNews::Recovered { events_lost } => warn!(events_lost, "what functions write is kept again"),
        LogGroupNews::QueueFull { events_lost } => warn!(events_lost, "functions write more than the disk takes"),
    }
}
