//! `Attributes` of the modifying operations. Source: ALB 1.2, 1.4.

use super::input::{constraint, noted, required, required_list};
use crate::aws::error::AwsError;
use model::limits::LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX;
use wire::query::Fields;

/// Attributes of one call.
const PAIRS_MAX: usize = 20;
/// Characters of a key.
const KEY_CHARS_MAX: usize = 256;

/// Keys and values, as given.
pub(super) fn pairs<'a>(fields: &Fields<'a>) -> Result<Vec<(&'a str, &'a str)>, AwsError> {
    let list = required_list(fields, "Attributes")?;
    if list.len() > PAIRS_MAX {
        let must = format!("Member must have length less than or equal to {PAIRS_MAX}");
        let wrong = constraint("Attributes", &format!("{} attributes", list.len()), &must);
        noted(fields, Err(wrong), ())?;
    }
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in &list {
        let (key, value) = (required(pair, "Key")?, pair.text("Value").unwrap_or_default());
        if key.chars().count() > KEY_CHARS_MAX {
            let must = format!("Member must have length less than or equal to {KEY_CHARS_MAX}");
            noted(fields, Err(constraint(&pair.path("Key"), key, &must)), ())?;
        }
        if value.chars().count() > LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX {
            let must =
                format!("Member must have length less than or equal to {LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX}");
            noted(fields, Err(constraint(&pair.path("Value"), value, &must)), ())?;
        }
        if pairs.iter().any(|(earlier, _)| *earlier == key) {
            return Err(AwsError::validation(format!(
                "Attribute key '{key}' was specified more than once"
            )));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}
