//! Why a command is refused, in the domain's words. `control` alone knows which AWS code each one has.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::ec2::Ec2Refusal;
use crate::ec2::ids::{SecurityGroupId, SubnetId, VpcId};
use crate::elb::attribute::AttributeRefusal;
use crate::elb::rule::RulePriority;
use crate::elb::target_group::{ProtocolVersion, ServersRefusal};
use crate::iam::IamRefusal;
use crate::ids::Owner;
use crate::lambda::event_invoke::{Destination, QualifiedArn};
use crate::lambda::logging::LogGroupName;
use crate::lambda::policy::StatementId;
use crate::lambda::url::{CorsRefusal, UrlId};
use crate::limits;
use crate::logs::LogStreamId;
use crate::tag::TagRefusal;

/// Why a command is refused. Nothing of its batch was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// About load balancers.
    #[error(transparent)]
    LoadBalancer(#[from] LoadBalancerRefusal),
    /// About listeners.
    #[error(transparent)]
    Listener(#[from] ListenerRefusal),
    /// About rules.
    #[error(transparent)]
    Rule(#[from] RuleRefusal),
    /// About actions, of rules and listeners alike.
    #[error(transparent)]
    Action(#[from] ActionRefusal),
    /// About target groups.
    #[error(transparent)]
    TargetGroup(#[from] TargetGroupRefusal),
    /// About certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
    /// About trust stores.
    #[error(transparent)]
    TrustStore(#[from] TrustStoreRefusal),
    /// About functions.
    #[error(transparent)]
    Function(#[from] FunctionRefusal),
    /// About what belongs to functions of the AWS API.
    #[error(transparent)]
    Lambda(#[from] crate::lambda::refusal::LambdaRefusal),
    /// About what becomes of asynchronous invocations.
    #[error(transparent)]
    EventInvoke(#[from] EventInvokeRefusal),
    /// About log groups and streams.
    #[error(transparent)]
    Logs(#[from] LogsRefusal),
    /// About the network.
    #[error(transparent)]
    Ec2(#[from] Ec2Refusal),
    /// About users, roles and policies.
    #[error(transparent)]
    Iam(#[from] IamRefusal),
    /// About tags.
    #[error(transparent)]
    Tags(#[from] TagsRefusal),
    /// The resource belongs to somebody whose resources the caller may not change.
    #[error("{resource} belongs to {}", owner_words(*.owner))]
    Owned {
        /// Its ARN.
        resource: String,
        /// Whose it is.
        owner: Owner,
    },
}

fn owner_words(owner: Owner) -> &'static str {
    match owner {
        Owner::Manifest => "the manifest",
        Owner::Api => "the AWS API",
    }
}

/// Why a command on tags is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct TagsRefusal(#[from] pub TagRefusal);

/// Why a command on a load balancer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadBalancerRefusal {
    /// Unknown ARN.
    #[error("load balancer {0} does not exist")]
    NoSuchLoadBalancer(LoadBalancerArn),
    /// Another one has the name.
    #[error("a load balancer named {0} exists already")]
    NameTaken(String),
    /// Deletion protection is on.
    #[error(
        "load balancer {0} cannot be deleted because deletion protection is enabled; set deletion_protection.enabled to \
         false first"
    )]
    DeletionProtected(LoadBalancerArn),
    /// Its attributes do not go together.
    #[error(transparent)]
    Attributes(#[from] AttributeRefusal),
    /// Fifty load balancers.
    #[error(
        "there are {} load balancers in the region already, which is the limit",
        limits::LOAD_BALANCERS_PER_REGION
    )]
    TooMany,
    /// A subnet that is not there.
    #[error("the subnet ID '{0}' does not exist")]
    NoSuchSubnet(SubnetId),
    /// Fewer than two zones. Source: ALB 1.3.
    #[error("at least two subnets in two different Availability Zones must be specified")]
    TooFewZones,
    /// Subnets of several VPCs, or of another VPC than so far.
    #[error("the subnet '{0}' is not in the load balancer's VPC")]
    OtherVpc(SubnetId),
    /// A subnet without room. Source: ALB 1.3, 9.6.
    #[error("not enough IP space available in {0}. ELB requires at least 8 free IP addresses in each subnet.")]
    SubnetFull(SubnetId),
    /// A load balancer for the internet in a VPC that the internet does not reach.
    #[error("VPC {0} has no internet gateway")]
    NoInternetGateway(VpcId),
    /// A security group that is not there, or of another VPC.
    #[error("one or more security groups are invalid: '{0}'")]
    NoSuchSecurityGroup(SecurityGroupId),
    /// None, or more than five.
    #[error(
        "a load balancer has 1 to {} security groups",
        limits::SECURITY_GROUPS_PER_LOAD_BALANCER
    )]
    SecurityGroupCount,
    /// Two subnets in one zone. Source: ALB 1.3.
    #[error("a load balancer cannot be attached to multiple subnets in the same Availability Zone")]
    ZoneTwice,
}

/// Why a command on a listener is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerRefusal {
    /// Unknown ARN.
    #[error("listener {0} does not exist")]
    NoSuchListener(ListenerArn),
    /// The load balancer has a listener on that port.
    #[error("port {port} is taken by listener {holder} of the same load balancer")]
    PortTaken {
        /// The port.
        port: u16,
        /// The listener that has it.
        holder: ListenerArn,
    },
    /// Port 0.
    #[error("a listener's port is 1 to 65535")]
    PortZero,
    /// The id is in use.
    #[error("listener {0} exists already")]
    Exists(ListenerArn),
    /// Fifty listeners.
    #[error(
        "the load balancer has {} listeners already, which is the limit",
        limits::LISTENERS_PER_LOAD_BALANCER
    )]
    TooMany,
    /// Too many certificates beside the defaults.
    #[error(
        "the load balancer would have more than {} certificates beside default ones",
        limits::CERTIFICATES_PER_LOAD_BALANCER
    )]
    TooManyCertificates,
    /// Two listeners verify client certificates.
    #[error(
        "the load balancer has {} listeners that verify client certificates, which is the limit",
        limits::VERIFYING_LISTENERS_PER_LOAD_BALANCER
    )]
    TooManyVerify,
}

/// Why a command on a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleRefusal {
    /// Unknown ARN.
    #[error("rule {0} does not exist")]
    NoSuchRule(RuleArn),
    /// Another rule of the listener has the priority.
    #[error("priority {priority} is held by {holder}")]
    PriorityTaken {
        /// The priority.
        priority: RulePriority,
        /// The rule that holds it.
        holder: RuleArn,
    },
    /// One priority twice in one call.
    #[error("priority {0} was given more than once")]
    PriorityRepeated(RulePriority),
    /// The id is in use.
    #[error("rule {0} exists already")]
    Exists(RuleArn),
    /// A hundred rules.
    #[error(
        "the load balancer has {} rules already, which is the limit",
        limits::RULES_PER_LOAD_BALANCER
    )]
    TooMany,
}

/// Why an action is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefusal {
    /// A forward action names an unknown target group.
    #[error("target group {0} does not exist")]
    NoSuchTargetGroup(TargetGroupArn),
    /// A target group belongs to another load balancer.
    #[error(
        "target group {target_group} is used by load balancer {holder}; a target group belongs to one load balancer, so \
         give this one a target group of its own"
    )]
    TargetGroupOfAnother {
        /// The target group.
        target_group: TargetGroupArn,
        /// The load balancer that forwards to it.
        holder: LoadBalancerArn,
    },
    /// A hundred target groups.
    #[error(
        "the load balancer uses more than {} target groups",
        limits::TARGET_GROUPS_PER_LOAD_BALANCER
    )]
    TooManyTargetGroups,
    /// A thousand targets.
    #[error(
        "the load balancer would have more than {} targets",
        limits::TARGETS_PER_LOAD_BALANCER
    )]
    TooManyTargets,
    /// A redirect from HTTPS to HTTP.
    #[error("an HTTPS listener cannot redirect to HTTP")]
    RedirectToHttp,
    /// `IncompatibleProtocols`: HTTP/2 towards targets from a listener without it. Source: ALB 2.5, 4.2.
    #[error(
        "target group {target_group} has the protocol version {}, which only HTTPS listeners can forward to; this one \
         is an HTTP listener",
        .version.as_str()
    )]
    IncompatibleProtocols {
        /// The target group.
        target_group: TargetGroupArn,
        /// Its protocol version.
        version: ProtocolVersion,
    },
    /// Application cookies among several target groups. Source: ALB 5.4 "app cookie with weighted TGs".
    #[error(
        "target group {0} has stickiness of type app_cookie, which does not work in a forward action with several \
         target groups"
    )]
    AppCookieAmongSeveral(TargetGroupArn),
}

/// Why a command on a target group is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetGroupRefusal {
    /// Unknown ARN.
    #[error("target group {0} does not exist")]
    NoSuchTargetGroup(TargetGroupArn),
    /// Another one has the name.
    #[error("a target group named {0} exists already")]
    NameTaken(String),
    /// Three thousand target groups.
    #[error(
        "there are {} target groups in the region already, which is the limit",
        limits::TARGET_GROUPS_PER_REGION
    )]
    TooMany,
    /// A rule or listener forwards to it.
    #[error("target group {0} is in use by a listener or a rule")]
    InUse(TargetGroupArn),
    /// A VPC that is not there.
    #[error("the VPC ID '{0}' is not found")]
    NoSuchVpc(VpcId),
    /// It has a function already.
    #[error("target group {group} has the function {registered}; a Lambda target group takes one function")]
    TooManyTargets {
        /// The target group.
        group: TargetGroupArn,
        /// The function it has.
        registered: FunctionArn,
    },
    /// The target does not exist.
    #[error("function {0} does not exist")]
    NoSuchFunction(FunctionArn),
    /// The command is for Lambda target groups, the group has servers, or the other way round.
    #[error("target group {0} has targets of another type")]
    OtherTargetType(TargetGroupArn),
    /// A group of servers that does not hold together.
    #[error(transparent)]
    Servers(#[from] ServersRefusal),
}

/// Why a command on a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// Unknown ARN.
    #[error("certificate {0} does not exist")]
    NoSuchCertificate(CertificateArn),
    /// A listener uses it.
    #[error("certificate {certificate} is in use by listener {listener}")]
    InUse {
        /// The certificate.
        certificate: CertificateArn,
        /// One listener that uses it.
        listener: ListenerArn,
    },
    /// It was issued, so nobody can put another in its place.
    #[error("certificate {0} was not imported")]
    NotImported(CertificateArn),
    /// Too many certificates.
    #[error(
        "there would be more than {} certificates in this region",
        limits::CERTIFICATES_PER_REGION
    )]
    TooMany,
}

/// Why a command on a log group or a stream is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogsRefusal {
    /// The group exists.
    #[error("the log group {} exists already", .0.as_str())]
    GroupTaken(LogGroupName),
    /// The stream exists.
    #[error("the log stream {} exists already", .0.stream())]
    StreamTaken(LogStreamId),
    /// The group may not be deleted.
    #[error("the log group {} is protected from deletion", .0.as_str())]
    Protected(LogGroupName),
    /// Too many groups.
    #[error("there are {} log groups, which is the limit", limits::LOG_GROUPS_MAX)]
    TooManyGroups,
    /// Too many streams.
    #[error("the log group has {} streams, which is the limit", limits::LOG_STREAMS_PER_GROUP)]
    TooManyStreams,
}

/// Why a command on a trust store is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustStoreRefusal {
    /// Unknown ARN.
    #[error("trust store {0} does not exist")]
    NoSuchTrustStore(TrustStoreArn),
    /// Another one has the name.
    #[error("a trust store named {0} exists already")]
    NameTaken(String),
    /// Twenty trust stores.
    #[error(
        "there are {} trust stores already, which is the limit",
        limits::TRUST_STORES_PER_ACCOUNT
    )]
    TooMany,
    /// No certificate, or too many.
    #[error(
        "trust store {name} has {certificates} CA certificates; it takes 1 to {}",
        limits::CERTIFICATES_PER_TRUST_STORE
    )]
    Certificates {
        /// The trust store's name.
        name: String,
        /// How many it has.
        certificates: u16,
    },
    /// Too many revocation lists.
    #[error(
        "trust store {name} has {lists} revocation lists; the limit is {}",
        limits::REVOCATION_LISTS_PER_TRUST_STORE
    )]
    RevocationLists {
        /// The trust store's name.
        name: String,
        /// How many it has.
        lists: usize,
    },
    /// Too many revoked certificates.
    #[error(
        "the revocation lists of trust store {name} have {entries} entries together; the limit is {}",
        limits::REVOCATIONS_PER_TRUST_STORE
    )]
    RevocationEntries {
        /// The trust store's name.
        name: String,
        /// How many there are.
        entries: u64,
    },
    /// A listener uses it.
    #[error("trust store {trust_store} is in use by listener {listener}")]
    InUse {
        /// The trust store.
        trust_store: TrustStoreArn,
        /// One listener that uses it.
        listener: ListenerArn,
    },
}

/// Why a command on a function is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionRefusal {
    /// Unknown ARN.
    #[error("function {0} does not exist")]
    NoSuchFunction(FunctionArn),
    /// Another one has the name.
    #[error("a function named {0} exists already")]
    NameTaken(String),
    /// The CORS settings of its URL.
    #[error(transparent)]
    Cors(CorsRefusal),
    /// Another function's URL has the id.
    #[error("the URL id {0} is in use")]
    UrlIdTaken(UrlId),
    /// It has none.
    #[error("function {0} has no URL")]
    NoUrl(FunctionArn),
    /// A statement of its policy has the id.
    #[error("the statement id {0} exists already")]
    StatementTaken(StatementId),
    /// Its policy has no such statement.
    #[error("the policy has no statement {0}")]
    NoSuchStatement(StatementId),
    /// It has no policy.
    #[error("function {0} has no policy")]
    NoPolicy(FunctionArn),
}

/// Why a command about asynchronous invocations is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventInvokeRefusal {
    /// The function, or the version or alias of it.
    #[error("function {0} does not exist")]
    NoSuchFunction(QualifiedArn),
    /// It has the defaults.
    #[error("function {0} has no configuration for asynchronous invocations")]
    NoConfig(QualifiedArn),
    /// Nothing would be set.
    #[error("at least one of retry attempts, event age and destinations must be set")]
    Nothing,
    /// A destination that is the function itself.
    #[error("a function cannot be a destination for itself")]
    OwnDestination,
    /// A destination that is not there.
    #[error("the destination {0} does not exist")]
    NoSuchDestination(Destination),
}
