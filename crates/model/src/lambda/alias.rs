//! Aliases: names for versions. Source: Lambda 8.7.

use crate::arn::FunctionArn;
use std::fmt;

/// One alias.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// Its ARN: the function's, qualified by its name.
    pub arn: FunctionArn,
    /// Which version it means.
    pub version: VersionRef,
    /// Another version that gets a part of the invocations.
    pub routing: Option<Routing>,
    /// At most 256 characters.
    pub description: String,
    /// Another one after every change. `RevisionId`.
    pub revision: u128,
}

/// What an alias means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionRef {
    /// `$LATEST`
    Latest,
    /// A published one.
    Number(u64),
}

impl fmt::Display for VersionRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => formatter.write_str("$LATEST"),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

/// Not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not $LATEST or the number of a version")]
pub struct InvalidVersion(String);

impl TryFrom<&str> for VersionRef {
    type Error = InvalidVersion;

    fn try_from(text: &str) -> Result<Self, InvalidVersion> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            _ if text == "$LATEST" => Ok(Self::Latest),
            Ok(number) if is_number => Ok(Self::Number(number)),
            _ => Err(InvalidVersion(text.chars().take(100).collect())),
        }
    }
}

/// `RoutingConfig.AdditionalVersionWeights`, of which there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routing {
    /// The additional version.
    pub version: u64,
    /// Its part of the invocations.
    pub weight: Weight,
}

/// 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight(f64);

/// Not between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a weight of {0} is not between 0 and 1")]
pub struct InvalidWeight(f64);

impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(number: f64) -> Result<Self, InvalidWeight> {
        match (0.0..=1.0).contains(&number) {
            true => Ok(Self(number)),
            false => Err(InvalidWeight(number)),
        }
    }
}

impl Weight {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Alias {
    /// Which version one invocation gets, by a number that is drawn from all of `u32` alike. Source: Lambda 5.3.
    pub fn drawn(&self, draw: u32) -> VersionRef {
        match self.routing {
            Some(Routing { version, weight }) if f64::from(draw) < weight.0 * 4_294_967_296.0 => {
                VersionRef::Number(version)
            }
            _ => self.version,
        }
    }

    /// Does it name this version?
    pub fn names(&self, number: u64) -> bool {
        self.version == VersionRef::Number(number) || self.routing.is_some_and(|it| it.version == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, Region, Scope};

    fn alias(weight: f64) -> Alias {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        Alias {
            arn: FunctionArn::new(&scope, "f").qualified("live"),
            version: VersionRef::Number(1),
            routing: Some(Routing {
                version: 2,
                weight: Weight::try_from(weight).unwrap(),
            }),
            description: String::new(),
            revision: 0,
        }
    }

    // LAM-V-020: 0.0 routes none and 1.0 all
    #[test]
    fn the_weight_is_the_part_of_the_additional_version() {
        for (weight, draw, expected) in [
            (0.0, 0, 1),
            (0.0, u32::MAX, 1),
            (1.0, 0, 2),
            (1.0, u32::MAX, 2),
            (0.25, (1 << 30) - 1, 2),
            (0.25, 1 << 30, 1),
        ] {
            assert_eq!(
                alias(weight).drawn(draw),
                VersionRef::Number(expected),
                "{weight} {draw}"
            );
        }
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(Weight::try_from(bad).is_err());
        }
    }

    #[test]
    fn versions_are_numbers_or_the_latest() {
        assert_eq!(VersionRef::try_from("$LATEST"), Ok(VersionRef::Latest));
        assert_eq!(VersionRef::try_from("12"), Ok(VersionRef::Number(12)));
        for bad in ["", "+1", "live", "-1", "99999999999999999999"] {
            assert!(VersionRef::try_from(bad).is_err(), "{bad}");
        }
    }
}
