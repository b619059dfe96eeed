//! Lists, page by page. Source: Lambda 8.2.

use super::{Call, Document};
use crate::lambda::error::LambdaError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

/// Which part of a list is asked for.
pub(super) struct Page {
    /// The key of the item to begin with; empty at the beginning.
    from: String,
    count: usize,
}

impl Page {
    /// `MaxItems` is 1 to `most`, and at most `per_page` come at once.
    pub(super) fn read(call: &Call<'_>, most: u32, per_page: usize) -> Result<Self, LambdaError> {
        let from = call.parameter("Marker").filter(|marker| !marker.is_empty());
        let from = from.map(|marker| {
            let decoded = URL_SAFE_NO_PAD.decode(marker).ok();
            decoded
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| LambdaError::invalid_parameter("Invalid pagination token"))
        });
        let count = call.parameter("MaxItems").map(|text| {
            let rule = |rule: String| LambdaError::constraint(text, "maxItems", &rule);
            match text.parse::<u32>() {
                Ok(0) => Err(rule("have value greater than or equal to 1".to_owned())),
                Ok(count) if count > most => Err(rule(format!("have value less than or equal to {most}"))),
                Ok(count) => Ok(usize::try_from(count).unwrap_or(per_page)),
                Err(_) => Err(rule("be a number".to_owned())),
            }
        });
        Ok(Self {
            from: from.transpose()?.unwrap_or_default(),
            count: count.transpose()?.unwrap_or(per_page).min(per_page),
        })
    }

    /// The key that the page begins with, for lists that need not be looked at from their beginning. The item may be gone
    /// meanwhile: then the page begins after the place where it stood.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// The page of items that are in the order of their keys. What stands behind it is not looked at.
    pub(super) fn document<T>(
        &self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
        show: impl Fn(&T) -> Value,
    ) -> Document {
        let mut rest = items.into_iter();
        let mut first = match self.from.is_empty() {
            true => None,
            false => rest.find(|item| key(item) >= self.from),
        };
        let mut rest = std::iter::from_fn(|| first.take().or_else(|| rest.next()));
        let page: Vec<Value> = rest.by_ref().take(self.count).map(|item| show(&item)).collect();
        let mut document = Map::new();
        document.insert(name.to_owned(), Value::Array(page));
        if let Some(next) = rest.next() {
            document.insert("NextMarker".to_owned(), json!(URL_SAFE_NO_PAD.encode(key(&next))));
        }
        (StatusCode::OK, Some(Value::Object(document)))
    }
}
