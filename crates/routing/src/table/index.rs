//! Which rules may match a request, from its host, path and method alone.
//!
//! A set of rules is a row of bits. Each of the three subjects is looked up once, whatever the number of rules, and the
//! rules in all three sets are the candidates; a rule that matches is always among them.

use super::trie::{Kind, Trie};
use crate::head::RequestHead;
use crate::matcher::glob::Glob;
use crate::matcher::{Condition, Matcher, Subjects, Texts};

/// The most of a host that is looked at, from its end: patterns have at most 128 characters (ALB 2.2), so a longer host
/// equals none, and whether it ends with one shows in this many bytes.
const HOST_BYTES: usize = 129;

#[derive(Debug)]
pub(super) struct Index {
    /// 64-bit words per set.
    words: usize,
    host: Subject,
    path: Subject,
    method: Subject,
}

/// The candidates by one subject.
#[derive(Debug)]
struct Subject {
    /// Rules without a condition on it: the candidates of a request that has no such subject.
    without: Box<[u64]>,
    /// `None` when no rule looks at it.
    trie: Option<Trie>,
}

/// What one rule asks of one subject: one of these keys, or something that a trie cannot tell.
type Keys = Option<Vec<(Vec<u8>, Kind)>>;

impl Index {
    /// An index over the conditions of rules, in ascending priority.
    pub(super) fn build<'a>(rules: impl ExactSizeIterator<Item = &'a [Condition]>) -> Self {
        let rules: Vec<&[Condition]> = rules.collect();
        let words = rules.len().div_ceil(64);
        let subject = |keys_of: fn(&Matcher) -> Option<Keys>| {
            let keys = |conditions: &&[Condition]| conditions.iter().find_map(|condition| keys_of(condition.matcher()));
            Subject::build(&rules.iter().map(keys).collect::<Vec<_>>(), words)
        };
        Self {
            words,
            host: subject(host_keys),
            path: subject(path_keys),
            method: subject(method_keys),
        }
    }

    /// Whether any rule looks at the path.
    pub(super) fn wants_path(&self) -> bool {
        self.path.trie.is_some()
    }

    /// The rules that may match, in ascending priority.
    pub(super) fn candidates<H: RequestHead>(&self, subjects: &Subjects<'_, H>) -> impl Iterator<Item = usize> {
        let mut reversed = [0; HOST_BYTES];
        let host = self.host.find(|| Some(reverse(subjects.host?, &mut reversed)));
        let path = self.path.find(|| subjects.path.as_deref());
        let method = self.method.find(|| Some(subjects.head.method()));
        (0..self.words)
            .flat_map(move |word| Bits(host[word] & path[word] & method[word]).map(move |bit| word * 64 + bit))
    }
}

impl Subject {
    /// `keys` has an entry for each rule: `None` without a condition, `Some(None)` with one that cannot be looked up.
    fn build(keys: &[Option<Keys>], words: usize) -> Self {
        let set_of = |wanted: fn(&Option<Keys>) -> bool| {
            let mut set = vec![0; words].into_boxed_slice();
            for (rule, _) in keys.iter().enumerate().filter(|(_, keys)| wanted(keys)) {
                set[rule / 64] |= 1 << (rule % 64);
            }
            set
        };
        let without = set_of(Option::is_none);
        let always = set_of(|keys| matches!(keys, None | Some(None)));
        let looked_up = keys
            .iter()
            .enumerate()
            .filter_map(|(rule, keys)| Some((rule, keys.as_ref()?.as_ref()?)));
        let looked_up = looked_up.flat_map(|(rule, keys)| keys.iter().map(move |(key, kind)| (&**key, *kind, rule)));
        let used = keys.iter().any(Option::is_some);
        Self {
            trie: used.then(|| Trie::build(looked_up.collect(), &always)),
            without,
        }
    }

    fn find<'s>(&self, subject: impl FnOnce() -> Option<&'s [u8]>) -> &[u64] {
        match &self.trie {
            Some(trie) => subject().map_or(&self.without, |subject| trie.find(subject)),
            None => &self.without,
        }
    }
}

/// The last bytes of a host, backwards and in lower case, so that what it ends with is found from the front.
fn reverse<'b>(host: &[u8], buffer: &'b mut [u8; HOST_BYTES]) -> &'b [u8] {
    let length = host.len().min(HOST_BYTES);
    for (to, from) in buffer.iter_mut().zip(host.iter().rev()) {
        *to = from.to_ascii_lowercase();
    }
    &buffer[..length]
}

fn host_keys(matcher: &Matcher) -> Option<Keys> {
    let Matcher::Host(texts) = matcher else { return None };
    Some(keys(texts, |glob| glob.literal_suffix().rev().collect()))
}

fn path_keys(matcher: &Matcher) -> Option<Keys> {
    let Matcher::Path(texts) = matcher else { return None };
    Some(keys(texts, |glob| glob.literal_prefix().to_vec()))
}

fn method_keys(matcher: &Matcher) -> Option<Keys> {
    let Matcher::Method(methods) = matcher else { return None };
    Some(Some(
        methods.iter().map(|method| (method.to_vec(), Kind::Whole)).collect(),
    ))
}

/// One key for each pattern; `None` if some pattern has no literal end.
fn keys(texts: &Texts, key: impl Fn(&Glob) -> Vec<u8>) -> Keys {
    let Texts::Globs(globs) = texts else { return None };
    let keys = globs.iter().map(|glob| {
        let kind = if glob.is_literal() {
            Kind::Whole
        } else {
            Kind::Beginning
        };
        (key(glob), kind)
    });
    let keys: Vec<_> = keys.collect();
    keys.iter().all(|(key, _)| !key.is_empty()).then_some(keys)
}

/// The numbers of the bits that are set, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit as usize)
    }
}
