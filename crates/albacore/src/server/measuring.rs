//! Once a minute, what load balancers and functions did becomes CloudWatch's metrics; what others measure comes in between.
//! Source: ALB 8.2, Lambda 9.2.

use anyhow::{Context, Result};
use control::{MeasureError, Measurement};
use functions::Functions;
use model::State;
use observe::{
    Datapoint, DatapointLimits, DatapointMinute, DatapointMonitor, DatapointNews, DatapointReader, Datapoints,
    Dimension,
};
use proxy::Proxy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

const MINUTE: Duration = Duration::from_secs(60);
/// Calls whose measurements wait to be written. One more is asked to come later.
const CALLS_MAX: usize = 64;

/// The folder of datapoints, and the task that fills it.
pub(super) struct Measuring {
    pub(super) folder: PathBuf,
    pub(super) monitor: DatapointMonitor,
    pub(super) measurements: Measurements,
    stop: CancellationToken,
    task: TaskTracker,
}

impl Measuring {
    /// Measures from now on.
    pub(super) fn start(data_dir: &Path, sources: Sources, zone: String) -> Result<Self> {
        let folder = data_dir.join("metrics");
        let datapoints = Datapoints::open(&folder, DatapointLimits::default()).context("metrics cannot be kept")?;
        let (stop, task) = (CancellationToken::new(), TaskTracker::new());
        let monitor = datapoints.monitor();
        let (calls, given) = mpsc::channel(CALLS_MAX);
        let measurements = Measurements {
            reader: datapoints.reader(),
            calls,
        };
        let measured = Measured {
            sources,
            zone,
            datapoints,
            given,
        };
        task.spawn(measured.run(stop.clone()));
        task.close();
        Ok(Self {
            folder,
            monitor,
            measurements,
            stop,
            task,
        })
    }

    /// Records what was measured since the last full minute, and ends.
    pub(super) async fn close(self, within: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(within, self.task.wait()).await.is_err() {
            error!("the metrics of the last minute could not be kept in time");
        }
    }
}

/// What is measured.
pub(super) struct Sources {
    pub(super) proxy: Proxy,
    pub(super) functions: Functions,
    pub(super) state: watch::Receiver<Arc<State>>,
}

/// The way to the datapoints for callers of the API.
#[derive(Clone)]
pub(super) struct Measurements {
    pub(super) reader: DatapointReader,
    calls: mpsc::Sender<Given>,
}

/// What one call gives, and its answer.
struct Given {
    measurements: Vec<Measurement>,
    done: oneshot::Sender<Result<(), MeasureError>>,
}

impl Measurements {
    /// Keeps what others have measured. When this returns the system has taken it.
    pub(super) async fn put(&self, measurements: Vec<Measurement>) -> Result<(), MeasureError> {
        let (done, kept) = oneshot::channel();
        self.calls
            .try_send(Given { measurements, done })
            .map_err(|full| match full {
                mpsc::error::TrySendError::Full(_) => MeasureError::Busy,
                mpsc::error::TrySendError::Closed(_) => MeasureError::Closed,
            })?;
        kept.await.unwrap_or(Err(MeasureError::Closed))
    }
}

struct Measured {
    sources: Sources,
    zone: String,
    datapoints: Datapoints,
    given: mpsc::Receiver<Given>,
}

/// Everything that was counted until one moment.
struct Readings {
    proxy: proxy::Readings,
    functions: functions::Readings,
}

impl Sources {
    fn read(&self) -> Readings {
        let state = self.state.borrow().clone();
        Readings {
            proxy: self.proxy.readings(),
            functions: self.functions.readings(&state),
        }
    }
}

impl Measured {
    async fn run(mut self, stop: CancellationToken) {
        let mut before = self.sources.read();
        let (mut minute, mut ends) = now();
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep_until(ends) => false,
                // It has a sender as long as the endpoint has.
                Some(given) = self.given.recv() => {
                    match tokio::task::spawn_blocking(move || { self.keep(given); self }).await {
                        Ok(measured) => self = measured,
                        Err(error) => return error!(%error, "metrics are kept no longer"),
                    }
                    continue;
                }
            };
            let readings = self.sources.read();
            let recorded = tokio::task::spawn_blocking(move || {
                self.record(minute, &before, &readings);
                (self, readings)
            });
            match recorded.await {
                Ok((measured, readings)) => (self, before) = (measured, readings),
                Err(error) => return error!(%error, "metrics are kept no longer"),
            }
            if stopped {
                return;
            }
            (minute, ends) = now();
        }
    }

    /// Blocks on the disk.
    fn record(&mut self, minute: u64, before: &Readings, now: &Readings) {
        self.sources.proxy.minute_is_over(&before.proxy, &now.proxy);
        self.sources.proxy.forget_left_tables();
        let zone = &self.zone;
        let news = self.datapoints.record(minute, |minute| {
            proxy::datapoints(&before.proxy, &now.proxy, zone, |point| minute.put(point));
            functions::datapoints(&before.functions, &now.functions, |point| minute.put(point));
        });
        tell(news);
        for began in now.functions.late_minutes() {
            let news = self.datapoints.record(began, |minute| {
                functions::late_datapoints(&now.functions, began, |point| minute.put(point));
            });
            tell(news);
        }
        if minute.is_multiple_of(60)
            && let Err(error) = self.datapoints.expire(minute)
        {
            warn!(%error, "metrics that are too old could not be removed");
        }
    }

    /// Blocks on the disk.
    fn keep(&mut self, given: Given) {
        let mut by_minute: BTreeMap<u64, Vec<&Measurement>> = BTreeMap::new();
        for measurement in &given.measurements {
            by_minute.entry(measurement.minute).or_default().push(measurement);
        }
        let lost = self.datapoints.monitor().lost_not_written();
        for (minute, measurements) in by_minute {
            let news = self.datapoints.record(minute, |minute| {
                measurements.iter().for_each(|measurement| put(measurement, minute));
            });
            tell(news);
        }
        let kept = match self.datapoints.monitor().lost_not_written() == lost {
            true => Ok(()),
            false => Err(MeasureError::Failed),
        };
        // Nobody may wait for it any more.
        let _ = given.done.send(kept);
    }
}

fn put(measurement: &Measurement, minute: &mut DatapointMinute<'_>) {
    let pairs = measurement.dimensions.iter();
    let dimensions: Vec<_> = pairs.map(|(name, value)| Dimension { name, value }).collect();
    minute.put(&Datapoint {
        namespace: &measurement.namespace,
        metric: &measurement.metric,
        dimensions: &dimensions,
        unit: measurement.unit,
        statistics: measurement.statistics,
        histogram: None,
    });
}

fn tell(news: Option<DatapointNews>) {
    match news {
        Some(DatapointNews::Failing { error }) => error!(error, "metrics cannot be kept"),
        Some(DatapointNews::Recovered { datapoints_lost }) => warn!(datapoints_lost, "metrics are kept again"),
        None => {}
    }
}

/// The minute of the wall clock, since the epoch, and when it is over. A clock that is put right meanwhile makes the minute
/// that was measured no other one.
fn now() -> (u64, Instant) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (minute, left) = minute_of(since);
    (minute, Instant::now() + left)
}

/// The minute, and how much of it is left: a little more, because a timer may be early.
fn minute_of(since_epoch: Duration) -> (u64, Duration) {
    const MORE: Duration = Duration::from_millis(5);
    let minute = since_epoch.as_secs() / MINUTE.as_secs();
    let over = Duration::from_secs((minute + 1) * MINUTE.as_secs());
    (minute, over - since_epoch + MORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_those_of_the_clock() {
        for (millis, minute, left) in [
            (0, 0, 60_005),
            (59_999, 0, 6),
            (60_000, 1, 60_005),
            (3_661_500, 61, 58_505),
        ] {
            let found = minute_of(Duration::from_millis(millis));
            assert_eq!(found, (minute, Duration::from_millis(left)), "{millis}");
        }
    }
}
