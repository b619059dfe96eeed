//! Pages of long answers. Source: ALB 9.2.

use super::call::Call;
use super::input::{constraint, number, shown};
use crate::aws::error::AwsError;
use crate::aws::part::{self, Part};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::xml::Xml;

/// Items of a page where the caller names no number.
const PAGE_SIZE_MAX: i64 = 400;
/// What markers of ours begin with.
const MARK: &str = "albacore 1 ";

/// A part of the items.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    next: Option<String>,
}

/// The page that a call asks for. `key` tells the items apart, and the page after an item has those with greater keys: what
/// is made or deleted between two calls neither repeats nor hides the others.
pub(super) fn page<T, K: Ord + AsRef<str>>(
    call: &Call<'_>,
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>, AwsError> {
    let (size, after) = wanted(call)?;
    let is_after = |key: &K| after.as_deref().is_none_or(|after| key.as_ref() > after);
    Ok(Page::of(part::first(items, size, is_after, &key), key))
}

/// The same of items that are in the order of their keys. `after` gives those whose key is greater than a text, so that the ones
/// before the page, and those behind it, are not looked at.
pub(super) fn page_in_order<T, I: IntoIterator<Item = T>, K: AsRef<str>>(
    call: &Call<'_>,
    after: impl FnOnce(&str) -> I,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>, AwsError> {
    let (size, text) = wanted(call)?;
    let items = after(text.as_deref().unwrap_or_default());
    Ok(Page::of(part::in_order(items, size), key))
}

/// How many items a call wants, and the key after which they begin.
fn wanted(call: &Call<'_>) -> Result<(usize, Option<String>), AwsError> {
    let size = number(&call.fields, "PageSize", 1..=PAGE_SIZE_MAX)?.unwrap_or(PAGE_SIZE_MAX);
    let after = call.fields.text("Marker").map(read).transpose()?;
    Ok((usize::try_from(size).unwrap_or(1), after))
}

/// The page of a call that asks for certain items, which are all on one page.
pub(super) fn whole<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None }
}

impl<T> Page<T> {
    fn of<K: AsRef<str>>(part: Part<T>, key: impl Fn(&T) -> K) -> Self {
        let last = part.items.last().filter(|_| part.has_more);
        Self {
            next: last.map(|last| write(key(last).as_ref())),
            items: part.items,
        }
    }

    /// `NextMarker`, if there is one.
    pub(super) fn end(&self, xml: &mut Xml) {
        if let Some(next) = &self.next {
            xml.text("NextMarker", next);
        }
    }
}

fn write(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{key}"))
}

fn read(marker: &str) -> Result<String, AwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix(MARK).map(str::to_owned));
    key.ok_or_else(|| constraint("Marker", &shown(marker), "Member must be a marker of an earlier answer"))
}
