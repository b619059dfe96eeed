//! Rule conditions: checked text, not yet compiled. Source: ALB 2.2, 2.3.
//!
//! `routing` compiles them; what is accepted here must compile there.

pub mod cidr;
pub mod pattern;

use crate::limits::{CONDITION_VALUES_PER_RULE, WILDCARDS_PER_RULE};
use cidr::Cidr;
use pattern::{
    HeaderName, HeaderPattern, HostPattern, Method, PathPattern, PatternRefusal, QueryPattern, RegexPattern, Wildcards,
};
use std::fmt;

/// One condition. Its values are alternatives; the conditions of a rule must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `host-header`: the host part of `Host`, any case.
    HostHeader(Alternatives<HostPattern>),
    /// `path-pattern`: the normalised path, without the query, case-sensitive.
    PathPattern(Alternatives<PathPattern>),
    /// `http-header`: any line of the named header, any case.
    HttpHeader {
        /// The header.
        name: HeaderName,
        /// What one of its lines must match.
        values: Alternatives<HeaderPattern>,
    },
    /// `http-request-method`: the exact method.
    HttpRequestMethod(Vec<Method>),
    /// `query-string`: any parameter of the raw query, any case.
    QueryString(Vec<QueryPattern>),
    /// `source-ip`: the peer's address.
    SourceIp(Vec<Cidr>),
}

/// What a condition compares with: `Values` or `RegexValues`, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alternatives<P> {
    /// Wildcard patterns that match the whole subject.
    Values(Vec<P>),
    /// Regular expressions that are searched for in the subject.
    Regexes(Vec<RegexPattern>),
}

impl<P> Alternatives<P> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Regexes(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Condition {
    /// The name AWS gives the field, for example `path-pattern`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::HostHeader(_) => "host-header",
            Self::PathPattern(_) => "path-pattern",
            Self::HttpHeader { .. } => "http-header",
            Self::HttpRequestMethod(_) => "http-request-method",
            Self::QueryString(_) => "query-string",
            Self::SourceIp(_) => "source-ip",
        }
    }

    /// How many values it has.
    pub fn value_count(&self) -> usize {
        match self {
            Self::HostHeader(values) => values.len(),
            Self::PathPattern(values) => values.len(),
            Self::HttpHeader { values, .. } => values.len(),
            Self::HttpRequestMethod(values) => values.len(),
            Self::QueryString(values) => values.len(),
            Self::SourceIp(values) => values.len(),
        }
    }

    fn wildcard_count(&self) -> usize {
        fn all<P: Wildcards>(values: &Alternatives<P>) -> usize {
            match values {
                Alternatives::Values(values) => values.iter().map(Wildcards::wildcard_count).sum(),
                Alternatives::Regexes(_) => 0,
            }
        }
        match self {
            Self::HostHeader(values) => all(values),
            Self::PathPattern(values) => all(values),
            Self::HttpHeader { values, .. } => all(values),
            Self::QueryString(values) => values.iter().map(Wildcards::wildcard_count).sum(),
            Self::HttpRequestMethod(_) | Self::SourceIp(_) => 0,
        }
    }

    /// Whether a rule may hold this kind of condition more than once.
    fn repeatable(&self) -> bool {
        matches!(self, Self::HttpHeader { .. } | Self::QueryString(_))
    }
}

/// The conditions of one rule, within the limits of ALB 2.2: at least one, at most five values and six wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions(Vec<Condition>);

/// Why a list of conditions is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionsRefusal {
    /// A rule without conditions.
    #[error("a rule needs at least one condition; what always holds is the listener's default action")]
    None,
    /// A condition without values.
    #[error("the {0} condition has no value")]
    Empty(&'static str),
    /// A kind of condition that may stand once stands twice.
    #[error("the {0} condition may stand only once in a rule; give it several values instead")]
    Repeated(&'static str),
    /// Too many values.
    #[error("the rule has {0} condition values; the limit is {CONDITION_VALUES_PER_RULE}")]
    TooManyValues(usize),
    /// Too many wildcards.
    #[error("the rule has {0} wildcards; the limit is {WILDCARDS_PER_RULE}")]
    TooManyWildcards(usize),
}

impl Conditions {
    /// Checks the limits over all conditions together.
    pub fn new(conditions: Vec<Condition>) -> Result<Self, ConditionsRefusal> {
        if conditions.is_empty() {
            return Err(ConditionsRefusal::None);
        }
        for (at, condition) in conditions.iter().enumerate() {
            if condition.value_count() == 0 {
                return Err(ConditionsRefusal::Empty(condition.field()));
            }
            let repeated = conditions[..at]
                .iter()
                .any(|earlier| earlier.field() == condition.field());
            if repeated && !condition.repeatable() {
                return Err(ConditionsRefusal::Repeated(condition.field()));
            }
        }
        let values = conditions.iter().map(Condition::value_count).sum();
        if values > CONDITION_VALUES_PER_RULE {
            return Err(ConditionsRefusal::TooManyValues(values));
        }
        let wildcards = conditions.iter().map(Condition::wildcard_count).sum();
        if wildcards > WILDCARDS_PER_RULE {
            return Err(ConditionsRefusal::TooManyWildcards(wildcards));
        }
        Ok(Self(conditions))
    }

    /// The conditions, as given.
    pub fn as_slice(&self) -> &[Condition] {
        &self.0
    }
}

impl fmt::Display for Condition {
    /// A short form for people: `path-pattern is /img/* or /css/*`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(formatter: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    formatter.write_str(" or ")?;
                }
                write!(formatter, "{value}")?;
            }
            Ok(())
        }
        fn alternatives<P: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &Alternatives<P>) -> fmt::Result {
            match values {
                Alternatives::Values(values) => {
                    f.write_str(" is ")?;
                    list(f, values)
                }
                Alternatives::Regexes(values) => {
                    f.write_str(" matches regex ")?;
                    list(f, values)
                }
            }
        }
        formatter.write_str(self.field())?;
        match self {
            Self::HostHeader(values) => alternatives(formatter, values),
            Self::PathPattern(values) => alternatives(formatter, values),
            Self::HttpHeader { name, values } => {
                write!(formatter, " {name}")?;
                alternatives(formatter, values)
            }
            Self::HttpRequestMethod(values) => {
                formatter.write_str(" is ")?;
                list(formatter, values)
            }
            Self::QueryString(values) => {
                formatter.write_str(" has ")?;
                list(formatter, values)
            }
            Self::SourceIp(values) => {
                formatter.write_str(" in ")?;
                list(formatter, values)
            }
        }
    }
}

/// Why one condition is refused: its field and the value's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} condition: {refusal}")]
pub struct ConditionRefusal {
    /// AWS's field name.
    pub field: &'static str,
    /// What is wrong with a value.
    pub refusal: PatternRefusal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(values: &[&str]) -> Condition {
        let values = values
            .iter()
            .map(|text| PathPattern::try_from(*text).unwrap())
            .collect();
        Condition::PathPattern(Alternatives::Values(values))
    }

    fn header(name: &str, value: &str) -> Condition {
        Condition::HttpHeader {
            name: HeaderName::try_from(name).unwrap(),
            values: Alternatives::Values(vec![HeaderPattern::try_from(value).unwrap()]),
        }
    }

    // ALB-C-005: two path-pattern conditions in one rule are rejected
    #[test]
    fn single_conditions_stand_once() {
        assert_eq!(
            Conditions::new(vec![path(&["/a"]), path(&["/b"])]),
            Err(ConditionsRefusal::Repeated("path-pattern"))
        );
        assert!(Conditions::new(vec![header("a", "1"), header("a", "2")]).is_ok());
    }

    // ALB-C-006: five values are accepted, six are not
    #[test]
    fn values_are_counted_over_all_conditions() {
        assert!(Conditions::new(vec![path(&["/1", "/2", "/3", "/4"]), header("a", "5")]).is_ok());
        let six = Conditions::new(vec![path(&["/1", "/2", "/3", "/4", "/5"]), header("a", "6")]);
        assert_eq!(six, Err(ConditionsRefusal::TooManyValues(6)));
    }

    #[test]
    fn wildcards_are_counted_over_all_conditions() {
        assert!(Conditions::new(vec![path(&["/*/*/?/"]), header("a", "*?*")]).is_ok());
        assert_eq!(
            Conditions::new(vec![path(&["/*/*/?/*"]), header("a", "*?*")]),
            Err(ConditionsRefusal::TooManyWildcards(7))
        );
    }

    #[test]
    fn a_rule_needs_a_condition_with_a_value() {
        assert_eq!(Conditions::new(vec![]), Err(ConditionsRefusal::None));
        assert_eq!(
            Conditions::new(vec![path(&[])]),
            Err(ConditionsRefusal::Empty("path-pattern"))
        );
    }

    #[test]
    fn conditions_read_like_a_sentence() {
        assert_eq!(
            path(&["/img/*", "/css/*"]).to_string(),
            "path-pattern is /img/* or /css/*"
        );
        assert_eq!(header("X-A", "b?").to_string(), "http-header X-A is b?");
    }
}
