//! Deaths, disks that refuse, clocks that jump, and what is removed on purpose.

use super::*;
use crate::testing::{child_folder, child_part, run_child_part};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

#[test]
fn half_a_block_is_ignored_and_a_damaged_one_skipped() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let mut ends = vec![0];
    let path = {
        for minute in 0..3 {
            record(&mut datapoints, START + minute, &[requests(minute + 1)]);
            ends.push(list(&directory.file("datapoints")).unwrap()[0].bytes);
        }
        list(&directory.file("datapoints")).unwrap().remove(0).path
    };
    let whole = fs::read(&path).unwrap();
    let all = [(0, 1.0), (1, 2.0), (2, 3.0)];
    assert_eq!(request_sums(&directory), all);
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let blocks = ends.iter().filter(|block| **block > 0 && **block <= end as u64).count();
        assert_eq!(request_sums(&directory), all[..blocks], "{end}");
    }
    let mut damaged = whole.clone();
    damaged[usize::try_from(ends[1]).unwrap() + 20] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert_eq!(request_sums(&directory), [all[0], all[2]]);
    // After a death, there is a new file.
    let mut next = open(&directory);
    record(&mut next, START + 1, &[requests(10)]);
    assert_eq!(request_sums(&directory), [(0, 1.0), (1, 10.0), (2, 3.0)]);
}

#[test]
fn two_processes_at_once_add_up() {
    let directory = TestDirectory::new();
    let mut both = [open(&directory), open(&directory)];
    for minute in 0..3 {
        for (datapoints, n) in both.iter_mut().zip([1, 10]) {
            record(datapoints, START + minute, &[requests(n)]);
        }
    }
    assert_eq!(request_sums(&directory), [(0, 11.0), (1, 11.0), (2, 11.0)]);
}

#[test]
fn a_kill_loses_no_minute_that_was_recorded() {
    const TEST: &str = "datapoint::tests::faults::a_kill_loses_no_minute_that_was_recorded";
    if let Some(folder) = child_folder() {
        let mut datapoints = Datapoints::open(&folder.join("datapoints"), DatapointLimits::default()).unwrap();
        for minute in 0..100 {
            record(&mut datapoints, START + minute, &[requests(minute + 1)]);
        }
        println!("\nrecorded");
        // The other end never writes; it kills.
        let _ = io::stdin().read(&mut [0]);
        panic!("it was not killed");
    }
    let directory = TestDirectory::new();
    let mut child = child_part(TEST, directory.path(), "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "recorded"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        request_sums(&directory)
            .into_iter()
            .eq((0..100_u32).map(|minute| (minute.into(), f64::from(minute + 1))))
    );
}

#[test]
fn a_disk_that_fills_up_loses_datapoints_and_recovers() {
    const TEST: &str = "datapoint::tests::faults::a_disk_that_fills_up_loses_datapoints_and_recovers";
    let Some(folder) = child_folder() else {
        // No file may be longer than eight blocks: writes stop in the middle, as on a disk that fills up.
        run_child_part(TEST, "trap '' XFSZ\nulimit -f 8");
        return;
    };
    let mut datapoints = Datapoints::open(&folder.join("datapoints"), DatapointLimits::default()).unwrap();
    let monitor = datapoints.monitor();
    let names: Vec<_> = (0..50).map(|number| format!("Metric{number}")).collect();
    let minute_of = |datapoints: &mut Datapoints, minute: u64| {
        datapoints.record(minute, |points| {
            for name in &names {
                points.put(&point(name, &[], Statistics::count(1)));
            }
        })
    };
    let mut written = 0;
    let failing = loop {
        match minute_of(&mut datapoints, START + written) {
            None => written += 1,
            Some(news) => break news,
        }
        assert!(written < 30, "the disk never fills up");
    };
    assert!(matches!(failing, DatapointNews::Failing { .. }), "{failing:?}");
    assert_eq!(minute_of(&mut datapoints, START + written + 1), None, "told once");
    assert_eq!((monitor.written(), monitor.lost_not_written()), (written * 50, 100));
    assert!(monitor.error().is_some());
    // A file of its own has room.
    assert_eq!(
        minute_of(&mut datapoints, START + 30),
        Some(DatapointNews::Recovered { datapoints_lost: 100 })
    );
    assert_eq!(monitor.error(), None);
    let expected: Vec<_> = (0..written).chain([30]).map(|minute| (minute, 1.0)).collect();
    assert_eq!(sums(&datapoints.reader(), &query("Metric49", &[], 1)), expected);
}

#[test]
fn a_folder_that_goes_away_is_made_anew() {
    let directory = TestDirectory::new();
    let folder = directory.file("datapoints");
    let mut datapoints = open(&directory);
    record(&mut datapoints, START, &[requests(1)]);
    fs::remove_dir_all(&folder).unwrap();
    record(&mut datapoints, START + 1, &[requests(2)]);
    assert_eq!(request_sums(&directory), [(1, 2.0)]);

    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    let mut lose = |minute| datapoints.record(minute, |minute| minute.put(&requests(4)));
    assert!(matches!(lose(START + 2), Some(DatapointNews::Failing { .. })));
    assert_eq!(lose(START + 3), None);
    fs::remove_file(&folder).unwrap();
    assert_eq!(lose(START + 4), Some(DatapointNews::Recovered { datapoints_lost: 2 }));
    assert_eq!(request_sums(&directory), [(4, 4.0)]);
}

#[test]
fn what_is_older_than_two_weeks_is_removed() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let two_weeks = 14 * 24 * 60;
    for minute in [0, 60, 120] {
        record(&mut datapoints, START + minute, &[requests(1)]);
    }
    record(&mut datapoints, START + two_weeks + 60, &[requests(1)]);
    assert_eq!(request_sums(&directory), [(60, 1.0), (120, 1.0), (two_weeks + 60, 1.0)]);
}

#[test]
fn the_oldest_are_removed_when_all_take_too_much_room() {
    let directory = TestDirectory::new();
    let limits = DatapointLimits {
        bytes_max: 400,
        ..DatapointLimits::default()
    };
    let mut datapoints = Datapoints::open(&directory.file("datapoints"), limits).unwrap();
    // A block has between 80 and 90 bytes.
    for hour in 0..10 {
        record(&mut datapoints, START + 60 * hour, &[requests(1)]);
    }
    let kept: Vec<_> = (6..10).map(|hour| (60 * hour, 1.0)).collect();
    assert_eq!(request_sums(&directory), kept);
    let total: u64 = list(&directory.file("datapoints"))
        .unwrap()
        .iter()
        .map(|entry| entry.bytes)
        .sum();
    assert!(total <= 400, "{total}");
    // One hour alone may not take more either.
    let mut news = Vec::new();
    for minute in 0..10 {
        news.extend(datapoints.record(START + 600 + minute, |minute| minute.put(&requests(1))));
    }
    assert!(
        matches!(&news[..], [DatapointNews::Failing { error }] if error.contains("as much room as they may")),
        "{news:?}"
    );
    let monitor = datapoints.monitor();
    assert_eq!(monitor.written() + monitor.lost_not_written(), 20);
    assert_eq!(request_sums(&directory).len(), 4);
}

#[test]
fn a_clock_that_goes_back_is_followed() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    for minute in [90, 0, 30] {
        record(&mut datapoints, START + minute, &[requests(1)]);
    }
    assert_eq!(request_sums(&directory), [(0, 1.0), (30, 1.0), (90, 1.0)]);
    record(&mut datapoints, u64::MAX, &[requests(1)]);
    record(&mut datapoints, 0, &[requests(1)]);
}

#[test]
fn a_panic_in_the_middle_spoils_no_other_minute() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let half = std::panic::AssertUnwindSafe(|| {
        datapoints.record(START, |minute| {
            minute.put(&requests(1));
            panic!("in the middle of a minute");
        });
    });
    assert!(std::panic::catch_unwind(half).is_err());
    record(&mut datapoints, START + 1, &[requests(2)]);
    assert_eq!(request_sums(&directory), [(1, 2.0)]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let directory = TestDirectory::new();
    let folder = directory.file("datapoints");
    fs::write(&folder, "not a folder").unwrap();
    let error = Datapoints::open(&folder, DatapointLimits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot make the folder of datapoints {}", folder.display())
    );
    assert!(
        DatapointReader::new(directory.file("absent"))
            .statistics(&query("a", &[], 1))
            .unwrap()
            .is_empty()
    );
}
