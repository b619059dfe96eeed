//! Changes as bytes: what the log and the checkpoint hold.
//!
//! A record is a JSON object with its kind, its version, and either the whole resource (`put`) or its ARN (`delete`). It
//! is read strictly: an unknown kind, version, field or word is an error, because whoever wrote it meant something.
//!
//! Stored shapes are not the model's types, so that each may change without the other. A field that is added to the
//! model does not compile here until it has a place in the record. The rule for that:
//!
//! - Nothing of a version changes once a release has written it; its golden file (`tests/golden`) proves it.
//! - A change of shape is a new version: a new struct beside the old one, which stays readable. Only the newest is
//!   written.

mod acm;
mod action;
mod certificate;
mod condition;
mod ec2;
mod event_invoke;
mod function;
mod function_policy;
mod function_url;
mod health_check;
mod iam;
mod kind;
mod lambda;
mod listener;
mod load_balancer;
mod logs;
mod rule;
mod tags;
mod target_group;
mod trust_store;
mod value;
mod words;

pub use kind::Kind;
use model::acm::Change as AcmChange;
use model::arn::InvalidArn;
use model::ec2::Change as Ec2Change;
use model::iam::Change as IamChange;
use model::lambda::event_invoke as event_invokes;
use model::lambda::event_invoke::QualifiedArn;
use model::lambda::logging::LogGroupName;
use model::logs::{Change as LogsChange, LogStreamId};
use model::{
    CertificateArn, Change, FunctionArn, ListenerArn, LoadBalancerArn, Part, RuleArn, State, TargetGroupArn,
    TrustStoreArn,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not a JSON object of the form that all records have.
    #[error("it is no record")]
    NoRecord(#[source] serde_json::Error),
    /// A kind that this albacore does not know.
    #[error("it is of the kind {0:?}, which this albacore does not know")]
    UnknownKind(String),
    /// A version that this albacore does not know.
    #[error("it is a {kind} of version {version}, and this albacore knows versions up to {}", .kind.newest())]
    UnknownVersion {
        /// The kind.
        kind: Kind,
        /// The version.
        version: u32,
    },
    /// Neither put nor deleted, or both.
    #[error("it is a {0} that is neither put nor deleted, or both")]
    NoVerb(Kind),
    /// The resource is not as records of its version are.
    #[error("it is no {kind} of version {version}")]
    Shape {
        /// The kind.
        kind: Kind,
        /// The version.
        version: u32,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// The resource could not be: the model refuses it.
    #[error("it is a {kind} that cannot be: {reason}")]
    Invalid {
        /// The kind.
        kind: Kind,
        /// The model's words.
        reason: String,
    },
}

/// A change as bytes.
pub fn encode(change: &Change) -> Vec<u8> {
    serde_json::to_vec(&envelope(change)).expect(WRITTEN)
}

/// A change as a part of a larger text.
pub(crate) fn encode_json(change: &Change) -> Box<RawValue> {
    raw(&envelope(change))
}

/// Why nothing in a record fails to be written.
const WRITTEN: &str = "a record has text keys only and is written to memory";

/// Bytes as the change they were made from.
///
/// # Errors
/// They are no record, or one that this albacore does not understand in full.
pub fn decode(bytes: &[u8]) -> Result<Change, RecordError> {
    // Read once instead of twice. What is wrong with the others is found out below.
    if let Some((kind, version, put)) = as_written(bytes)
        && let Ok(change) = decode_put(kind, version, put)
    {
        return Ok(change);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(RecordError::NoRecord)?;
    let Some(kind) = Kind::named(&envelope.kind) else {
        return Err(RecordError::UnknownKind(envelope.kind.chars().take(100).collect()));
    };
    let version = envelope.version;
    if !(1..=kind.newest()).contains(&version) {
        return Err(RecordError::UnknownVersion { kind, version });
    }
    match (envelope.put, envelope.delete) {
        (Some(put), None) => decode_put(kind, version, put.get()),
        (None, Some(arn)) => decode_delete(kind, &arn),
        (None, None) | (Some(_), Some(_)) => Err(RecordError::NoVerb(kind)),
    }
}

/// What a change is about: its kind and its ARN. A later change with the same replaces an earlier one.
pub fn subject(change: &Change) -> (Kind, &str) {
    match change {
        Change::PutLoadBalancer(it) => (Kind::LoadBalancer, it.arn.as_str()),
        Change::DeleteLoadBalancer(arn) => (Kind::LoadBalancer, arn.as_str()),
        Change::PutListener(it) => (Kind::Listener, it.arn.as_str()),
        Change::DeleteListener(arn) => (Kind::Listener, arn.as_str()),
        Change::PutRule(it) => (Kind::Rule, it.arn.as_str()),
        Change::DeleteRule(arn) => (Kind::Rule, arn.as_str()),
        Change::PutTargetGroup(it) => (Kind::TargetGroup, it.arn.as_str()),
        Change::DeleteTargetGroup(arn) => (Kind::TargetGroup, arn.as_str()),
        Change::PutCertificate(it) => (Kind::Certificate, it.arn.as_str()),
        Change::DeleteCertificate(arn) => (Kind::Certificate, arn.as_str()),
        Change::PutTrustStore(it) => (Kind::TrustStore, it.arn.as_str()),
        Change::DeleteTrustStore(arn) => (Kind::TrustStore, arn.as_str()),
        Change::PutFunction(it) => (Kind::Function, it.arn.as_str()),
        Change::DeleteFunction(arn) => (Kind::Function, arn.as_str()),
        Change::PutFunctionUrl(it) => (Kind::FunctionUrl, it.function.as_str()),
        Change::DeleteFunctionUrl(arn) => (Kind::FunctionUrl, arn.as_str()),
        Change::EventInvoke(event_invokes::Change::Put(it)) => (Kind::EventInvoke, it.function.as_str()),
        Change::EventInvoke(event_invokes::Change::Delete(arn)) => (Kind::EventInvoke, arn.as_str()),
        Change::PutFunctionPolicy(it) => (Kind::FunctionPolicy, it.function.as_str()),
        Change::DeleteFunctionPolicy(arn) => (Kind::FunctionPolicy, arn.as_str()),
        Change::Lambda(change) => lambda::subject(change),
        Change::Acm(AcmChange::Put(it)) => (Kind::AcmCertificate, it.arn.as_str()),
        Change::Acm(AcmChange::Delete(arn)) => (Kind::AcmCertificate, arn.as_str()),
        Change::Logs(LogsChange::PutGroup(it)) => (Kind::LogGroup, it.name.as_str()),
        Change::Logs(LogsChange::DeleteGroup(name)) => (Kind::LogGroup, name.as_str()),
        Change::Logs(LogsChange::PutStream(it)) => (Kind::LogStream, it.id.as_str()),
        Change::Logs(LogsChange::DeleteStream(id)) => (Kind::LogStream, id.as_str()),
        Change::Ec2(change) => ec2::subject(change),
        Change::Iam(change) => iam::subject(change),
        Change::SetTags(arn, _) => (Kind::Tags, arn.as_str()),
    }
}

/// The changes that make a state from nothing, each subject once, without what another state has as the very same: of two
/// states that follow each other that is most of it.
pub(crate) fn beyond<'a>(state: &'a State, other: &'a State) -> impl Iterator<Item = Change> + use<'a> {
    let differs = |part| !state.shares(other, &[part]);
    let load_balancers = state.load_balancers().cloned().map(Change::PutLoadBalancer);
    let listeners = state.listeners().cloned().map(Change::PutListener);
    let rules = state.all_rules().filter(move |(listener, rules)| {
        let others = other.listener_rules(listener);
        !others.is_some_and(|others| Arc::ptr_eq(others, rules))
    });
    let rules = rules.flat_map(|(_, rules)| rules.iter()).cloned().map(Change::PutRule);
    let target_groups = state.target_groups().cloned().map(Change::PutTargetGroup);
    let certificates = state.certificates().cloned().map(Change::PutCertificate);
    let trust_stores = state.trust_stores().cloned().map(Change::PutTrustStore);
    let functions = state.functions().cloned().map(Change::PutFunction);
    let function_urls = state.function_urls().cloned().map(Change::PutFunctionUrl);
    let event_invokes = state.event_invokes().all().cloned();
    let event_invokes = event_invokes.map(|it| Change::EventInvoke(event_invokes::Change::Put(it)));
    let function_policies = state.function_policies().cloned().map(Change::PutFunctionPolicy);
    let acm = state.acm().records().cloned().map(AcmChange::Put).map(Change::Acm);
    let log_groups = state.logs().groups().cloned().map(LogsChange::PutGroup);
    let log_streams = state.logs().streams().cloned().map(LogsChange::PutStream);
    let network = state.ec2().whole().map(Change::Ec2);
    let tags = state
        .all_tags()
        .map(|(arn, tags)| Change::SetTags(arn.clone(), tags.clone()));
    only(differs(Part::LoadBalancers), load_balancers)
        .chain(only(differs(Part::Listeners), listeners))
        .chain(rules)
        .chain(only(differs(Part::TargetGroups), target_groups))
        .chain(certificates)
        .chain(trust_stores)
        .chain(only(differs(Part::Functions), functions))
        .chain(function_urls)
        .chain(event_invokes)
        .chain(only(differs(Part::FunctionPolicies), function_policies))
        .chain(only(differs(Part::Lambda), lambda::whole(state.lambda())))
        .chain(acm)
        .chain(log_groups.chain(log_streams).map(Change::Logs))
        .chain(network)
        .chain(state.iam().whole().map(Change::Iam))
        .chain(only(differs(Part::Tags), tags))
}

fn only<I: Iterator>(is_wanted: bool, all: I) -> impl Iterator<Item = I::Item> {
    is_wanted.then_some(all).into_iter().flatten()
}

/// Whether two changes with the same subject say the same; what is shared need not be compared.
pub(crate) fn is_same(left: &Change, right: &Change) -> bool {
    let shared = match (left, right) {
        (Change::PutLoadBalancer(left), Change::PutLoadBalancer(right)) => Arc::ptr_eq(left, right),
        (Change::PutListener(left), Change::PutListener(right)) => Arc::ptr_eq(left, right),
        (Change::PutRule(left), Change::PutRule(right)) => Arc::ptr_eq(left, right),
        (Change::PutTargetGroup(left), Change::PutTargetGroup(right)) => Arc::ptr_eq(left, right),
        (Change::PutCertificate(left), Change::PutCertificate(right)) => Arc::ptr_eq(left, right),
        (Change::PutTrustStore(left), Change::PutTrustStore(right)) => Arc::ptr_eq(left, right),
        (Change::PutFunction(left), Change::PutFunction(right)) => Arc::ptr_eq(left, right),
        (Change::PutFunctionUrl(left), Change::PutFunctionUrl(right)) => Arc::ptr_eq(left, right),
        (
            Change::EventInvoke(event_invokes::Change::Put(left)),
            Change::EventInvoke(event_invokes::Change::Put(right)),
        ) => Arc::ptr_eq(left, right),
        (Change::PutFunctionPolicy(left), Change::PutFunctionPolicy(right)) => Arc::ptr_eq(left, right),
        (Change::Acm(AcmChange::Put(left)), Change::Acm(AcmChange::Put(right))) => Arc::ptr_eq(left, right),
        (Change::Logs(LogsChange::PutGroup(left)), Change::Logs(LogsChange::PutGroup(right))) => {
            Arc::ptr_eq(left, right)
        }
        (Change::Logs(LogsChange::PutStream(left)), Change::Logs(LogsChange::PutStream(right))) => {
            Arc::ptr_eq(left, right)
        }
        (Change::Ec2(left), Change::Ec2(right)) => ec2::is_shared(left, right),
        (Change::Iam(left), Change::Iam(right)) => iam::is_shared(left, right),
        (Change::Lambda(left), Change::Lambda(right)) => lambda::is_shared(left, right),
        (Change::SetTags(_, left), Change::SetTags(_, right)) => Arc::ptr_eq(left, right),
        _ => false,
    };
    shared || left == right
}

/// The kind, the version and the resource of a record that puts one, if it begins and ends as [`encode`] writes it.
fn as_written(bytes: &[u8]) -> Option<(Kind, u32, &str)> {
    let text = str::from_utf8(bytes).ok()?;
    let (kind, rest) = text.strip_prefix(r#"{"kind":""#)?.split_once('"')?;
    let (version, rest) = rest.strip_prefix(r#","version":"#)?.split_once(',')?;
    let put = rest.strip_prefix(r#""put":"#)?.strip_suffix('}')?;
    let kind = Kind::named(kind)?;
    let mut versions = 1..=kind.newest();
    let version = versions.find(|known| known.to_string() == version)?;
    Some((kind, version, put))
}

/// What all records have.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    version: u32,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    put: Option<Cow<'a, RawValue>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    delete: Option<Cow<'a, str>>,
}

/// A stored shape: how a resource is written in one version.
trait Shape: Serialize + DeserializeOwned {
    type Resource;

    fn of(resource: &Self::Resource) -> Self;

    fn into_resource(self) -> Result<Self::Resource, Invalid>;
}

/// Why the model refuses what was stored, in its words.
#[derive(Debug)]
struct Invalid(String);

impl Invalid {
    fn because(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }

    fn of(self, kind: Kind) -> RecordError {
        let Self(reason) = self;
        RecordError::Invalid { kind, reason }
    }
}

fn envelope(change: &Change) -> Envelope<'_> {
    let (kind, arn) = subject(change);
    let put = match change {
        Change::PutLoadBalancer(it) => Some(raw(&load_balancer::LoadBalancerV1::of(it))),
        Change::PutListener(it) => Some(raw(&listener::ListenerV1::of(it))),
        Change::PutRule(it) => Some(raw(&rule::RuleV1::of(it))),
        Change::PutTargetGroup(it) => Some(raw(&target_group::TargetGroupV1::of(it))),
        Change::PutCertificate(it) => Some(raw(&certificate::CertificateV1::of(it))),
        Change::PutTrustStore(it) => Some(raw(&trust_store::TrustStoreV1::of(it))),
        Change::PutFunction(it) => Some(raw(&function::FunctionV1::of(it))),
        Change::PutFunctionUrl(it) => Some(raw(&function_url::FunctionUrlV1::of(it))),
        Change::EventInvoke(event_invokes::Change::Put(it)) => Some(raw(&event_invoke::EventInvokeConfigV1::of(it))),
        Change::PutFunctionPolicy(it) => Some(raw(&function_policy::FunctionPolicyV1::of(it))),
        Change::Acm(AcmChange::Put(it)) => Some(raw(&acm::AcmCertificateV1::of(it))),
        Change::Logs(LogsChange::PutGroup(it)) => Some(raw(&logs::LogGroupV1::of(it))),
        Change::Logs(LogsChange::PutStream(it)) => Some(raw(&logs::LogStreamV1::of(it))),
        Change::Ec2(change) => ec2::put(change),
        Change::Iam(change) => iam::put(change),
        Change::Lambda(change) => lambda::put(change),
        Change::SetTags(resource, tags) => Some(raw(&tags::TagsV1::of(resource, tags))),
        Change::Acm(AcmChange::Delete(_))
        | Change::Logs(LogsChange::DeleteGroup(_) | LogsChange::DeleteStream(_))
        | Change::DeleteLoadBalancer(_)
        | Change::DeleteListener(_)
        | Change::DeleteRule(_)
        | Change::DeleteTargetGroup(_)
        | Change::DeleteCertificate(_)
        | Change::DeleteTrustStore(_)
        | Change::DeleteFunction(_)
        | Change::DeleteFunctionUrl(_)
        | Change::EventInvoke(event_invokes::Change::Delete(_))
        | Change::DeleteFunctionPolicy(_) => None,
    };
    Envelope {
        kind: kind.as_str().into(),
        version: kind.newest(),
        delete: put.is_none().then(|| arn.into()),
        put: put.map(Cow::Owned),
    }
}

fn raw(shape: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(shape).expect(WRITTEN)
}

/// Every kind has one version so far; a kind with a second one chooses its shape by `version` where this is called.
fn shape<S: DeserializeOwned>(kind: Kind, version: u32, json: &str) -> Result<S, RecordError> {
    serde_json::from_str(json).map_err(|error| RecordError::Shape { kind, version, error })
}

fn decode_put(kind: Kind, version: u32, json: &str) -> Result<Change, RecordError> {
    fn read<S: Shape>(kind: Kind, version: u32, json: &str) -> Result<Arc<S::Resource>, RecordError> {
        let resource = shape::<S>(kind, version, json)?.into_resource();
        resource.map(Arc::new).map_err(|error| error.of(kind))
    }
    Ok(match kind {
        Kind::LoadBalancer => Change::PutLoadBalancer(read::<load_balancer::LoadBalancerV1>(kind, version, json)?),
        Kind::Listener => Change::PutListener(read::<listener::ListenerV1>(kind, version, json)?),
        Kind::Rule => Change::PutRule(read::<rule::RuleV1>(kind, version, json)?),
        Kind::TargetGroup => Change::PutTargetGroup(read::<target_group::TargetGroupV1>(kind, version, json)?),
        Kind::Certificate => Change::PutCertificate(read::<certificate::CertificateV1>(kind, version, json)?),
        Kind::TrustStore => Change::PutTrustStore(read::<trust_store::TrustStoreV1>(kind, version, json)?),
        Kind::Function => Change::PutFunction(read::<function::FunctionV1>(kind, version, json)?),
        Kind::FunctionUrl => Change::PutFunctionUrl(read::<function_url::FunctionUrlV1>(kind, version, json)?),
        Kind::EventInvoke => {
            let config = read::<event_invoke::EventInvokeConfigV1>(kind, version, json)?;
            Change::EventInvoke(event_invokes::Change::Put(config))
        }
        Kind::FunctionPolicy => {
            Change::PutFunctionPolicy(read::<function_policy::FunctionPolicyV1>(kind, version, json)?)
        }
        Kind::AcmCertificate => Change::Acm(AcmChange::Put(read::<acm::AcmCertificateV1>(kind, version, json)?)),
        Kind::LogGroup => Change::Logs(LogsChange::PutGroup(read::<logs::LogGroupV1>(kind, version, json)?)),
        Kind::LogStream => Change::Logs(LogsChange::PutStream(read::<logs::LogStreamV1>(kind, version, json)?)),
        Kind::Vpc => Change::Ec2(Ec2Change::PutVpc(read::<ec2::VpcV1>(kind, version, json)?)),
        Kind::Subnet => Change::Ec2(Ec2Change::PutSubnet(read::<ec2::SubnetV1>(kind, version, json)?)),
        Kind::SecurityGroup => Change::Ec2(Ec2Change::PutSecurityGroup(read::<ec2::SecurityGroupV1>(
            kind, version, json,
        )?)),
        Kind::InternetGateway => Change::Ec2(Ec2Change::PutInternetGateway(read::<ec2::InternetGatewayV1>(
            kind, version, json,
        )?)),
        Kind::IamUser => Change::Iam(IamChange::PutUser(read::<iam::UserV1>(kind, version, json)?)),
        Kind::IamGroup => Change::Iam(IamChange::PutGroup(read::<iam::GroupV1>(kind, version, json)?)),
        Kind::IamRole => Change::Iam(IamChange::PutRole(read::<iam::RoleV1>(kind, version, json)?)),
        Kind::IamPolicy => Change::Iam(IamChange::PutPolicy(read::<iam::PolicyV1>(kind, version, json)?)),
        Kind::InstanceProfile => {
            let profile = read::<iam::InstanceProfileV1>(kind, version, json)?;
            Change::Iam(IamChange::PutInstanceProfile(profile))
        }
        Kind::RouteTable => Change::Ec2(Ec2Change::PutRouteTable(read::<ec2::RouteTableV1>(
            kind, version, json,
        )?)),
        Kind::FunctionRecord
        | Kind::FunctionVersion
        | Kind::Alias
        | Kind::ProvisionedConcurrency
        | Kind::Layer
        | Kind::LayerVersion => return lambda::decode_put(kind, version, json),
        Kind::Tags => {
            let tags = shape::<tags::TagsV1>(kind, version, json)?.into_tags();
            let (resource, tags) = tags.map_err(|error| error.of(kind))?;
            Change::SetTags(resource, Arc::new(tags))
        }
    })
}

fn decode_delete(kind: Kind, arn: &str) -> Result<Change, RecordError> {
    let change = match kind {
        Kind::LoadBalancer => LoadBalancerArn::try_from(arn).map(Change::DeleteLoadBalancer),
        Kind::Listener => ListenerArn::try_from(arn).map(Change::DeleteListener),
        Kind::Rule => RuleArn::try_from(arn).map(Change::DeleteRule),
        Kind::TargetGroup => TargetGroupArn::try_from(arn).map(Change::DeleteTargetGroup),
        Kind::Certificate => CertificateArn::try_from(arn).map(Change::DeleteCertificate),
        Kind::TrustStore => TrustStoreArn::try_from(arn).map(Change::DeleteTrustStore),
        Kind::Function => FunctionArn::try_from(arn).map(Change::DeleteFunction),
        Kind::FunctionUrl => FunctionArn::try_from(arn).map(Change::DeleteFunctionUrl),
        Kind::EventInvoke => {
            let function = QualifiedArn::try_from(arn).map_err(|error| RecordError::Invalid {
                kind,
                reason: error.to_string(),
            })?;
            return Ok(Change::EventInvoke(event_invokes::Change::Delete(function)));
        }
        Kind::FunctionPolicy => FunctionArn::try_from(arn).map(Change::DeleteFunctionPolicy),
        Kind::IamUser | Kind::IamGroup | Kind::IamRole | Kind::IamPolicy | Kind::InstanceProfile => {
            return iam::delete(kind, arn).map(Change::Iam);
        }
        Kind::Vpc | Kind::Subnet | Kind::SecurityGroup | Kind::InternetGateway | Kind::RouteTable => {
            return ec2::delete(kind, arn).map(Change::Ec2);
        }
        // Tags are taken away by putting none.
        Kind::AcmCertificate => CertificateArn::try_from(arn).map(AcmChange::Delete).map(Change::Acm),
        Kind::LogGroup | Kind::LogStream => return decode_delete_logs(kind, arn),
        Kind::FunctionRecord
        | Kind::FunctionVersion
        | Kind::Alias
        | Kind::ProvisionedConcurrency
        | Kind::Layer
        | Kind::LayerVersion => return lambda::decode_delete(kind, arn),
        Kind::Tags => return Err(RecordError::NoVerb(kind)),
    };
    change.map_err(|error: InvalidArn| RecordError::Invalid {
        kind,
        reason: error.to_string(),
    })
}

fn decode_delete_logs(kind: Kind, name: &str) -> Result<Change, RecordError> {
    let change = match kind {
        Kind::LogGroup => LogGroupName::try_from(name)
            .map(LogsChange::DeleteGroup)
            .map_err(Invalid::because),
        _ => LogStreamId::try_from(name)
            .map(LogsChange::DeleteStream)
            .map_err(Invalid::because),
    };
    change.map(Change::Logs).map_err(|error| error.of(kind))
}
