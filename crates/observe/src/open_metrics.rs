//! The text a scrape reads. Source: OpenMetrics 1.0, <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
//!
//! Families are constants, checked while compiling; samples are added in any order, by any room, once per core, and
//! samples with the same labels add up. So the text is valid by construction: one block a family, no line twice.
//!
//! Left to others: serving it, and keeping label values to what the configuration names, never what a client sent.

mod family;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

pub use family::{CounterFamily, GaugeFamily, HistogramFamily};

use crate::counters::{BOUNDS_NANOS, HistogramSnapshot};
use family::Family;

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All samples of one scrape.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<&'static str, Block>,
}

/// One family with its samples. The key of a sample is its labels as they are printed, without braces.
#[derive(Debug)]
struct Block {
    type_name: &'static str,
    help: &'static str,
    samples: BTreeMap<String, Value>,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(i64),
    Fraction(f64),
    Histogram(Box<HistogramSnapshot>),
}

impl Exposition {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a counter's value to what was added for these labels before.
    pub fn counter<const N: usize>(&mut self, family: &CounterFamily<N>, labels: [&str; N], value: u64) {
        self.add(&family.0, labels, Value::Counter(value));
    }

    /// Adds a gauge's value to what was added for these labels before.
    pub fn gauge<const N: usize>(&mut self, family: &GaugeFamily<N>, labels: [&str; N], value: i64) {
        self.add(&family.0, labels, Value::Gauge(value));
    }

    /// Adds a gauge's value that is no whole number to what was added for these labels before: a share, a rate, an
    /// average. One that is no number at all, such as an average of nothing, is left out.
    pub fn fraction<const N: usize>(&mut self, family: &GaugeFamily<N>, labels: [&str; N], value: f64) {
        if value.is_finite() {
            self.add(&family.0, labels, Value::Fraction(value));
        }
    }

    /// Adds a histogram to what was added for these labels before.
    pub fn histogram<const N: usize>(
        &mut self,
        family: &HistogramFamily<N>,
        labels: [&str; N],
        value: &HistogramSnapshot,
    ) {
        self.add(&family.0, labels, Value::Histogram(Box::new(value.clone())));
    }

    /// The text, families and samples in alphabetical order, closed with `# EOF`.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = String::new();
        for (name, block) in &self.families {
            block.write(name, &mut text);
        }
        text.push_str("# EOF\n");
        text
    }

    fn add<const N: usize>(&mut self, family: &Family<N>, labels: [&str; N], value: Value) {
        let (type_name, help) = (value.type_name(), family.help);
        let empty = || Block {
            type_name,
            help,
            samples: BTreeMap::new(),
        };
        let block = self.families.entry(family.name).or_insert_with(empty);
        if block.type_name != type_name {
            debug_assert!(false, "two families of different types share the name {}", family.name);
            return;
        }
        match block.samples.entry(labels_text(family.labels, labels)) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => entry.get_mut().merge(&value),
        }
    }
}

impl Value {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) | Self::Fraction(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "it becomes a fraction")]
    fn merge(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::Counter(sum), Self::Counter(more)) => *sum = sum.wrapping_add(*more),
            (Self::Gauge(sum), Self::Gauge(more)) => *sum = sum.wrapping_add(*more),
            (Self::Histogram(sum), Self::Histogram(more)) => sum.merge(more),
            (Self::Fraction(sum), Self::Fraction(more)) => *sum += more,
            (Self::Fraction(sum), Self::Gauge(more)) => *sum += *more as f64,
            (Self::Gauge(sum), Self::Fraction(more)) => *self = Self::Fraction(*sum as f64 + more),
            // A block holds values of one type.
            _ => {}
        }
    }
}

impl Block {
    fn write(&self, name: &str, text: &mut String) {
        push(text, format_args!("# TYPE {name} {}\n", self.type_name));
        if let Some(unit) = ["seconds", "bytes"]
            .iter()
            .find(|unit| name.ends_with(&format!("_{unit}")))
        {
            push(text, format_args!("# UNIT {name} {unit}\n"));
        }
        push(text, format_args!("# HELP {name} {}\n", escaped(self.help)));
        for (labels, value) in &self.samples {
            match value {
                Value::Counter(value) => push(text, format_args!("{name}_total{} {value}\n", braced(labels))),
                Value::Gauge(value) => push(text, format_args!("{name}{} {value}\n", braced(labels))),
                Value::Fraction(value) => push(text, format_args!("{name}{} {value}\n", braced(labels))),
                Value::Histogram(value) => write_histogram(text, name, labels, value),
            }
        }
    }
}

fn write_histogram(text: &mut String, name: &str, labels: &str, value: &HistogramSnapshot) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = BOUNDS_NANOS
        .iter()
        .map(|nanos| seconds_text(*nanos))
        .chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(value.cumulative()) {
        push(
            text,
            format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}\n"),
        );
    }
    let nanos = u64::try_from(value.sum().as_nanos()).unwrap_or(u64::MAX);
    push(text, format_args!("{name}_count{} {}\n", braced(labels), value.count()));
    push(
        text,
        format_args!("{name}_sum{} {}\n", braced(labels), seconds_text(nanos)),
    );
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = text.write_fmt(line);
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn labels_text<const N: usize>(names: [&str; N], values: [&str; N]) -> String {
    let pairs = names
        .iter()
        .zip(values)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// For label values and help texts alike. Source: OpenMetrics 1.0, ABNF `escaped-string`.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Exact, with at least one digit after the point, as canonical numbers have it: `0.0005`, `1.0`.
fn seconds_text(nanos: u64) -> String {
    let digits = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let trimmed = digits.trim_end_matches('0');
    if trimmed.ends_with('.') {
        format!("{trimmed}0")
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests;
