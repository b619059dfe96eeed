//! A radix tree from byte strings to sets of rules.

/// How a key is compared with the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The subject equals the key.
    Whole,
    /// The subject begins with the key.
    Beginning,
}

/// Finds the set of rules whose keys a subject equals or begins with, in one walk down.
#[derive(Debug)]
pub(super) struct Trie {
    /// The root is the first, and has an empty label.
    nodes: Vec<Node>,
    /// The sets, each of `words` words.
    sets: Vec<u64>,
    words: usize,
}

#[derive(Debug)]
struct Node {
    /// The bytes on the way from the parent to this node.
    label: Box<[u8]>,
    /// The set of a subject that ends here.
    ends_here: usize,
    /// The set of a subject that comes through here and finds no further node.
    goes_on: usize,
    /// The first byte of each child's label, and the child.
    first_bytes: Box<[u8]>,
    children: Box<[usize]>,
}

/// A key, how it is compared, and the rule it stands for.
pub(super) type Entry<'k> = (&'k [u8], Kind, usize);

impl Trie {
    /// A tree over `entries`; the rules of `always` are in every set.
    pub(super) fn build(mut entries: Vec<Entry<'_>>, always: &[u64]) -> Self {
        entries.sort_by_key(|&(key, ..)| key);
        let mut trie = Self {
            nodes: Vec::new(),
            sets: always.to_vec(),
            words: always.len(),
        };
        trie.add(&entries, 0, 0, 0);
        trie
    }

    /// The rules that the subject may match.
    pub(super) fn find(&self, subject: &[u8]) -> &[u64] {
        let mut node = &self.nodes[0];
        let mut rest = subject;
        let mut set = node.goes_on;
        while let Some(after) = rest.strip_prefix(&*node.label) {
            let Some(&next) = after.first() else {
                set = node.ends_here;
                break;
            };
            set = node.goes_on;
            let Some(child) = node.first_bytes.iter().position(|&byte| byte == next) else {
                break;
            };
            node = &self.nodes[node.children[child]];
            rest = after;
        }
        &self.sets[set..set + self.words]
    }

    /// Adds the node of `entries`, which are sorted and share their first `label_end` bytes; its label begins at
    /// `label_start`, and `inherited` is the set of its parent. Keys have at most 128 bytes, which bounds the depth.
    fn add(&mut self, entries: &[Entry<'_>], label_start: usize, label_end: usize, inherited: usize) -> usize {
        let ending = entries.iter().take_while(|(key, ..)| key.len() == label_end).count();
        let (ending, longer) = entries.split_at(ending);
        let begun: Vec<_> = ending.iter().filter(|(_, kind, _)| *kind == Kind::Beginning).collect();
        let goes_on = if begun.is_empty() {
            inherited
        } else {
            self.set(inherited, begun.into_iter())
        };
        let ends_here = if ending.is_empty() {
            goes_on
        } else {
            self.set(goes_on, ending.iter())
        };
        let node = self.nodes.len();
        self.nodes.push(Node {
            label: entries
                .first()
                .map_or(&[][..], |(key, ..)| &key[label_start..label_end])
                .into(),
            ends_here,
            goes_on,
            first_bytes: Box::default(),
            children: Box::default(),
        });
        let mut first_bytes = Vec::new();
        let mut children = Vec::new();
        for group in longer.chunk_by(|(one, ..), (other, ..)| one[label_end] == other[label_end]) {
            first_bytes.push(group[0].0[label_end]);
            let shared = common(group[0].0, group[group.len() - 1].0);
            children.push(self.add(group, label_end, shared, goes_on));
        }
        self.nodes[node].first_bytes = first_bytes.into();
        self.nodes[node].children = children.into();
        node
    }

    /// A new set: another one and the rules of some entries.
    fn set<'e, 'k: 'e>(&mut self, base: usize, entries: impl Iterator<Item = &'e Entry<'k>>) -> usize {
        let set = self.sets.len();
        self.sets.extend_from_within(base..base + self.words);
        for &(_, _, rule) in entries {
            self.sets[set + rule / 64] |= 1 << (rule % 64);
        }
        set
    }
}

/// How many bytes two keys share at their beginning.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found() {
        let entries = [
            ("/", Kind::Beginning, 0),
            ("/a", Kind::Whole, 1),
            ("/a", Kind::Beginning, 2),
            ("/ab/c", Kind::Beginning, 3),
            ("/ab/d", Kind::Whole, 64),
            ("/x", Kind::Whole, 5),
        ];
        let entries = entries.map(|(key, kind, rule)| (key.as_bytes(), kind, rule));
        let trie = Trie::build(entries.to_vec(), &[1 << 9, 0]);
        let check = |subject: &str, rules: &[usize]| {
            let set = trie.find(subject.as_bytes());
            let found: Vec<_> = (0..128).filter(|rule| set[rule / 64] >> (rule % 64) & 1 == 1).collect();
            assert_eq!(found, rules, "{subject:?}");
        };
        check("", &[9]);
        check("b", &[9]);
        check("/", &[0, 9]);
        check("/q", &[0, 9]);
        check("/a", &[0, 1, 2, 9]);
        check("/ab", &[0, 2, 9]);
        check("/ab/", &[0, 2, 9]);
        check("/ab/c", &[0, 2, 3, 9]);
        check("/ab/cd", &[0, 2, 3, 9]);
        check("/ab/d", &[0, 2, 9, 64]);
        check("/ab/dd", &[0, 2, 9]);
        check("/x", &[0, 5, 9]);
    }

    #[test]
    fn a_tree_without_keys_finds_what_is_always_in() {
        let trie = Trie::build(Vec::new(), &[7]);
        assert_eq!(trie.find(b"x"), [7]);
        assert_eq!(trie.find(b""), [7]);
    }
}
