//! Resources by id and by filter, in pages.

use super::input::{dry_read, required};
use crate::aws::error::AwsError;
use crate::aws::part::{self, Part};
use crate::aws::query::call::Call;
use crate::aws::query::input::shown;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Tags;
use std::collections::BTreeSet;
use wire::xml::Xml;

/// Values of one filter.
const VALUES_MAX: usize = 200;
/// What `MaxResults` may be; the least depends on the operation on AWS, and 5 is the most common.
const PAGE: std::ops::RangeInclusive<usize> = 5..=1000;
/// What tokens of ours begin with.
const MARK: &str = "albacore 1 ";

/// A kind of resource, as one describing operation shows it.
pub(super) struct Kind<T> {
    /// The parameter that lists ids: `VpcId`.
    pub(super) ids: &'static str,
    /// The element of the answer: `vpcSet`.
    pub(super) set: &'static str,
    /// The error for an id that is not there.
    pub(super) unknown: fn(&str) -> AwsError,
    pub(super) id: fn(&T) -> String,
    pub(super) tags: fn(&T) -> Tags,
    /// The filters beside those about tags.
    pub(super) filters: &'static [&'static str],
    /// What a resource has for one of them.
    pub(super) value: fn(&Call<'_>, &T, &str) -> Vec<String>,
}

impl<T> Kind<T> {
    /// What a call asks for, as its answer.
    pub(super) fn describe(
        &self,
        call: &Call<'_>,
        items: Vec<T>,
        mut shape: impl FnMut(&mut Xml, &T),
    ) -> Result<Xml, AwsError> {
        let items = self.filtered(call, self.named(call, items)?)?;
        let (items, next) = self.page(call, items)?;
        dry_read(call)?;
        let mut xml = Xml::new();
        xml.items(self.set, &items, |xml, it| shape(xml, it));
        if let Some(next) = next {
            xml.text("nextToken", &next);
        }
        Ok(xml)
    }

    fn named(&self, call: &Call<'_>, mut items: Vec<T>) -> Result<Vec<T>, AwsError> {
        let ids = match self.ids {
            "" => Vec::new(),
            name => call.fields.flat_texts(name)?,
        };
        if ids.is_empty() {
            return Ok(items);
        }
        let mut missing: BTreeSet<&str> = ids.iter().copied().collect();
        let wanted = missing.clone();
        items.retain(|it| {
            let id = (self.id)(it);
            missing.remove(id.as_str());
            wanted.contains(id.as_str())
        });
        // The first one in the caller's order.
        match ids.iter().find(|id| missing.contains(**id)) {
            Some(unknown) => Err((self.unknown)(unknown)),
            None => Ok(items),
        }
    }

    /// Filters are joined by and, the values of one by or.
    fn filtered(&self, call: &Call<'_>, mut items: Vec<T>) -> Result<Vec<T>, AwsError> {
        for filter in call.fields.flat_list("Filter")? {
            let (name, wanted) = (required(&filter, "Name")?, filter.flat_texts("Value")?);
            let is_about_tags = name.starts_with("tag:") || name == "tag-key";
            if !is_about_tags && !self.filters.contains(&name) {
                let name = shown(name);
                let message = format!("The filter '{name}' is invalid");
                return Err(AwsError::new("InvalidParameterValue", message));
            }
            if wanted.len() > VALUES_MAX {
                let message = format!("The maximum number of filter values specified on a single call is {VALUES_MAX}");
                return Err(AwsError::new("FilterLimitExceeded", message));
            }
            items.retain(|it| {
                let values = match name.strip_prefix("tag:") {
                    Some(key) => of_tags(&(self.tags)(it), |tag, value| (tag == key).then(|| value.to_owned())),
                    None if name == "tag-key" => of_tags(&(self.tags)(it), |tag, _| Some(tag.to_owned())),
                    None => (self.value)(call, it, name),
                };
                values
                    .iter()
                    .any(|value| wanted.iter().any(|wanted| matches(wanted, value)))
            });
        }
        Ok(items)
    }

    /// The page after an item has those with greater ids: what is made or deleted between two calls neither repeats nor hides the
    /// others.
    fn page(&self, call: &Call<'_>, items: Vec<T>) -> Result<(Vec<T>, Option<String>), AwsError> {
        let size = call.fields.text("MaxResults").map(|text| {
            let number = text.parse().ok().filter(|size| PAGE.contains(size));
            number.ok_or_else(|| {
                let (least, most, text) = (PAGE.start(), PAGE.end(), shown(text));
                let message = format!("Value ( {text} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}.");
                AwsError::new("InvalidParameterValue", message)
            })
        });
        let size = size.transpose()?.unwrap_or(usize::MAX);
        let after = call
            .fields
            .text("NextToken")
            .filter(|it| !it.is_empty())
            .map(read)
            .transpose()?;
        let is_after = |id: &String| after.as_ref().is_none_or(|after| id > after);
        let Part { items, has_more } = part::first(items, size, is_after, self.id);
        let next = items.last().filter(|_| has_more);
        let next = next.map(|it| URL_SAFE_NO_PAD.encode(format!("{MARK}{}", (self.id)(it))));
        Ok((items, next))
    }
}

/// Texts as a filter's values.
pub(super) fn values<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|it| it.to_string()).collect()
}

fn of_tags(tags: &Tags, pick: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    tags.iter().filter_map(|(key, value)| pick(key, value)).collect()
}

fn read(token: &str) -> Result<String, AwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let id = text.and_then(|text| text.strip_prefix(MARK).map(str::to_owned));
    id.ok_or_else(|| AwsError::new("InvalidParameterValue", "Unable to parse pagination token"))
}

/// `*` stands for any run of characters, `?` for one, and a backslash takes the next one as it is. In linear space, and in time
/// that is bounded by the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    enum Part {
        Run,
        One,
        Same(char),
    }
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => Part::Run,
            '?' => Part::One,
            '\\' => Part::Same(letters.next().unwrap_or('\\')),
            other => Part::Same(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    let mut back = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Run) => {
                back = Some((at, part));
                part += 1;
                continue;
            }
            Some(Part::One) => {}
            Some(Part::Same(letter)) if *letter == text[at] => {}
            _ => {
                let Some((from, run)) = back else {
                    return false;
                };
                back = Some((from + 1, run));
                (at, part) = (from + 1, run + 1);
                continue;
            }
        }
        at += 1;
        part += 1;
    }
    parts[part..].iter().all(|part| matches!(part, Part::Run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_wildcards() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("ELB app/*", "ELB app/x/1"),
            ("a*b*c", "axxbxbxc"),
            ("?b", "ab"),
            ("\\*", "*"),
            ("*.*", "a.b"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "b"),
            ("a", "ab"),
            ("", "a"),
            ("?", ""),
            ("\\*", "x"),
            ("a*b", "abc"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
