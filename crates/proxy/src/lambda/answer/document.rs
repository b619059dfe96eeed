//! The members of a response document, found but not yet judged.

use super::{Refused, kind};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// A member that is there is `Some`, whatever it holds: `null` is not absent.
#[derive(Default)]
pub(super) struct Document<'a> {
    pub(super) status_code: Option<&'a RawValue>,
    pub(super) status_description: Option<&'a RawValue>,
    pub(super) headers: Option<&'a RawValue>,
    pub(super) multi_value_headers: Option<&'a RawValue>,
    pub(super) body: Option<&'a RawValue>,
    pub(super) is_base64_encoded: Option<&'a RawValue>,
}

impl<'a> Document<'a> {
    pub(super) fn read(document: &'a [u8]) -> Result<Self, Refused> {
        let not_json = |error: &dyn fmt::Display| {
            Refused(format!(
                "the response is not JSON ({error}); ALB wants an object with statusCode"
            ))
        };
        // All of it, members that are ignored too.
        let text = std::str::from_utf8(document).map_err(|error| not_json(&error))?;
        serde_json::from_str(text).map_err(|error| match serde_json::from_str::<&RawValue>(text) {
            Err(error) => not_json(&error),
            Ok(whole) if kind(whole) != "an object" => Refused(format!(
                "the response is {}; ALB wants an object with statusCode",
                kind(whole)
            )),
            Ok(_) => Refused(format!("the response cannot be read: {error}")),
        })
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            // Of a name that stands there twice the last one counts, as in most readers of JSON (unverified).
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut document = Document::default();
                while let Some(Name(name)) = map.next_key()? {
                    let member = match &*name {
                        "statusCode" => &mut document.status_code,
                        "statusDescription" => &mut document.status_description,
                        "headers" => &mut document.headers,
                        "multiValueHeaders" => &mut document.multi_value_headers,
                        "body" => &mut document.body,
                        "isBase64Encoded" => &mut document.is_base64_encoded,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *member = Some(map.next_value()?);
                }
                Ok(document)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A member of an object: its name and its value.
pub(super) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object in order; of each name the last.
pub(super) struct Members<'a>(pub(super) Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                keep_last(&mut members);
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Members up to which names are compared one by one. More, as only a strange function answers, are hashed, so that their
/// cost stays in proportion to their number.
const FEW: usize = 32;

fn keep_last(members: &mut Vec<Member<'_>>) {
    if members.len() <= FEW {
        let mut at = 0;
        while at < members.len() {
            match members[at + 1..].iter().any(|(name, _)| *name == members[at].0) {
                true => drop(members.remove(at)),
                false => at += 1,
            }
        }
        return;
    }
    let mut seen = HashSet::with_capacity(members.len());
    let mut last: Vec<bool> = members
        .iter()
        .rev()
        .map(|(name, _)| seen.insert(name.clone()))
        .collect();
    members.retain(|_| last.pop().unwrap_or(true));
}
