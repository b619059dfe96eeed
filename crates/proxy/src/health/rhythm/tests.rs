use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn spread() -> Spread {
    Spread::new(7, 5 * SECOND)
}

#[test]
fn a_late_beginning_moves_nothing() {
    let due = Instant::now();
    let next = |late_millis: u64| {
        let began = due + Duration::from_millis(late_millis);
        (Last { due, began }.next(10 * SECOND) - due).as_secs()
    };
    for (late_millis, expected) in [
        (0, 10),
        (1, 10),
        (5000, 10),
        // Less than half an interval would be left.
        (5001, 20),
        (9999, 20),
        (10_000, 20),
        (15_000, 20),
        (15_001, 30),
        (1_000_000, 1010),
    ] {
        assert_eq!(next(late_millis), expected, "{late_millis} ms late");
    }
}

#[test]
fn a_check_that_is_late_is_put_off_once() {
    let (start, spread) = (Instant::now(), spread());
    let mut rhythm = Rhythm::new(start, 10 * SECOND, &spread);
    let first = rhythm.due();
    assert!(first < start + 5 * SECOND);
    assert!(rhythm.is_time(first + LATE, &spread), "a little is nothing");
    let late = first + SECOND;
    assert!(!rhythm.is_time(late, &spread));
    let drawn = rhythm.due();
    assert!((late..late + 5 * SECOND).contains(&drawn));
    // However late it is now.
    let later = drawn + 2 * SECOND;
    assert!(rhythm.is_time(later, &spread));
    rhythm.begin(later, 10 * SECOND);
    assert_eq!(rhythm.due(), drawn + 10 * SECOND);
    assert!(!rhythm.is_time(rhythm.due() + SECOND, &spread));
}

#[test]
fn a_new_interval_counts_from_the_last_check() {
    let (start, spread) = (Instant::now(), spread());
    let mut rhythm = Rhythm::new(start, 30 * SECOND, &spread);
    let first = rhythm.due();
    rhythm.follow(start, 20 * SECOND, &spread);
    assert_eq!(rhythm.due(), first, "nothing to count from");
    rhythm.begin(first, 20 * SECOND);
    let now = first + 8 * SECOND;
    for interval in [20, 60, 10, 300] {
        rhythm.follow(now, interval * SECOND, &spread);
        assert_eq!(rhythm.due(), first + interval * SECOND);
    }
    // It is over: another moment, soon.
    rhythm.follow(now, 5 * SECOND, &spread);
    let drawn = rhythm.due();
    assert!((now..now + 5 * SECOND).contains(&drawn) && drawn != now);
    // The same again changes nothing, and others do not put it off.
    let now = drawn - SECOND / 1000;
    for interval in [5, 6, 5, 7] {
        rhythm.follow(now, interval * SECOND, &spread);
        assert!(rhythm.due() <= drawn);
    }
}
