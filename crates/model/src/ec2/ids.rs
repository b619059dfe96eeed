//! Ids of network resources: a prefix, then 8 or 17 hexadecimal digits. Fresh ones have 17, as AWS's have.

use crate::ids::ResourceId;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The text is not the id that is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the id of a {kind}")]
pub struct InvalidNetworkId {
    /// What is expected.
    pub kind: &'static str,
    /// As given, its beginning.
    pub text: String,
}

macro_rules! ids {
    ($($name:ident, $prefix:literal, $kind:literal;)*) => {$(
        #[doc = concat!("`", $prefix, "` and 8 or 17 hexadecimal digits.")]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// An id made of a fresh number.
            pub fn fresh(id: ResourceId) -> Self {
                Self(format!("{}0{id}", $prefix).into())
            }

            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

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

        impl TryFrom<&str> for $name {
            type Error = InvalidNetworkId;

            fn try_from(text: &str) -> Result<Self, InvalidNetworkId> {
                let digits = text.strip_prefix($prefix).unwrap_or_default();
                let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                match matches!(digits.len(), 8 | 17) && digits.bytes().all(hex) {
                    true => Ok(Self(text.into())),
                    false => Err(InvalidNetworkId {
                        kind: $kind,
                        text: text.chars().take(100).collect(),
                    }),
                }
            }
        }
    )*};
}

ids! {
    VpcId, "vpc-", "VPC";
    VpcCidrAssociationId, "vpc-cidr-assoc-", "CIDR block of a VPC";
    DhcpOptionsId, "dopt-", "set of DHCP options";
    SubnetId, "subnet-", "subnet";
    SecurityGroupId, "sg-", "security group";
    SecurityGroupRuleId, "sgr-", "security group rule";
    InternetGatewayId, "igw-", "internet gateway";
    RouteTableId, "rtb-", "route table";
    RouteAssociationId, "rtbassoc-", "route table association";
    NetworkAclId, "acl-", "network ACL";
    NetworkAclAssociationId, "aclassoc-", "network ACL association";
    NetworkInterfaceId, "eni-", "network interface";
    AttachmentId, "eni-attach-", "attachment of a network interface";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_8_or_17_digits() {
        for good in ["subnet-0123abcd", "subnet-0123456789abcdef0"] {
            assert!(SubnetId::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "subnet-", "subnet-0123ABCD", "vpc-0123abcd", "subnet-0123abcd0"] {
            assert!(SubnetId::try_from(bad).is_err(), "{bad}");
        }
        let fresh = VpcId::fresh(ResourceId(7));
        assert_eq!(fresh.as_str(), "vpc-00000000000000007");
        assert_eq!(VpcId::try_from(fresh.as_str()), Ok(fresh));
    }
}
