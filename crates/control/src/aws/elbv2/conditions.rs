//! Conditions and transforms of rules. Source: ALB 2.2, 2.3, 2.6, 9.6.

use super::errors::sentence;
use super::input::{not_in_set, required, required_list, shown};
use crate::aws::error::AwsError;
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::{
    HeaderName, HostPattern, Method, PathPattern, PatternRefusal, QueryPattern, QueryText, RegexPattern,
};
use model::elb::condition::{Alternatives, Condition, Conditions, ConditionsRefusal};
use model::elb::transform::{Rewrite, Transforms};
use model::limits::{CONDITION_NAME_CHARS_MAX, CONDITION_VALUE_CHARS_MAX};
use wire::query::Fields;

/// The fields of conditions, each with the member that has its values.
const FIELDS: [(&str, &str); 6] = [
    ("path-pattern", "PathPatternConfig"),
    ("host-header", "HostHeaderConfig"),
    ("http-header", "HttpHeaderConfig"),
    ("http-request-method", "HttpRequestMethodConfig"),
    ("query-string", "QueryStringConfig"),
    ("source-ip", "SourceIpConfig"),
];

/// `Conditions`.
pub(super) fn conditions(fields: &Fields<'_>) -> Result<Conditions, AwsError> {
    let list = required_list(fields, "Conditions")?;
    let conditions: Result<Vec<_>, _> = list.iter().map(condition).collect();
    Conditions::new(conditions?).map_err(|refusal| match refusal {
        ConditionsRefusal::TooManyValues(_) => AwsError::validation("A rule can only have '5' condition values"),
        ConditionsRefusal::Empty(_) => AwsError::validation("A condition value must be specified"),
        refusal => AwsError::validation(sentence(&refusal)),
    })
}

fn condition(it: &Fields<'_>) -> Result<Condition, AwsError> {
    let field = required(it, "Field")?;
    let Some((_, config_name)) = FIELDS.iter().find(|(name, _)| *name == field) else {
        let all: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        return Err(AwsError::validation(format!(
            "Condition field '{}' must be one of '[{}]'",
            shown(field),
            all.join(",")
        )));
    };
    let foreign = FIELDS.iter().find(|(name, config)| *name != field && it.has(config));
    if let Some((_, config)) = foreign {
        return Err(AwsError::validation(format!(
            "The '{config}' field is not compatible with '{field}'"
        )));
    }
    let given = Given {
        field,
        config_name,
        legacy: it.texts("Values")?,
        regexes: it.texts("RegexValues")?,
        config: it.structure(config_name),
    };
    given.check_legacy()?;
    match field {
        "host-header" => Ok(Condition::HostHeader(given.alternatives(HostPattern::try_from)?)),
        "path-pattern" => Ok(Condition::PathPattern(given.alternatives(PathPattern::try_from)?)),
        "http-header" => given.header(),
        "http-request-method" => {
            let values = given.values()?;
            Ok(Condition::HttpRequestMethod(given.all(&values, Method::try_from)?))
        }
        "source-ip" => {
            let values = given.values()?;
            match values.is_empty() {
                true => Err(AwsError::validation("A 'source-ip' value must be specified")),
                false => Ok(Condition::SourceIp(given.all(&values, Cidr::try_from)?)),
            }
        }
        _ => given.query(),
    }
}

/// What a condition says, as text.
struct Given<'a> {
    field: &'a str,
    config_name: &'a str,
    /// `Values` beside the field.
    legacy: Vec<&'a str>,
    /// `RegexValues` beside the field.
    regexes: Vec<&'a str>,
    config: Option<Fields<'a>>,
}

impl<'a> Given<'a> {
    /// `Values` alone is for hosts and paths, and takes one value.
    fn check_legacy(&self) -> Result<(), AwsError> {
        let (field, config) = (self.field, self.config_name);
        let is_plain = matches!(field, "host-header" | "path-pattern");
        if !is_plain && !self.legacy.is_empty() {
            return Err(AwsError::validation(format!(
                "The 'Values' field is not compatible with '{field}'"
            )));
        }
        if !matches!(field, "host-header" | "path-pattern" | "http-header") && !self.regexes.is_empty() {
            return Err(AwsError::validation(format!(
                "The 'RegexValues' field is not compatible with '{field}'"
            )));
        }
        if !self.legacy.is_empty() && self.config.is_some() {
            return Err(AwsError::validation(format!(
                "You cannot provide both Values and '{config}' for a condition of type '{field}'"
            )));
        }
        if self.legacy.len() > 1 {
            return Err(AwsError::validation(format!(
                "The '{field}' field contains too many values; the limit is '1'"
            )));
        }
        let has_any = !self.legacy.is_empty() || !self.regexes.is_empty() || self.config.is_some();
        match (has_any, is_plain) {
            (true, _) => Ok(()),
            (false, true) => Err(AwsError::validation("A condition value must be specified")),
            (false, false) => Err(AwsError::validation(format!(
                "A '{config}' must be specified with '{field}'"
            ))),
        }
    }

    /// The values of the config member.
    fn values(&self) -> Result<Vec<&'a str>, AwsError> {
        match &self.config {
            Some(config) => Ok(config.texts("Values")?),
            None => Ok(Vec::new()),
        }
    }

    /// `Values` or `RegexValues`, wherever they stand.
    fn alternatives<P>(
        &self,
        read: impl Fn(&'a str) -> Result<P, PatternRefusal>,
    ) -> Result<Alternatives<P>, AwsError> {
        let mut values = self.legacy.clone();
        values.extend(self.values()?);
        let mut regexes = self.regexes.clone();
        if let Some(config) = &self.config {
            regexes.extend(config.texts("RegexValues")?);
        }
        match (values.is_empty(), regexes.is_empty()) {
            (false, false) => Err(AwsError::validation(format!(
                "You cannot provide both Values and RegexValues for a condition of type '{}'",
                self.field
            ))),
            (_, true) => Ok(Alternatives::Values(self.all(&values, read)?)),
            (_, false) => Ok(Alternatives::Regexes(self.all(&regexes, RegexPattern::try_from)?)),
        }
    }

    fn header(&self) -> Result<Condition, AwsError> {
        let Some(config) = &self.config else {
            return Err(AwsError::validation(
                "A 'HttpHeaderConfig' must be specified with 'http-header'",
            ));
        };
        let text = config.text("HttpHeaderName");
        let text =
            text.ok_or_else(|| AwsError::validation("A 'HttpHeaderName' must be specified in 'HttpHeaderConfig'"))?;
        let name = HeaderName::try_from(text).map_err(|refusal| refused("HttpHeaderName", &refusal))?;
        let values = self.alternatives(model::elb::condition::pattern::HeaderPattern::try_from)?;
        Ok(Condition::HttpHeader { name, values })
    }

    fn query(&self) -> Result<Condition, AwsError> {
        let Some(config) = &self.config else {
            return Err(AwsError::validation(
                "A 'QueryStringConfig' must be specified with 'query-string'",
            ));
        };
        let text = |name: &str, text: &str| QueryText::try_from(text).map_err(|refusal| refused(name, &refusal));
        let pair = |pair: &Fields<'_>| {
            let value = pair.text("Value");
            let value = value
                .ok_or_else(|| AwsError::validation("A 'Value' must be specified in 'QueryStringKeyValuePair'"))?;
            // SDKs send an empty key for none.
            let key = pair.text("Key").filter(|key| !key.is_empty());
            Ok(QueryPattern {
                key: key.map(|key| text("Key", key)).transpose()?,
                value: text("Value", value)?,
            })
        };
        let pairs: Result<Vec<_>, AwsError> = config.list("Values")?.iter().map(pair).collect();
        Ok(Condition::QueryString(pairs?))
    }

    fn all<P>(
        &self,
        texts: &[&'a str],
        read: impl Fn(&'a str) -> Result<P, PatternRefusal>,
    ) -> Result<Vec<P>, AwsError> {
        let value = |text: &&'a str| read(text).map_err(|refusal| refused(self.field, &refusal));
        texts.iter().map(value).collect()
    }
}

/// AWS's words for a value that cannot be.
fn refused(what: &str, refusal: &PatternRefusal) -> AwsError {
    AwsError::validation(match refusal {
        PatternRefusal::TooLong { max, .. } => format!("The '{what}' value is too long; the limit is '{max}'"),
        PatternRefusal::Character { .. } if what == "http-request-method" => {
            format!("The '{what}' value is invalid; the allowed characters are A-Z, hyphen and underscore")
        }
        PatternRefusal::Empty => "A condition value must be specified".to_owned(),
        refusal => format!("The '{what}' value is invalid: {refusal}"),
    })
}

// The limits that AWS's words name are those that values are held to.
const _: () = assert!(CONDITION_VALUE_CHARS_MAX == 128 && CONDITION_NAME_CHARS_MAX == 40);

/// `Transforms`, at most one of each type.
pub(super) fn transforms(fields: &Fields<'_>) -> Result<Transforms, AwsError> {
    let mut transforms = Transforms::default();
    for transform in fields.list("Transforms")? {
        let (kind, config, place) = match required(&transform, "Type")? {
            "host-header-rewrite" => ("host-header-rewrite", "HostHeaderRewriteConfig", &mut transforms.host),
            "url-rewrite" => ("url-rewrite", "UrlRewriteConfig", &mut transforms.url),
            other => {
                let all = ["host-header-rewrite", "url-rewrite"];
                return Err(not_in_set(&transform.path("Type"), other, &all));
            }
        };
        let rewrites = match transform.structure(config) {
            Some(config) => config.list("Rewrites")?,
            None => Vec::new(),
        };
        let [rewrite] = &rewrites[..] else {
            let message = format!("A transform of type '{kind}' must have exactly one rewrite in '{config}'");
            return Err(AwsError::validation(message));
        };
        let (regex, replace) = (required(rewrite, "Regex")?, required(rewrite, "Replace")?);
        let rewrite = Rewrite::new(regex, replace).map_err(|refusal| AwsError::validation(sentence(&refusal)))?;
        if place.replace(rewrite).is_some() {
            return Err(AwsError::validation(format!(
                "A rule can only have one transform of type '{kind}'"
            )));
        }
    }
    Ok(transforms)
}
