//! Tags as policies ask for them: those of a call (`aws:RequestTag/…`, `aws:TagKeys`), and those of what it is about
//! (`aws:ResourceTag/…`, and the same in the name of the service). Source: IAM, "Controlling access to AWS resources using tags".
//!
//! What is not told is not known, and what is not known never allows: the tags that EC2's resources and log groups have.

use model::iam::evaluate::Context;
use model::iam::state::AnyPolicy;
use model::iam::{Iam, IdentityKind, Key};
use model::{AccountId, State, TaggedArn, Tags};
use serde_json::{Map, Value};
use std::sync::Arc;
use wire::query::Fields;

/// More than any operation takes.
const TAGS_MAX: usize = 200;

/// The tags that a call gives or takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestTags {
    pairs: Vec<(String, String)>,
    /// Those that are taken away, of which only the keys are named.
    keys: Vec<String>,
}

impl RequestTags {
    /// Those in a form. `None`: there is something that is not understood.
    pub(crate) fn of_form(fields: &Fields<'_>) -> Option<Self> {
        let mut tags = Self::default();
        let mut read = 0;
        let mut list = |list: &str, tags: &mut Self| {
            for at in 1..=TAGS_MAX {
                let Some(key) = fields.peek(&format!("{list}.{at}.Key")) else {
                    break;
                };
                let value = fields.peek(&format!("{list}.{at}.Value"));
                read += 1 + usize::from(value.is_some());
                tags.pairs.push((key.to_owned(), value.unwrap_or_default().to_owned()));
            }
        };
        list("Tags.member", &mut tags);
        list("Tag", &mut tags);
        let mut kinds = 0;
        for at in 1..=TAGS_MAX {
            let name = format!("TagSpecification.{at}");
            if fields.peek(&format!("{name}.ResourceType")).is_none() {
                break;
            }
            kinds += 1;
            list(&format!("{name}.Tag"), &mut tags);
        }
        for at in 1..=TAGS_MAX {
            let Some(key) = fields.peek(&format!("TagKeys.member.{at}")) else {
                break;
            };
            tags.keys.push(key.to_owned());
        }
        // An empty list is a field of its own.
        let there = |name: &str| fields.peek_below(name).len() - usize::from(fields.peek(name) == Some(""));
        let all: usize = ["Tags", "Tag", "TagSpecification", "TagKeys"].map(there).iter().sum();
        (read + kinds + tags.keys.len() == all).then_some(tags)
    }

    /// Those in a document: `{"Tags": {…}}` or `{"Tags": [{"Key": …}]}`. `None`: there is something that is not understood.
    pub(crate) fn of_document(input: &Map<String, Value>) -> Option<Self> {
        let mut tags = Self::default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match input.get("Tags") {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (key, value) in map {
                    tags.pairs.push((key.clone(), text(value)?));
                }
            }
            Some(Value::Array(list)) => {
                for tag in list {
                    let value = tag.get("Value").filter(|value| !value.is_null());
                    let value = value.map_or(Some(String::new()), text)?;
                    tags.pairs.push((text(tag.get("Key")?)?, value));
                }
            }
            Some(_) => return None,
        }
        Some(tags)
    }

    /// Those in a call of CloudWatch Logs: `tags`, a map where they are given, and a list of keys where they are taken away, which
    /// are `tagKeys` elsewhere. `None`: there is something that is not understood.
    pub(crate) fn of_logs(input: &Map<String, Value>) -> Option<Self> {
        let mut tags = Self::default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match input.get("tags") {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (key, value) in map {
                    tags.pairs.push((key.clone(), text(value)?));
                }
            }
            Some(Value::Array(keys)) => tags.keys = keys.iter().map(text).collect::<Option<_>>()?,
            Some(_) => return None,
        }
        match input.get("tagKeys") {
            None | Some(Value::Null) => {}
            Some(Value::Array(keys)) => tags.keys.extend(keys.iter().map(text).collect::<Option<Vec<_>>>()?),
            Some(_) => return None,
        }
        Some(tags)
    }

    /// Whether there are any that are given.
    pub(crate) fn gives(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// The same with keys that are taken away.
    pub(crate) fn without(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn tell(&self, context: &mut Context) {
        let pairs = self.pairs.iter().map(|(key, value)| (&**key, &**value));
        context.put_family("aws:RequestTag", pairs);
        let keys = self.pairs.iter().map(|(key, _)| key).chain(&self.keys);
        context.put_all("aws:TagKeys", keys.cloned());
    }
}

/// Tells the tags of what a call is about, if they are known.
pub(super) fn tell_of(context: &mut Context, state: &State, account: &AccountId, action: &str, resource: &str) {
    let Some(tags) = of(state, account, resource) else {
        return;
    };
    let service = action.split(':').next().unwrap_or_default();
    for family in ["aws:ResourceTag".to_owned(), format!("{service}:ResourceTag")] {
        context.put_family(&family, tags.iter());
    }
}

/// The tags of a resource; none of what is not there yet. `None`: nobody looks.
fn of(state: &State, account: &AccountId, resource: &str) -> Option<Arc<Tags>> {
    if resource == "*" || resource.starts_with("arn:") && resource.ends_with("/*") {
        return Some(Arc::default());
    }
    if let Ok(tagged) = TaggedArn::try_from(resource) {
        return Some(state.tags(&tagged));
    }
    let path = resource.strip_prefix(&format!("arn:aws:iam::{account}:"))?;
    Some(of_iam(state.iam(), account, resource, path).map_or_else(Arc::default, |tags| Arc::new(tags.clone())))
}

fn of_iam<'a>(iam: &'a Iam, account: &AccountId, arn: &str, path: &str) -> Option<&'a Tags> {
    let (kind, rest) = path.split_once('/')?;
    let key = Key::new(account, rest.rsplit('/').next()?);
    let identity = |kind| iam.identity(kind, &key).map(|identity| &identity.tags);
    match kind {
        "user" => identity(IdentityKind::User),
        "role" => identity(IdentityKind::Role),
        "instance-profile" => iam.instance_profile(&key).map(|profile| &profile.tags),
        "policy" => match iam.policy_with_arn(arn)? {
            AnyPolicy::Own(policy) => Some(&policy.tags),
            AnyPolicy::Aws(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_form(text: &str) -> Option<RequestTags> {
        let form = wire::query::Form::read(&[text.as_bytes()]).unwrap();
        RequestTags::of_form(&form.fields())
    }

    fn tags(pairs: &[(&str, &str)], keys: &[&str]) -> Option<RequestTags> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Some(RequestTags {
            pairs: pairs.iter().map(owned).collect(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        })
    }

    #[test]
    fn tags_of_forms() {
        assert_eq!(of_form("Name=a"), tags(&[], &[]));
        assert_eq!(of_form("Tags="), tags(&[], &[]));
        let both = "Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=c";
        assert_eq!(of_form(both), tags(&[("a", "b"), ("c", "")], &[]));
        assert_eq!(of_form("TagKeys.member.1=a&TagKeys.member.2=b"), tags(&[], &["a", "b"]));
        let specified =
            "TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
        assert_eq!(of_form(specified), tags(&[("a", "b")], &[]));
        assert_eq!(of_form("Tag.1.Key=a&Tag.1.Value=b"), tags(&[("a", "b")], &[]));
        // What is not looked at could be what a policy is about.
        for text in [
            "Tags.member.2.Key=a",
            "Tags.entry.1.key=a",
            "TagKeys.member.3=a",
            "Tags.member.1.Key=a&Tags.member.1.X=b",
        ] {
            assert_eq!(of_form(text), None, "{text}");
        }
    }

    #[test]
    fn tags_of_documents() {
        let of = |value: Value| RequestTags::of_document(value.as_object().unwrap());
        assert_eq!(of(json!({ "FunctionName": "a" })), tags(&[], &[]));
        assert_eq!(of(json!({ "Tags": { "a": "b" } })), tags(&[("a", "b")], &[]));
        assert_eq!(of(json!({ "Tags": [{ "Key": "a" }] })), tags(&[("a", "")], &[]));
        assert_eq!(of(json!({ "tags": { "a": "b" } })), tags(&[], &[]));
        for bad in [
            json!({ "Tags": 1 }),
            json!({ "Tags": { "a": 1 } }),
            json!({ "Tags": [{ "Value": "a" }] }),
        ] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }
}
