//! What is the same for every scrape: names, help and label names, checked where the constant is made.

/// The common part of all families.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family<const N: usize> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: [&'static str; N],
}

/// A family of counters. Make it a constant: then a wrong name does not compile.
#[derive(Clone, Copy, Debug)]
pub struct CounterFamily<const N: usize>(pub(super) Family<N>);

/// A family of gauges. Make it a constant: then a wrong name does not compile.
#[derive(Clone, Copy, Debug)]
pub struct GaugeFamily<const N: usize>(pub(super) Family<N>);

/// A family of latency histograms. Make it a constant: then a wrong name does not compile.
#[derive(Clone, Copy, Debug)]
pub struct HistogramFamily<const N: usize>(pub(super) Family<N>);

impl<const N: usize> CounterFamily<N> {
    /// A family named without `_total`, which its samples get. A name that ends in `_seconds` or `_bytes` has that
    /// unit.
    ///
    /// # Panics
    /// When a name is not valid or not unique; in a constant that is an error while compiling.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Family::new(name, help, labels))
    }
}

impl<const N: usize> GaugeFamily<N> {
    /// A family. A name that ends in `_seconds` or `_bytes` has that unit.
    ///
    /// # Panics
    /// When a name is not valid or not unique; in a constant that is an error while compiling.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Family::new(name, help, labels))
    }
}

impl<const N: usize> HistogramFamily<N> {
    /// A family whose name ends in `_seconds`.
    ///
    /// # Panics
    /// When a name is not valid or not unique; in a constant that is an error while compiling.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        assert!(ends_with(name, "_seconds"), "a latency histogram is named ..._seconds");
        Self(Family::new(name, help, labels))
    }
}

/// Suffixes that samples get. A family with one of them in its own name could print the sample of another.
const RESERVED: [&str; 6] = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];

impl<const N: usize> Family<N> {
    const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        assert!(is_name(name), "a metric name is letters, digits and underscores");
        let mut index = 0;
        while index < RESERVED.len() {
            assert!(
                !ends_with(name, RESERVED[index]),
                "the name ends in a suffix that samples get"
            );
            index += 1;
        }
        let mut index = 0;
        while index < N {
            assert!(
                is_name(labels[index]),
                "a label name is letters, digits and underscores"
            );
            assert!(!is_same(labels[index], "le"), "`le` is the label of a bucket");
            let mut before = 0;
            while before < index {
                assert!(!is_same(labels[before], labels[index]), "label names differ");
                before += 1;
            }
            index += 1;
        }
        Self { name, help, labels }
    }
}

/// Colons are left out on purpose: they belong to recording rules.
const fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let allowed = bytes[index] == b'_' || bytes[index].is_ascii_alphanumeric();
        if !allowed || (index == 0 && bytes[0].is_ascii_digit()) {
            return false;
        }
        index += 1;
    }
    index > 0
}

const fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && ends_with(one, other)
}

const fn ends_with(name: &str, suffix: &str) -> bool {
    let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
    if name.len() < suffix.len() {
        return false;
    }
    let start = name.len() - suffix.len();
    let mut index = 0;
    while index < suffix.len() {
        if name[start + index] != suffix[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for name in ["albacore_proxy_requests", "_a", "a9"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "9a", "a-b", "a:b", "a b", "\u{fc}"] {
            assert!(!is_name(name), "{name}");
        }
    }

    fn made<T>(_: T) {}

    #[test]
    fn families_that_would_print_invalid_text_are_refused() {
        let refused: [(&str, fn()); 6] = [
            ("suffix", || made(CounterFamily::new("a_total", "", []))),
            ("empty", || made(GaugeFamily::new("", "", []))),
            ("le", || made(GaugeFamily::new("a", "", ["le"]))),
            ("twice", || made(GaugeFamily::new("a", "", ["b", "c", "b"]))),
            ("label", || made(GaugeFamily::new("a", "", ["b-c"]))),
            ("unit", || made(HistogramFamily::new("a", "", []))),
        ];
        for (name, make) in refused {
            assert!(std::panic::catch_unwind(make).is_err(), "{name}");
        }
        let _ = HistogramFamily::new("a_seconds", "", ["b", "bb"]);
    }
}
