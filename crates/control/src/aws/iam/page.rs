//! Pages of long answers: `MaxItems` and `Marker` in, `IsTruncated` and `Marker` out.

use crate::aws::error::AwsError;
use crate::aws::part;
use crate::aws::query::call::Call;
use crate::aws::query::input::{constraint, number, shown};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::xml::Xml;

/// Items of a page where the caller names no number.
const ITEMS: i64 = 100;
/// What markers of ours begin with.
const MARK: &str = "albacore 1 ";

/// A part of the items.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    next: Option<String>,
}

/// The page that a call asks for. `key` tells the items apart and orders them: what is made or deleted between two calls
/// neither repeats nor hides the others.
pub(super) fn page<T, K: Ord + AsRef<str>>(
    call: &Call<'_>,
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>, AwsError> {
    let size = number(&call.fields, "MaxItems", 1..=1000)?.unwrap_or(ITEMS);
    let size = usize::try_from(size).unwrap_or(1);
    let after = call.fields.text("Marker").map(read).transpose()?;
    let is_after = |key: &K| after.as_deref().is_none_or(|after| key.as_ref() > after);
    let part = part::first(items, size, is_after, &key);
    let last = part.items.last().filter(|_| part.has_more);
    Ok(Page {
        next: last.map(|last| URL_SAFE_NO_PAD.encode(format!("{MARK}{}", key(last).as_ref()))),
        items: part.items,
    })
}

impl<T> Page<T> {
    /// Whether there are more, and where they begin.
    pub(super) fn end(&self, xml: &mut Xml) {
        xml.value("IsTruncated", self.next.is_some());
        if let Some(next) = &self.next {
            xml.text("Marker", next);
        }
    }
}

fn read(marker: &str) -> Result<String, AwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix(MARK).map(str::to_owned));
    key.ok_or_else(|| constraint("Marker", &shown(marker), "Member must be a marker of an earlier answer"))
}
