use super::*;
use std::cell::Cell;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1_800_000_000) };
}

fn ticketing() -> Ticketing {
    Ticketing::with_clock(|| NOW.get()).unwrap()
}

fn pass(hours: u64) {
    NOW.set(NOW.get() + hours * 60 * 60);
}

#[test]
fn a_ticket_opens_where_it_was_made() {
    let ticketing = ticketing();
    let (here, elsewhere) = (ticketing.bound_to([1; 32]), ticketing.bound_to([2; 32]));
    let ticket = here.encrypt(b"session").unwrap();
    assert_eq!(here.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    assert_eq!(
        ticketing.clone().bound_to([1; 32]).decrypt(&ticket).as_deref(),
        Some(&b"session"[..])
    );
    assert_eq!(elsewhere.decrypt(&ticket), None);
    assert_eq!(self::ticketing().bound_to([1; 32]).decrypt(&ticket), None, "other keys");
    assert_ne!(here.encrypt(b"session"), Some(ticket), "a nonce is used once");
}

#[test]
fn nothing_else_opens() {
    let tickets = ticketing().bound_to([1; 32]);
    let ticket = tickets.encrypt(b"session").unwrap();
    assert_eq!(ticket.len(), NAME_LEN + NONCE_LEN + "session".len() + TAG_LEN);
    for at in 0..ticket.len() {
        assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at} bytes");
        let mut damaged = ticket.clone();
        damaged[at] ^= 1;
        assert_eq!(tickets.decrypt(&damaged), None, "byte {at}");
    }
    let mut long = ticket;
    long.push(0);
    assert_eq!(tickets.decrypt(&long), None);
    let large = tickets.encrypt(&[0; TICKET_LEN_MAX]).unwrap();
    assert_eq!(tickets.decrypt(&large), None, "too large to be one of ours");
}

#[test]
fn keys_change_and_are_forgotten() {
    let ticketing = ticketing();
    let tickets = ticketing.bound_to([1; 32]);
    let first = tickets.encrypt(b"first").unwrap();
    pass(5);
    let same_key = tickets.encrypt(b"x").unwrap();
    assert_eq!(first[..NAME_LEN], same_key[..NAME_LEN]);
    pass(1);
    let second = tickets.encrypt(b"second").unwrap();
    assert_ne!(first[..NAME_LEN], second[..NAME_LEN]);
    pass(5);
    assert!(tickets.decrypt(&first).is_some() && tickets.decrypt(&second).is_some());
    pass(1);
    assert!(tickets.decrypt(&first).is_none(), "twelve hours old");
    let third = tickets.encrypt(b"third").unwrap();
    assert!(tickets.decrypt(&second).is_some() && tickets.decrypt(&third).is_some());
    // Nobody came for a day: the keys are not kept alive by that.
    pass(24);
    assert!(tickets.decrypt(&third).is_none());
    let fourth = tickets.encrypt(b"fourth").unwrap();
    assert!(tickets.decrypt(&third).is_none() && tickets.decrypt(&fourth).is_some());
    assert_eq!(u64::from(tickets.lifetime()), SEALS_SECS);
}

#[test]
fn a_clock_that_is_set_back_keeps_no_key_alive() {
    let tickets = ticketing().bound_to([1; 32]);
    let ticket = tickets.encrypt(b"session").unwrap();
    NOW.set(NOW.get() - 60);
    assert!(tickets.decrypt(&ticket).is_some());
    NOW.set(NOW.get() - 30 * 24 * 60 * 60);
    assert!(tickets.decrypt(&ticket).is_none());
    assert_ne!(tickets.encrypt(b"x").unwrap()[..NAME_LEN], ticket[..NAME_LEN]);
}

#[test]
fn keys_travel_to_the_process_that_takes_over() {
    let old = ticketing();
    let before = old.bound_to([1; 32]).encrypt(b"before").unwrap();
    pass(7);
    let after = old.bound_to([1; 32]).encrypt(b"after").unwrap();
    let new = ticketing();
    new.import(&old.export()).unwrap();
    let tickets = new.bound_to([1; 32]);
    assert_eq!(tickets.decrypt(&before).as_deref(), Some(&b"before"[..]));
    assert_eq!(tickets.decrypt(&after).as_deref(), Some(&b"after"[..]));
    assert_eq!(new.bound_to([2; 32]).decrypt(&after), None);
    let theirs = tickets.encrypt(b"new").unwrap();
    assert!(
        old.bound_to([1; 32]).decrypt(&theirs).is_some(),
        "both seal with one key while both live"
    );
    pass(6);
    assert!(tickets.decrypt(&before).is_none(), "the age of a key travels with it");
}

#[test]
fn only_exported_keys_are_taken_over() {
    let ticketing = ticketing();
    let ticket = ticketing.bound_to([1; 32]).encrypt(b"session").unwrap();
    let good = ticketing.export().expose().clone();
    let twice = [&good[..], &good[EXPORT.len()..], &good[EXPORT.len()..]].concat();
    for bytes in [
        Vec::new(),
        EXPORT.to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"\0"].concat(),
        good[1..].to_vec(),
        twice,
    ] {
        assert_eq!(ticketing.import(&Secret::new(bytes)), Err(UnreadableTicketKeys));
    }
    assert!(
        ticketing.bound_to([1; 32]).decrypt(&ticket).is_some(),
        "the keys are as before"
    );
}

#[test]
fn no_key_is_printed() {
    let ticketing = ticketing();
    let bytes = ticketing.export().expose().clone();
    let shown = format!(
        "{ticketing:?} {:?} {:?}",
        ticketing.bound_to([1; 32]),
        ticketing.export()
    );
    for four in bytes[EXPORT.len() + NAME_LEN..][..KEY_LEN].windows(4) {
        assert!(
            !shown.contains(&format!("{}, {}, {}, {}", four[0], four[1], four[2], four[3])),
            "{shown}"
        );
    }
}
