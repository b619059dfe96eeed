//! AWS's codes for what the domain refuses. This is the only place that knows them; a new refusal has to choose its code here.
//! Source: ALB 9.4, 9.6.

use crate::aws::error::AwsError;
use model::Refusal;
use model::elb::attribute::AttributeRefusal;
use model::elb::health_check::HealthCheckRefusal;
use model::elb::target_group::{GroupAttributeRefusal, ServersRefusal, TargetRefusal};
use model::refusal::{
    ActionRefusal, CertificateRefusal, FunctionRefusal, ListenerRefusal, LoadBalancerRefusal, RuleRefusal, TagsRefusal,
    TargetGroupRefusal, TrustStoreRefusal,
};
use model::tag::TagRefusal;
use std::path::Path;

/// The error that a refused command is answered with.
pub(super) fn of(refusal: Refusal, manifest: &Path) -> AwsError {
    match refusal {
        Refusal::LoadBalancer(refusal) => load_balancer(refusal),
        Refusal::Listener(refusal) => listener(refusal),
        Refusal::Rule(refusal) => rule(refusal),
        Refusal::Action(refusal) => action(refusal),
        Refusal::TargetGroup(refusal) => target_group(refusal),
        Refusal::Certificate(refusal) => certificate(refusal),
        Refusal::TrustStore(refusal) => trust_store(&refusal),
        Refusal::Function(refusal) => function(&refusal),
        // Lambda answers for its own: nothing here asks for such a change.
        Refusal::Lambda(refusal) => AwsError::new("ValidationError", refusal.to_string()),
        Refusal::EventInvoke(refusal) => AwsError::new("ValidationError", refusal.to_string()),
        Refusal::Logs(refusal) => AwsError::validation(sentence(&refusal)),
        Refusal::Ec2(refusal) => AwsError::validation(sentence(&refusal)),
        Refusal::Iam(refusal) => AwsError::validation(sentence(&refusal)),
        Refusal::Tags(TagsRefusal(refusal)) => tags(refusal),
        Refusal::Owned { resource, .. } => AwsError::new(
            "OperationNotPermitted",
            format!(
                "'{resource}' belongs to the manifest {}: change it there, and albacore follows; or start it with --manifest-unlocked",
                manifest.display()
            ),
        ),
    }
}

fn load_balancer(refusal: LoadBalancerRefusal) -> AwsError {
    use LoadBalancerRefusal as It;
    match refusal {
        It::NoSuchLoadBalancer(arn) => {
            AwsError::new("LoadBalancerNotFound", format!("Load balancer '{arn}' not found"))
        }
        It::NameTaken(name) => AwsError::new(
            "DuplicateLoadBalancerName",
            format!("A load balancer with the same name '{name}' exists, but with different settings"),
        ),
        It::DeletionProtected(arn) => AwsError::new(
            "OperationNotPermitted",
            format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
        ),
        It::Attributes(refusal) => attribute("Load balancer", &refusal),
        It::TooMany => AwsError::new("TooManyLoadBalancers", sentence(&refusal)),
        It::NoSuchSubnet(_) => AwsError::new("SubnetNotFound", sentence(&refusal)),
        It::OtherVpc(_) | It::SubnetFull(_) => AwsError::new("InvalidSubnet", sentence(&refusal)),
        It::NoInternetGateway(_) => AwsError::new("InvalidSubnet", refusal.to_string()),
        It::NoSuchSecurityGroup(_) => AwsError::new("InvalidSecurityGroup", sentence(&refusal)),
        It::SecurityGroupCount => AwsError::new("InvalidConfigurationRequest", sentence(&refusal)),
        It::TooFewZones => AwsError::validation(sentence(&refusal)),
        It::ZoneTwice => AwsError::new("InvalidConfigurationRequest", sentence(&refusal)),
    }
}

fn listener(refusal: ListenerRefusal) -> AwsError {
    use ListenerRefusal as It;
    match refusal {
        It::NoSuchListener(arn) => AwsError::new("ListenerNotFound", format!("Listener '{arn}' not found")),
        It::PortTaken { holder, .. } => AwsError::new(
            "DuplicateListener",
            format!(
                "A listener already exists on this port for this load balancer '{}'",
                holder.load_balancer().map_or(holder.to_string(), |it| it.to_string())
            ),
        ),
        It::PortZero => AwsError::validation(sentence(&refusal)),
        It::Exists(_) => AwsError::new("DuplicateListener", sentence(&refusal)),
        It::TooMany => AwsError::new("TooManyListeners", sentence(&refusal)),
        It::TooManyCertificates => AwsError::new(
            "TooManyCertificates",
            "You've reached the limit on the number of certificates per load balancer",
        ),
        It::TooManyVerify => AwsError::new("InvalidConfigurationRequest", sentence(&refusal)),
    }
}

fn rule(refusal: RuleRefusal) -> AwsError {
    use RuleRefusal as It;
    match refusal {
        It::NoSuchRule(arn) => AwsError::new("RuleNotFound", format!("Rule '{arn}' not found")),
        It::PriorityTaken { priority, .. } => {
            AwsError::new("PriorityInUse", format!("Priority '{priority}' is currently in use"))
        }
        It::PriorityRepeated(priority) => {
            AwsError::validation(format!("Priority '{priority}' was provided multiple times"))
        }
        It::Exists(_) => AwsError::validation(sentence(&refusal)),
        It::TooMany => AwsError::new("TooManyRules", sentence(&refusal)),
    }
}

fn action(refusal: ActionRefusal) -> AwsError {
    use ActionRefusal as It;
    match refusal {
        It::NoSuchTargetGroup(arn) => AwsError::new("TargetGroupNotFound", format!("Target group '{arn}' not found")),
        It::TargetGroupOfAnother { target_group, .. } => AwsError::new(
            "TargetGroupAssociationLimit",
            format!(
                "The following target groups cannot be associated with more than one load balancer: {target_group}"
            ),
        ),
        It::TooManyTargetGroups => AwsError::new("TooManyUniqueTargetGroupsPerLoadBalancer", sentence(&refusal)),
        It::TooManyTargets => AwsError::new("TooManyTargets", sentence(&refusal)),
        It::RedirectToHttp => AwsError::new("InvalidLoadBalancerAction", sentence(&refusal)),
        It::IncompatibleProtocols { .. } => AwsError::new("IncompatibleProtocols", sentence(&refusal)),
        It::AppCookieAmongSeveral(_) => AwsError::new("InvalidConfigurationRequest", sentence(&refusal)),
    }
}

fn target_group(refusal: TargetGroupRefusal) -> AwsError {
    use TargetGroupRefusal as It;
    match refusal {
        It::NoSuchTargetGroup(arn) => AwsError::new("TargetGroupNotFound", format!("Target group '{arn}' not found")),
        It::NameTaken(name) => AwsError::new(
            "DuplicateTargetGroupName",
            format!("A target group with the same name '{name}' exists, but with different settings"),
        ),
        It::InUse(arn) => AwsError::new(
            "ResourceInUse",
            format!("Target group '{arn}' is currently in use by a listener or a rule"),
        ),
        It::TooMany => AwsError::new("TooManyTargetGroups", sentence(&refusal)),
        It::TooManyTargets { .. } => AwsError::new("TooManyTargets", sentence(&refusal)),
        It::NoSuchVpc(_) => AwsError::validation(sentence(&refusal)),
        It::NoSuchFunction(_) => AwsError::new("InvalidTarget", sentence(&refusal)),
        It::OtherTargetType(_) => AwsError::new("InvalidConfigurationRequest", sentence(&refusal)),
        It::Servers(refusal) => servers(refusal),
    }
}

fn servers(refusal: ServersRefusal) -> AwsError {
    match refusal {
        ServersRefusal::Port => AwsError::validation(sentence(&refusal)),
        ServersRefusal::HealthCheck(refusal) => health_check(&refusal),
        ServersRefusal::Attributes(GroupAttributeRefusal::Attribute(refusal)) => attribute("Target group", &refusal),
        ServersRefusal::Attributes(refusal) => {
            let message = match &refusal {
                GroupAttributeRefusal::NoCookieName => {
                    "You must set an application cookie name to enable stickiness of type 'app_cookie'".to_owned()
                }
                _ => quoted(&refusal.to_string(), refusal.keys()),
            };
            AwsError::new("InvalidConfigurationRequest", message)
        }
        ServersRefusal::Target(refusal) => target(&refusal),
        ServersRefusal::Repeated { .. } => AwsError::validation(sentence(&refusal)),
        ServersRefusal::TooMany(_) => AwsError::new("TooManyTargets", sentence(&refusal)),
    }
}

/// A target that its group does not take.
pub(super) fn target(refusal: &TargetRefusal) -> AwsError {
    let code = match refusal {
        TargetRefusal::Port(_) | TargetRefusal::Zone(_) | TargetRefusal::OutsideRanges(_) => "ValidationError",
        TargetRefusal::InstanceId(_)
        | TargetRefusal::OtherType { .. }
        | TargetRefusal::OtherFamily { .. }
        | TargetRefusal::NoServer { .. }
        | TargetRefusal::OtherAddress { .. } => "InvalidTarget",
        TargetRefusal::AllZones(_) => "InvalidConfigurationRequest",
    };
    AwsError::new(code, sentence(refusal))
}

/// A health check that cannot be.
pub(super) fn health_check(refusal: &HealthCheckRefusal) -> AwsError {
    let message = match refusal {
        HealthCheckRefusal::TimeoutNotUnderInterval { timeout, interval } => format!(
            "Health check timeout '{}' must be smaller than the interval '{}'",
            timeout.as_secs(),
            interval.as_secs()
        ),
        HealthCheckRefusal::TimeoutOverInterval { timeout, interval } => format!(
            "Health check timeout '{}' must be smaller than or equal to the interval '{}'",
            timeout.as_secs(),
            interval.as_secs()
        ),
        HealthCheckRefusal::Matcher(_) => "HttpCode must be like 200 | 200-399 | 200,201 ...".to_owned(),
        _ => sentence(refusal),
    };
    AwsError::validation(message)
}

/// An attribute with a key or a value that cannot be.
pub(super) fn attribute(kind: &str, refusal: &AttributeRefusal) -> AwsError {
    match refusal {
        // Terraform forgives a refusal in these words only.
        AttributeRefusal::Unknown { key, .. } => AwsError::validation(format!(
            "{kind} attribute key '{}' is not recognized",
            super::input::shown(key)
        )),
        AttributeRefusal::Value { key, value, expected } => {
            AwsError::validation(format!("'{key}' value '{value}' is not valid: it must be {expected}"))
        }
        AttributeRefusal::Range { key, value, from, to } => AwsError::validation(format!(
            "'{key}' value '{value}' must be between '{from}-{to}' inclusive"
        )),
        AttributeRefusal::NotBuilt { .. } => AwsError::not_built(sentence(refusal)),
        AttributeRefusal::OtherTargetType { .. } | AttributeRefusal::Missing { .. } => {
            AwsError::new("InvalidConfigurationRequest", sentence(refusal))
        }
    }
}

fn certificate(refusal: CertificateRefusal) -> AwsError {
    match refusal {
        CertificateRefusal::NoSuchCertificate(arn) => {
            AwsError::new("CertificateNotFound", format!("Certificate {arn} not found"))
        }
        CertificateRefusal::InUse { .. } => AwsError::new("ResourceInUse", sentence(&refusal)),
        CertificateRefusal::NotImported(_) | CertificateRefusal::TooMany => AwsError::validation(sentence(&refusal)),
    }
}

fn trust_store(refusal: &TrustStoreRefusal) -> AwsError {
    use TrustStoreRefusal as It;
    let code = match refusal {
        It::NoSuchTrustStore(arn) => {
            return AwsError::new("TrustStoreNotFound", format!("Trust store '{arn}' not found"));
        }
        It::NameTaken(_) => "DuplicateTrustStoreName",
        It::TooMany => "TooManyTrustStores",
        It::Certificates { .. } => "InvalidCaCertificatesBundle",
        It::RevocationLists { .. } | It::RevocationEntries { .. } => "TooManyTrustStoreRevocationEntries",
        It::InUse { .. } => "TrustStoreInUse",
    };
    AwsError::new(code, sentence(refusal))
}

/// Operations on load balancers change no functions, so these cannot come.
fn function(refusal: &FunctionRefusal) -> AwsError {
    AwsError::validation(sentence(refusal))
}

/// A tag that cannot be.
pub(super) fn tags(refusal: TagRefusal) -> AwsError {
    match refusal {
        TagRefusal::Repeated(key) => AwsError::new(
            "DuplicateTagKeys",
            format!("Tag key was specified more than once: {key}"),
        ),
        TagRefusal::TooMany => AwsError::new("TooManyTags", sentence(&refusal)),
        TagRefusal::KeyLength(_) | TagRefusal::Reserved(_) | TagRefusal::ValueLength(_) | TagRefusal::Characters(_) => {
            AwsError::validation(sentence(&refusal))
        }
    }
}

/// A text with the keys in it in quotes, as AWS writes them. A key keeps its small letter.
fn quoted(text: &str, keys: &[&str]) -> String {
    keys.iter()
        .fold(text.to_owned(), |text, key| text.replace(key, &format!("'{key}'")))
}

/// A refusal as AWS's messages are: with a capital.
pub(super) fn sentence(refusal: &impl std::fmt::Display) -> String {
    let text = refusal.to_string();
    let mut letters = text.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}
