//! A whole form as one value, for services that speak other protocols too.

use super::Form;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Structures in each other: the deepest that AWS takes has about ten.
const DEPTH_MAX: usize = 32;

/// A value in the making.
#[derive(Default)]
struct Node<'a> {
    text: Option<&'a str>,
    members: BTreeMap<&'a str, Node<'a>>,
}

impl Form {
    /// All fields as one structure. Every value is a text, and an empty one may stand for an empty list. A structure whose
    /// only member is `member`, with numbers below, is a list. What is nested too deeply is a member of its whole name, so
    /// that nobody knows it.
    ///
    /// All fields count as read.
    pub fn value(&self) -> Value {
        let mut root = Node::default();
        for (name, field) in &self.fields {
            field.read.store(true, Ordering::Relaxed);
            let node = match name.split('.').count() {
                ..=DEPTH_MAX => name
                    .split('.')
                    .fold(&mut root, |node, part| node.members.entry(part).or_default()),
                _ => root.members.entry(name).or_default(),
            };
            node.text = Some(&field.value);
        }
        Value::Structure(root.into_members())
    }
}

impl Node<'_> {
    fn into_members(self) -> Vec<(String, Value)> {
        let member = |(name, node): (&str, Self)| (name.to_owned(), node.into_value());
        self.members.into_iter().map(member).collect()
    }

    fn into_value(mut self) -> Value {
        if self.members.is_empty() {
            return Value::from(self.text.unwrap_or_default());
        }
        if self.text.is_none() && self.members.len() == 1 {
            match self.members.remove("member").map(Self::into_items) {
                Some(Ok(items)) => return Value::List(items),
                Some(Err(node)) => {
                    self.members.insert("member", node);
                }
                None => {}
            }
        }
        // A value beside members has no place: it is one that nobody knows.
        let text = self.text.map(|text| (String::new(), Value::from(text)));
        let mut members = self.into_members();
        members.extend(text);
        Value::Structure(members)
    }

    /// By their numbers, which are written without zeros in front.
    fn into_items(self) -> Result<Vec<Value>, Self> {
        let number = |name: &str| name.parse::<u32>().ok().filter(|it| it.to_string() == *name);
        let mut numbers: Vec<_> = self.members.keys().filter_map(|name| number(name)).collect();
        if self.text.is_some() || numbers.len() != self.members.len() {
            return Err(self);
        }
        numbers.sort_unstable();
        let mut members = self.members;
        let item = |number: &u32| members.remove(number.to_string().as_str());
        Ok(numbers.iter().filter_map(item).map(Self::into_value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Value {
        Form::read(&[text.as_bytes()]).unwrap().value()
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::from(text))
    }

    #[test]
    fn fields_become_structures_and_lists() {
        let found = tree(
            "Action=GetMetricData&Queries.member.10.Id=c&Queries.member.2.Id=b&Queries.member.1.Id=a\
             &Queries.member.1.Stat.Period=60&Names.member.1=x&Empty=",
        );
        let first = Value::structure([
            ("Id", text("a")),
            ("Stat", Some(Value::structure([("Period", text("60"))]))),
        ]);
        let other = |id| Value::structure([("Id", text(id))]);
        assert_eq!(
            found.member("Queries"),
            Some(&Value::List(vec![first, other("b"), other("c")]))
        );
        assert_eq!(found.member("Names"), Some(&Value::List(vec![Value::from("x")])));
        assert_eq!(found.member("Empty"), Some(&Value::from("")));
    }

    #[test]
    fn what_is_no_list_is_a_structure() {
        for form in [
            "A.member.01=x",
            "A.member.x=1",
            "A.member=1",
            "A.member.1=x&A=2",
            "A.member.1=x&A.b=2",
        ] {
            assert!(matches!(tree(form).member("A"), Some(Value::Structure(_))), "{form}");
        }
        let deep = vec!["a"; 40].join(".");
        assert_eq!(tree(&format!("{deep}=1")).member(&deep), Some(&Value::from("1")));
    }
}
