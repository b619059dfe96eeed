//! Layers: packages that functions share. Source: Lambda 1.7, 8.9.

use crate::ids::{AccountId, Region, Scope, Timestamp};
use crate::lambda::about::Architecture;
use crate::lambda::package::Package;
use crate::lambda::policy::StatementId;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// `arn:{partition}:lambda:{region}:{account}:layer:{name}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerArn(Arc<str>);

/// The layer's ARN with the number of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerVersionArn(Arc<str>);

/// Not the ARN of a layer, or of a version of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a layer or of its version")]
pub struct InvalidLayerArn(String);

fn invalid(text: &str) -> InvalidLayerArn {
    InvalidLayerArn(text.chars().take(300).collect())
}

/// Is it 1 to 140 letters, digits, hyphens and underscores?
pub fn is_layer_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=140).contains(&text.len()) && text.bytes().all(allowed)
}

impl TryFrom<&str> for LayerArn {
    type Error = InvalidLayerArn;

    fn try_from(text: &str) -> Result<Self, InvalidLayerArn> {
        let mut parts = text.splitn(7, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service, region, account) = (next(), next(), next(), next(), next());
        let (resource, name) = (next(), next());
        let scope = Region::try_from(region).ok().zip(AccountId::try_from(account).ok());
        let scope = scope.map(|(region, account)| Scope { region, account });
        let fits = scope.is_some_and(|scope| scope.partition() == partition)
            && (arn, service, resource) == ("arn", "lambda", "layer")
            && is_layer_name(name);
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(invalid(text))
        }
    }
}

impl TryFrom<&str> for LayerVersionArn {
    type Error = InvalidLayerArn;

    fn try_from(text: &str) -> Result<Self, InvalidLayerArn> {
        let fits = text.rsplit_once(':').is_some_and(|(layer, number)| {
            let is_number = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
            LayerArn::try_from(layer).is_ok() && is_number && number.parse::<u64>().is_ok()
        });
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(invalid(text))
        }
    }
}

impl LayerArn {
    /// The ARN of the layer `name`.
    pub fn new(scope: &Scope, name: &str) -> Self {
        let (partition, region, account) = (scope.partition(), &scope.region, &scope.account);
        Self(format!("arn:{partition}:lambda:{region}:{account}:layer:{name}").into())
    }

    /// The ARN of one of its versions.
    #[must_use]
    pub fn version(&self, number: u64) -> LayerVersionArn {
        LayerVersionArn(format!("{}:{number}", self.0).into())
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.rsplit_once(':').map_or("", |(_, name)| name)
    }

    /// The account in it.
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl LayerVersionArn {
    /// The layer.
    pub fn layer(&self) -> LayerArn {
        LayerArn(self.0.rsplit_once(':').map_or("", |(layer, _)| layer).into())
    }

    /// 1 or more.
    pub fn number(&self) -> u64 {
        let number = self.0.rsplit_once(':').and_then(|(_, number)| number.parse().ok());
        number.unwrap_or_default()
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region in it.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

macro_rules! shown {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

shown!(LayerArn LayerVersionArn);

/// One version of a layer. It never changes, but for its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerVersion {
    /// Its ARN.
    pub arn: LayerVersionArn,
    /// What is in it.
    pub package: Package,
    /// At most 256 characters.
    pub description: String,
    /// At most 15 runtimes, as given.
    pub runtimes: Vec<String>,
    /// At most 2.
    pub architectures: Vec<Architecture>,
    /// At most 512 characters.
    pub license: Option<String>,
    /// When it was published.
    pub created: Timestamp,
    /// Who else may use it.
    pub statements: Vec<LayerStatement>,
    /// Another one after every change of the policy.
    pub policy_revision: u128,
}

/// A statement of a layer's policy: it allows `lambda:GetLayerVersion`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerStatement {
    /// `Sid`, unique in the policy.
    pub id: StatementId,
    /// Who may; `None` is everybody.
    pub account: Option<AccountId>,
    /// Only accounts of this organization.
    pub organization: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_layers_are_read_as_they_are_written() {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        let layer = LayerArn::new(&scope, "libs");
        let version = layer.version(12);
        assert_eq!(version.as_str(), "arn:aws:lambda:eu-west-1:111122223333:layer:libs:12");
        assert_eq!(
            (version.layer(), version.number(), version.region()),
            (layer.clone(), 12, "eu-west-1")
        );
        assert_eq!((layer.name(), layer.account()), ("libs", "111122223333"));
        assert_eq!(LayerArn::try_from(layer.as_str()), Ok(layer.clone()));
        assert_eq!(LayerVersionArn::try_from(version.as_str()), Ok(version));
        for bad in [
            "",
            "libs:1",
            "arn:aws:lambda:eu-west-1:111122223333:layer:a b:1",
            layer.as_str(),
        ] {
            assert!(LayerVersionArn::try_from(bad).is_err(), "{bad}");
        }
        for bad in ["0", "01", "x", "+1", ""] {
            assert!(
                LayerVersionArn::try_from(format!("{layer}:{bad}").as_str()).is_err(),
                "{bad}"
            );
        }
    }
}
