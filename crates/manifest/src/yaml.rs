//! YAML text into a tree of nodes that know their place.
//!
//! The tree is built from the events of `granit-parser`, the parser beneath `serde-saphyr`, and not through serde: only
//! the events tell the place of every key, tell a quoted scalar from a plain one and let us go on after a duplicate key.
//! What the nodes mean is left to the schema.
//!
//! Bounds: [`BYTES_MAX`], [`NODES_MAX`] with aliases counted as what they stand for, and [`DEPTH_MAX`].

mod scalar;

use crate::mistake::{Report, Spot, shown};
use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::HashMap;
use std::rc::Rc;

pub(crate) use scalar::{Scalar, ScalarKind};

/// The longest manifest, in bytes.
pub const BYTES_MAX: usize = 1024 * 1024;
/// The most nodes (keys not counted), each use of an alias counted in full.
pub const NODES_MAX: usize = 100_000;
/// How deep lists and mappings may be nested.
pub const DEPTH_MAX: usize = 64;

/// One value and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) spot: Spot,
    pub(crate) value: Value,
    /// Nodes in it, itself included.
    size: usize,
    /// Levels of lists and mappings in it.
    depth: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    /// In the order of the file, each key once.
    Map(Vec<(Key, Rc<Node>)>),
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) spot: Spot,
    pub(crate) text: String,
}

/// Reads the one document of a manifest. What is wrong goes to the report; `None` when nothing can be read on.
pub(crate) fn read(bytes: &[u8], report: &mut Report) -> Option<Rc<Node>> {
    if bytes.len() > BYTES_MAX {
        report.mistake(
            Spot::START,
            format!("found {} bytes; expected at most {BYTES_MAX}", bytes.len()),
        );
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            report.mistake(end_of(good), "found a byte that is not UTF-8; expected UTF-8 text");
            return None;
        }
    };
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
        end: end_of(text),
        report,
    };
    builder.document().ok()
}

/// The place behind the last character of `text`.
fn end_of(text: &str) -> Spot {
    let line = text.matches('\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or_default();
    Spot {
        line,
        column: last.chars().count() + 1,
    }
}

/// The text cannot be read on; the report says why.
struct Stop;

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    end: Spot,
    report: &'a mut Report,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Rc<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "found a second YAML document; expected one document in the file";
                    self.report.mistake(spot(&span), message);
                    return Err(Stop);
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, &span, 0)?);
                }
                _ => {}
            }
        }
        root.ok_or_else(|| {
            // An editor may empty the file before it writes it anew; nobody wants everything deleted for that moment.
            let message = "found an empty file; expected a mapping with `functions`, `target_groups` and \
                           `load_balancers` (write `{}` for none)";
            self.report.mistake(Spot::START, message);
            Stop
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                // The parser marks an early end behind the last line, which no editor can go to.
                let found = Spot {
                    line: mark.line(),
                    column: mark.col() + 1,
                };
                let info = error.info().to_string();
                self.report
                    .mistake(found.min(self.end), format!("this is not YAML: {info}"));
                Err(Stop)
            }
            None => {
                self.report
                    .mistake(self.end, "the YAML ends early; expected the rest of a value");
                Err(Stop)
            }
        }
    }

    /// Reads the node that begins with `event`.
    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Rc<Node>, Stop> {
        let place = spot(span);
        if depth > DEPTH_MAX {
            let message = format!("found more than {DEPTH_MAX} levels of lists and mappings; expected fewer");
            return self.stop(place, message);
        }
        self.count(place, 1)?;
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                // A value left out comes as a `~` that takes no room.
                let left_out = span.start == span.end && text == "~";
                let text = if left_out { String::new() } else { text.into_owned() };
                let scalar = Scalar::new(text, style == ScalarStyle::Plain);
                (Value::Scalar(scalar), anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (Value::List(self.list(depth)?), anchor, tag),
            Event::MappingStart(_, anchor, tag) => (Value::Map(self.mapping(depth)?), anchor, tag),
            Event::Alias(id) => return self.alias(id, place, depth),
            Event::UnresolvedAlias(name) => {
                self.report.mistake(
                    place,
                    format!("found the alias `*{name}`; expected an anchor `&{name}` before it"),
                );
                return Ok(Rc::new(Node::new(place, Value::Scalar(Scalar::absent()))));
            }
            _ => return self.stop(place, "this is not YAML: expected a value".to_owned()),
        };
        if let Some(tag) = tag {
            let place = span.tag_start.map_or(place, |mark| Spot {
                line: mark.line(),
                column: mark.col() + 1,
            });
            self.report.mistake(
                place,
                format!(
                    "found the tag {}; expected a value without a tag",
                    shown(&tag.original())
                ),
            );
        }
        let node = Rc::new(Node::new(place, value));
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Rc<Node>>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key, Rc<Node>)>, Stop> {
        let mut entries = Vec::new();
        let mut seen: HashMap<String, Spot> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            let Value::Scalar(Scalar { text, .. }) = &key.value else {
                let message = format!("found {} as a key; expected text", key.value.kind());
                self.report.mistake(key.spot, message);
                continue;
            };
            let key = Key {
                spot: key.spot,
                text: text.clone(),
            };
            if key.text == "<<" {
                let message = "found the merge key `<<`, which YAML 1.2 does not have; expected the keys themselves";
                self.report.mistake(key.spot, message);
            } else if let Some(first) = seen.get(&key.text) {
                let message = format!(
                    "found the key {} twice; expected it once (it stands at {first} already)",
                    shown(&key.text)
                );
                self.report.mistake(key.spot, message);
            } else {
                seen.insert(key.text.clone(), key.spot);
                entries.push((key, value));
            }
        }
    }

    fn alias(&mut self, id: usize, place: Spot, depth: usize) -> Result<Rc<Node>, Stop> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            // Only a node that is not finished yet is missing here: its alias stands inside of it.
            return self.stop(
                place,
                "found an alias inside of the value it stands for; expected an end".to_owned(),
            );
        };
        self.count(place, node.size)?;
        if depth + node.depth > DEPTH_MAX {
            let message = format!("found more than {DEPTH_MAX} levels of lists and mappings; expected fewer");
            return self.stop(place, message);
        }
        Ok(node)
    }

    fn count(&mut self, place: Spot, nodes: usize) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let message = format!("found more than {NODES_MAX} values, aliases counted in full; expected fewer");
            return self.stop(place, message);
        }
        Ok(())
    }

    fn stop<T>(&mut self, place: Spot, message: String) -> Result<T, Stop> {
        self.report.mistake(place, message);
        Err(Stop)
    }
}

fn spot(span: &Span) -> Spot {
    Spot {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

impl Node {
    fn new(spot: Spot, value: Value) -> Self {
        let over = |nodes: &mut dyn Iterator<Item = &Rc<Node>>| {
            nodes.fold((1, 1), |(size, depth), node| {
                (size + node.size, depth.max(node.depth + 1))
            })
        };
        let (size, depth) = match &value {
            Value::Scalar(_) => (1, 0),
            Value::List(items) => over(&mut items.iter()),
            Value::Map(entries) => over(&mut entries.iter().map(|(_, node)| node)),
        };
        Self {
            spot,
            value,
            size,
            depth,
        }
    }

    /// Whether it is a number without quotes.
    pub(crate) fn is_number(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => matches!(scalar.kind, ScalarKind::Int(_) | ScalarKind::Float),
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// Whether it is text: quoted, or plain and nothing else.
    pub(crate) fn is_text(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind == ScalarKind::Text,
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// The value in words: `the number 8080`, `a list`.
    pub(crate) fn found(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) => scalar.found(),
            other => other.kind().to_owned(),
        }
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a scalar",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

#[cfg(test)]
mod tests;
