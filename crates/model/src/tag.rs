//! Tags of resources. Source: ALB 1.2, 9.5.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::limits::{TAG_KEY_CHARS, TAG_VALUE_CHARS_MAX, TAGS_PER_RESOURCE};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A resource that can have tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaggedArn {
    /// A load balancer.
    LoadBalancer(LoadBalancerArn),
    /// A listener.
    Listener(ListenerArn),
    /// A rule, a listener's default rule too.
    Rule(RuleArn),
    /// A target group.
    TargetGroup(TargetGroupArn),
    /// A trust store.
    TrustStore(TrustStoreArn),
    /// A function.
    Function(FunctionArn),
    /// A certificate.
    Certificate(CertificateArn),
}

/// The text is the ARN of nothing that has tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a resource that has tags")]
pub struct NotTagged(String);

impl TaggedArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        match self {
            Self::LoadBalancer(arn) => arn.as_str(),
            Self::Listener(arn) => arn.as_str(),
            Self::Rule(arn) => arn.as_str(),
            Self::TargetGroup(arn) => arn.as_str(),
            Self::TrustStore(arn) => arn.as_str(),
            Self::Function(arn) => arn.as_str(),
            Self::Certificate(arn) => arn.as_str(),
        }
    }
}

impl TryFrom<&str> for TaggedArn {
    type Error = NotTagged;

    fn try_from(text: &str) -> Result<Self, NotTagged> {
        LoadBalancerArn::try_from(text)
            .map(Self::LoadBalancer)
            .or_else(|_| ListenerArn::try_from(text).map(Self::Listener))
            .or_else(|_| RuleArn::try_from(text).map(Self::Rule))
            .or_else(|_| TargetGroupArn::try_from(text).map(Self::TargetGroup))
            .or_else(|_| TrustStoreArn::try_from(text).map(Self::TrustStore))
            .or_else(|_| FunctionArn::try_from(text).map(Self::Function))
            .or_else(|_| CertificateArn::try_from(text).map(Self::Certificate))
            .ok()
            // Versions and aliases have none. Source: Lambda 8.8.
            .filter(|arn| !matches!(arn, Self::Function(arn) if arn.qualifier().is_some()))
            .ok_or_else(|| NotTagged(text.chars().take(300).collect()))
    }
}

impl fmt::Display for TaggedArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The tags of one resource: at most fifty keys, each with a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<Arc<str>, Arc<str>>);

/// Why a tag is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagRefusal {
    /// A key that is empty or too long.
    #[error("tag key {0:?} must have {min} to {max} characters", min = TAG_KEY_CHARS.start(), max = TAG_KEY_CHARS.end())]
    KeyLength(String),
    /// A key that AWS keeps for itself.
    #[error("tag key {0:?} must not begin with `aws:`, which is reserved")]
    Reserved(String),
    /// A value that is too long.
    #[error("the value of tag {0:?} has more than {TAG_VALUE_CHARS_MAX} characters")]
    ValueLength(String),
    /// A character outside the alphabet.
    #[error("tag {0:?} may only contain letters, digits, spaces and _ . : / = + - @")]
    Characters(String),
    /// A key twice.
    #[error("tag key {0:?} was given more than once")]
    Repeated(String),
    /// More than fifty.
    #[error("a resource has at most {TAGS_PER_RESOURCE} tags")]
    TooMany,
}

impl Tags {
    /// Tags as a caller gives them: each key once.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, TagRefusal> {
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            check(key, value)?;
            if tags.insert(key.into(), value.into()).is_some() {
                return Err(TagRefusal::Repeated(shown(key)));
            }
        }
        within_limit(tags)
    }

    /// These and others; of a key in both the others' value counts.
    ///
    /// # Errors
    /// There would be too many.
    pub fn with(&self, others: &Self) -> Result<Self, TagRefusal> {
        let mut tags = self.0.clone();
        let added = others.0.iter().map(|(key, value)| (key.clone(), value.clone()));
        tags.extend(added);
        within_limit(tags)
    }

    /// These without some keys; keys that are not there are no matter.
    #[must_use]
    pub fn without(&self, keys: &[String]) -> Self {
        let mut tags = self.0.clone();
        tags.retain(|key, _| keys.iter().all(|gone| **gone != **key));
        Self(tags)
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn within_limit(tags: BTreeMap<Arc<str>, Arc<str>>) -> Result<Tags, TagRefusal> {
    match tags.len() > TAGS_PER_RESOURCE {
        true => Err(TagRefusal::TooMany),
        false => Ok(Tags(tags)),
    }
}

fn check(key: &str, value: &str) -> Result<(), TagRefusal> {
    if !TAG_KEY_CHARS.contains(&key.chars().count()) {
        return Err(TagRefusal::KeyLength(shown(key)));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(TagRefusal::Reserved(shown(key)));
    }
    if value.chars().count() > TAG_VALUE_CHARS_MAX {
        return Err(TagRefusal::ValueLength(shown(key)));
    }
    // Line ends are whitespace too, and are not what is meant.
    let allowed = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    match key.chars().chain(value.chars()).all(allowed) {
        true => Ok(()),
        false => Err(TagRefusal::Characters(shown(key))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_an_alphabet_and_a_length() {
        let [longest, longer] = [128, 129].map(|count| "k".repeat(count));
        let [value, more] = [256, 257].map(|count| "v".repeat(count));
        for good in [("a", ""), ("Größe", "ä b_.:/=+-@"), (&longest, &value)] {
            assert!(Tags::new([good]).is_ok(), "{good:?}");
        }
        for bad in [
            ("", ""),
            (&longer, ""),
            ("aws:x", ""),
            ("AWS:x", ""),
            ("a", &more),
            ("a\r\nX: y", ""),
            ("a", "b\nc"),
            ("<a>", ""),
        ] {
            assert!(Tags::new([bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_stands_once_and_fifty_are_the_most() {
        assert_eq!(
            Tags::new([("a", "1"), ("a", "2")]),
            Err(TagRefusal::Repeated("a".into()))
        );
        let keys: Vec<_> = (0..51).map(|number| format!("k{number}")).collect();
        let tags = |count: usize| Tags::new(keys[..count].iter().map(|key| (key.as_str(), "v")));
        let fifty = tags(50).unwrap();
        assert_eq!(tags(51), Err(TagRefusal::TooMany));
        assert!(fifty.with(&Tags::new([("k1", "w")]).unwrap()).is_ok());
        assert_eq!(fifty.with(&Tags::new([("l", "w")]).unwrap()), Err(TagRefusal::TooMany));
        assert_eq!(fifty.without(&keys).iter().count(), 0);
    }
}
