//! Pages of long answers: a token says where the next one begins.

use super::Fields;
use crate::aws::error::AwsError;
use crate::aws::part;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::cmp::Reverse;

/// What tokens of ours begin with.
const MARK: &str = "albacore 1 ";

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// A part of the items, and the token of the next part.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The page that follows the token in the member `token`, of at most `size` items. `key` tells the items apart and orders
/// them: what is made or deleted between two calls neither repeats nor hides the others.
pub(crate) fn page<T, K: Ord + AsRef<str>>(
    fields: &Fields<'_>,
    token: &str,
    items: impl IntoIterator<Item = T>,
    order: Order,
    size: usize,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>, AwsError> {
    let after = match fields.text(token)? {
        None => None,
        Some(text) => match read(text) {
            Some(key) => Some(key),
            None => return Err(fields.broken(token, "Member must be a token of an earlier answer")),
        },
    };
    let after = after.as_deref();
    let part = match order {
        Order::Ascending => {
            let is_after = |key: &K| after.is_none_or(|after| key.as_ref() > after);
            part::first(items, size, is_after, &key)
        }
        Order::Descending => {
            let is_after = |Reverse(key): &Reverse<K>| after.is_none_or(|after| key.as_ref() < after);
            part::first(items, size, is_after, |it| Reverse(key(it)))
        }
    };
    let last = part.items.last().filter(|_| part.has_more);
    let next = last.map(|last| write(key(last).as_ref()));
    Ok(Page {
        items: part.items,
        next,
    })
}

/// A token that says `key`.
pub(crate) fn write(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{key}"))
}

/// What a token says.
pub(crate) fn read(token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix(MARK).map(str::to_owned)
}
