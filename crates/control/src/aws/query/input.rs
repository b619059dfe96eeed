//! Parameters as values, with AWS's words for what does not fit. Source: ALB 9.3, 9.6.
//!
//! A parameter that breaks a rule of its own does not end the reading: it is complained of, and something takes its place.
//! `query` tells the caller of all complaints at once, and uses nothing of what was made with what took their place.

use crate::aws::error::AwsError;
use std::ops::RangeInclusive;
use wire::query::{Complaint, Fields, QueryError};

impl From<QueryError> for AwsError {
    fn from(error: QueryError) -> Self {
        Self::new("MalformedQueryString", error.to_string())
    }
}

/// A parameter that must be there.
pub(in crate::aws) fn required<'a>(fields: &Fields<'a>, name: &str) -> Result<&'a str, AwsError> {
    let text = fields.text(name);
    text.map_or_else(|| noted(fields, Err(missing(&fields.path(name))), ""), Ok)
}

/// A list of texts that must have one at least.
pub(in crate::aws) fn required_texts<'a>(fields: &Fields<'a>, name: &str) -> Result<Vec<&'a str>, AwsError> {
    let texts = fields.texts(name)?;
    match texts.is_empty() {
        true => noted(fields, Err(missing(&fields.path(name))), Vec::new()),
        false => Ok(texts),
    }
}

/// A list of structures that must have one at least.
pub(in crate::aws) fn required_list<'a>(fields: &Fields<'a>, name: &str) -> Result<Vec<Fields<'a>>, AwsError> {
    let list = fields.list(name)?;
    match list.is_empty() {
        true => noted(fields, Err(missing(&fields.path(name))), Vec::new()),
        false => Ok(list),
    }
}

/// A whole number in a range.
pub(in crate::aws) fn number(
    fields: &Fields<'_>,
    name: &str,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, AwsError> {
    let Some(text) = fields.text(name) else {
        return Ok(None);
    };
    let number = text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
    let Some(number) = number else {
        let path = fields.path(name);
        return Err(AwsError::new(
            "MalformedInput",
            format!("{path} must be a whole number"),
        ));
    };
    if range.contains(&number) {
        return Ok(Some(number));
    }
    let (nearest, bound) = match number < *range.start() {
        true => (*range.start(), format!("greater than or equal to {}", range.start())),
        false => (*range.end(), format!("less than or equal to {}", range.end())),
    };
    let must = format!("Member must have value {bound}");
    noted(fields, Err(constraint(&fields.path(name), text, &must)), Some(nearest))
}

/// A port.
pub(in crate::aws) fn port(fields: &Fields<'_>, name: &str) -> Result<Option<u16>, AwsError> {
    let number = number(fields, name, 1..=65_535)?;
    Ok(number.and_then(|it| u16::try_from(it).ok()))
}

/// `true` or `false`.
pub(in crate::aws) fn boolean(fields: &Fields<'_>, name: &str) -> Result<Option<bool>, AwsError> {
    match fields.text(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => {
            let path = fields.path(name);
            Err(AwsError::new("MalformedInput", format!("{path} must be true or false")))
        }
    }
}

/// One of some values, each with what it means.
pub(in crate::aws) fn one_of<T: Copy>(
    fields: &Fields<'_>,
    name: &str,
    values: &[(&'static str, T)],
) -> Result<Option<T>, AwsError> {
    let Some(text) = fields.text(name) else {
        return Ok(None);
    };
    let found = values.iter().find(|(value, _)| *value == text);
    let found = found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
        let all: Vec<_> = values.iter().map(|(value, _)| *value).collect();
        not_in_set(&fields.path(name), text, &all)
    });
    noted(fields, found, None)
}

/// Goes on with `instead` where a parameter breaks a rule of its own, and keeps the complaint.
pub(in crate::aws) fn noted<T>(fields: &Fields<'_>, read: Result<T, AwsError>, instead: T) -> Result<T, AwsError> {
    match read {
        Err(error) if !error.violations.is_empty() => {
            error.violations.into_iter().for_each(|it| fields.complain(it));
            Ok(instead)
        }
        read => read,
    }
}

/// A value outside of a set.
pub(in crate::aws) fn not_in_set(path: &str, text: &str, all: &[&str]) -> AwsError {
    let must = format!("Member must satisfy enum value set: [{}]", all.join(", "));
    constraint(path, text, &must)
}

/// A value that breaks a rule of its parameter.
pub(in crate::aws) fn constraint(path: &str, text: &str, must: &str) -> AwsError {
    let place = member_path(path);
    let text = format!(
        "Value '{}' at '{place}' failed to satisfy constraint: {must}",
        shown(text)
    );
    AwsError::violations("ValidationError", vec![Complaint { place, text }])
}

fn missing(path: &str) -> AwsError {
    let place = member_path(path);
    let text = format!("Value null at '{place}' failed to satisfy constraint: Member must not be null");
    AwsError::violations("ValidationError", vec![Complaint { place, text }])
}

/// The beginning of a text, for messages.
pub(in crate::aws) fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

/// `Actions.member.1.Type` as AWS's messages have it: `actions.1.member.type`.
fn member_path(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = path.split('.').peekable();
    while let Some(part) = rest.next() {
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if part == "member" && rest.peek().is_some_and(is_number) {
            parts.extend(rest.next().map(str::to_owned));
            parts.push(part.to_owned());
        } else {
            let mut letters = part.chars();
            let first = letters.next().map(|it| it.to_ascii_lowercase());
            parts.push(first.into_iter().chain(letters).collect());
        }
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::query::Form;

    #[test]
    fn numbers_are_in_their_range() {
        let form = Form::read(&[b"PageSize=401&Port=0&Weight=x&Ok=7&Plus=%2B7"]).unwrap();
        let fields = form.fields();
        assert_eq!(number(&fields, "Ok", 1..=7), Ok(Some(7)));
        assert_eq!(number(&fields, "Nobody", 1..=7), Ok(None));
        assert_eq!(number(&fields, "PageSize", 1..=400), Ok(Some(400)), "reading goes on");
        assert_eq!(port(&fields, "Port"), Ok(Some(1)));
        let told = AwsError::or_violations(Ok(()), form.complaints(), "ValidationError").unwrap_err();
        assert_eq!(told.code, "ValidationError");
        assert_eq!(
            told.message,
            "2 validation errors detected: Value '401' at 'pageSize' failed to satisfy constraint: Member must have value \
             less than or equal to 400; Value '0' at 'port' failed to satisfy constraint: Member must have value greater \
             than or equal to 1"
        );
        assert_eq!(number(&fields, "Weight", 0..=9).unwrap_err().code, "MalformedInput");
        assert!(number(&fields, "Plus", 0..=9).is_err());
    }

    #[test]
    fn paths_are_written_as_aws_writes_them() {
        assert_eq!(
            member_path("Actions.member.2.FixedResponseConfig.StatusCode"),
            "actions.2.member.fixedResponseConfig.statusCode"
        );
    }
}
