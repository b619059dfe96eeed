//! Conditions of rules.

use super::Invalid;
use super::value::Text;
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::{
    HeaderName, HeaderPattern, HostPattern, Method, PathPattern, PatternRefusal, QueryPattern, QueryText, RegexPattern,
};
use model::elb::condition::{Alternatives, Condition, Conditions};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ConditionV1 {
    HostHeader(AlternativesV1<HostPattern>),
    PathPattern(AlternativesV1<PathPattern>),
    HttpHeader {
        name: Text<HeaderName>,
        values: AlternativesV1<HeaderPattern>,
    },
    HttpRequestMethod(Vec<Text<Method>>),
    QueryString(Vec<QueryV1>),
    SourceIp(Vec<Text<Cidr>>),
}

#[derive(Serialize, Deserialize)]
#[serde(
    rename_all = "snake_case",
    bound(
        serialize = "P: Display",
        deserialize = "P: for<'a> TryFrom<&'a str, Error = PatternRefusal>"
    )
)]
pub(super) enum AlternativesV1<P> {
    Values(Vec<Text<P>>),
    Regexes(Vec<Text<RegexPattern>>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryV1 {
    key: Option<Text<QueryText>>,
    value: Text<QueryText>,
}

pub(super) fn of(conditions: &Conditions) -> Vec<ConditionV1> {
    conditions.as_slice().iter().cloned().map(ConditionV1::of).collect()
}

pub(super) fn into_conditions(conditions: Vec<ConditionV1>) -> Result<Conditions, Invalid> {
    let conditions = conditions.into_iter().map(ConditionV1::into_condition).collect();
    Conditions::new(conditions).map_err(Invalid::because)
}

impl ConditionV1 {
    fn of(condition: Condition) -> Self {
        match condition {
            Condition::HostHeader(values) => Self::HostHeader(AlternativesV1::of(values)),
            Condition::PathPattern(values) => Self::PathPattern(AlternativesV1::of(values)),
            Condition::HttpHeader { name, values } => Self::HttpHeader {
                name: Text(name),
                values: AlternativesV1::of(values),
            },
            Condition::HttpRequestMethod(methods) => Self::HttpRequestMethod(texts(methods)),
            Condition::QueryString(patterns) => {
                let query = |QueryPattern { key, value }| QueryV1 {
                    key: key.map(Text),
                    value: Text(value),
                };
                Self::QueryString(patterns.into_iter().map(query).collect())
            }
            Condition::SourceIp(blocks) => Self::SourceIp(texts(blocks)),
        }
    }

    fn into_condition(self) -> Condition {
        match self {
            Self::HostHeader(values) => Condition::HostHeader(values.into_alternatives()),
            Self::PathPattern(values) => Condition::PathPattern(values.into_alternatives()),
            Self::HttpHeader { name, values } => Condition::HttpHeader {
                name: name.0,
                values: values.into_alternatives(),
            },
            Self::HttpRequestMethod(methods) => Condition::HttpRequestMethod(values(methods)),
            Self::QueryString(patterns) => {
                let query = |QueryV1 { key, value }| QueryPattern {
                    key: key.map(|it| it.0),
                    value: value.0,
                };
                Condition::QueryString(patterns.into_iter().map(query).collect())
            }
            Self::SourceIp(blocks) => Condition::SourceIp(values(blocks)),
        }
    }
}

impl<P> AlternativesV1<P> {
    fn of(alternatives: Alternatives<P>) -> Self {
        match alternatives {
            Alternatives::Values(values) => Self::Values(texts(values)),
            Alternatives::Regexes(values) => Self::Regexes(texts(values)),
        }
    }

    fn into_alternatives(self) -> Alternatives<P> {
        match self {
            Self::Values(texts) => Alternatives::Values(values(texts)),
            Self::Regexes(texts) => Alternatives::Regexes(values(texts)),
        }
    }
}

fn texts<T>(values: Vec<T>) -> Vec<Text<T>> {
    values.into_iter().map(Text).collect()
}

fn values<T>(texts: Vec<Text<T>>) -> Vec<T> {
    texts.into_iter().map(|it| it.0).collect()
}
