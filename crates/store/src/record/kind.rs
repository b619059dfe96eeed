//! What records are about.

use std::fmt;

/// What a record is about. The words are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the resources by their names
pub enum Kind {
    LoadBalancer,
    Listener,
    Rule,
    TargetGroup,
    Certificate,
    TrustStore,
    Function,
    FunctionUrl,
    EventInvoke,
    FunctionPolicy,
    FunctionRecord,
    FunctionVersion,
    Alias,
    ProvisionedConcurrency,
    Layer,
    LayerVersion,
    AcmCertificate,
    LogGroup,
    LogStream,
    Vpc,
    Subnet,
    SecurityGroup,
    InternetGateway,
    RouteTable,
    IamUser,
    IamGroup,
    IamRole,
    IamPolicy,
    InstanceProfile,
    Tags,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 30] = [
        Self::LoadBalancer,
        Self::Listener,
        Self::Rule,
        Self::TargetGroup,
        Self::Certificate,
        Self::TrustStore,
        Self::Function,
        Self::FunctionUrl,
        Self::EventInvoke,
        Self::FunctionPolicy,
        Self::FunctionRecord,
        Self::FunctionVersion,
        Self::Alias,
        Self::ProvisionedConcurrency,
        Self::Layer,
        Self::LayerVersion,
        Self::AcmCertificate,
        Self::LogGroup,
        Self::LogStream,
        Self::Vpc,
        Self::Subnet,
        Self::SecurityGroup,
        Self::InternetGateway,
        Self::RouteTable,
        Self::IamUser,
        Self::IamGroup,
        Self::IamRole,
        Self::IamPolicy,
        Self::InstanceProfile,
        Self::Tags,
    ];

    /// The word in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load_balancer",
            Self::Listener => "listener",
            Self::Rule => "rule",
            Self::TargetGroup => "target_group",
            Self::Certificate => "certificate",
            Self::TrustStore => "trust_store",
            Self::Function => "function",
            Self::FunctionUrl => "function_url",
            Self::EventInvoke => "event_invoke_config",
            Self::FunctionPolicy => "function_policy",
            Self::FunctionRecord => "function_record",
            Self::FunctionVersion => "function_version",
            Self::Alias => "alias",
            Self::ProvisionedConcurrency => "provisioned_concurrency",
            Self::Layer => "layer",
            Self::LayerVersion => "layer_version",
            Self::AcmCertificate => "acm_certificate",
            Self::LogGroup => "log_group",
            Self::LogStream => "log_stream",
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::SecurityGroup => "security_group",
            Self::InternetGateway => "internet_gateway",
            Self::RouteTable => "route_table",
            Self::IamUser => "iam_user",
            Self::IamGroup => "iam_group",
            Self::IamRole => "iam_role",
            Self::IamPolicy => "iam_policy",
            Self::InstanceProfile => "iam_instance_profile",
            Self::Tags => "tags",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The version that is written. All from 1 on are read.
    pub fn newest(self) -> u32 {
        match self {
            Self::LoadBalancer
            | Self::Listener
            | Self::Rule
            | Self::TargetGroup
            | Self::Certificate
            | Self::TrustStore
            | Self::Function
            | Self::FunctionUrl
            | Self::EventInvoke
            | Self::FunctionPolicy
            | Self::FunctionRecord
            | Self::FunctionVersion
            | Self::Alias
            | Self::ProvisionedConcurrency
            | Self::Layer
            | Self::LayerVersion
            | Self::AcmCertificate
            | Self::LogGroup
            | Self::LogStream
            | Self::Vpc
            | Self::Subnet
            | Self::SecurityGroup
            | Self::InternetGateway
            | Self::RouteTable
            | Self::IamUser
            | Self::IamGroup
            | Self::IamRole
            | Self::IamPolicy
            | Self::InstanceProfile
            | Self::Tags => 1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
