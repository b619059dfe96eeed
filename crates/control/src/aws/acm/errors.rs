//! AWS's codes for what the domain refuses. Source: EDG 3.1.

use crate::aws::error::AwsError;
use model::refusal::{CertificateRefusal, TagsRefusal};
use model::tag::TagRefusal;
use model::{CertificateArn, Refusal, Scope};
use std::path::Path;

/// The error that a refused command is answered with.
pub(super) fn of(refusal: &Refusal, manifest: &Path) -> AwsError {
    match refusal {
        Refusal::Certificate(CertificateRefusal::NoSuchCertificate(arn)) => not_found(arn),
        Refusal::Certificate(CertificateRefusal::InUse { certificate, .. }) => {
            AwsError::new("ResourceInUseException", format!("Certificate {certificate} in use."))
        }
        Refusal::Certificate(CertificateRefusal::NotImported(arn)) => not_imported(arn),
        Refusal::Certificate(CertificateRefusal::TooMany) => AwsError::new(
            "LimitExceededException",
            "Error: you have reached your limit of certificates.",
        ),
        Refusal::Tags(TagsRefusal(refusal)) => tags(refusal),
        Refusal::Owned { resource, .. } => AwsError::with_status(
            400,
            "AccessDeniedException",
            format!(
                "{resource} belongs to the manifest {}: change it there, and albacore follows; or start it with --manifest-unlocked",
                manifest.display()
            ),
        ),
        other => AwsError::new("ValidationException", other.to_string()),
    }
}

pub(super) fn not_found(arn: &CertificateArn) -> AwsError {
    let account = arn.as_str().split(':').nth(4).unwrap_or_default();
    let message = format!("Could not find certificate {arn} in account {account}.");
    AwsError::new("ResourceNotFoundException", message)
}

pub(super) fn not_imported(arn: &CertificateArn) -> AwsError {
    let message = format!("The certificate {arn} is not an imported certificate and cannot be replaced by an import.");
    AwsError::new("ValidationException", message)
}

pub(super) fn other_scope(scope: &Scope, arn: &CertificateArn) -> AwsError {
    let message = format!(
        "{arn} is no certificate of account {} in {}",
        scope.account, scope.region
    );
    AwsError::new("InvalidArnException", message)
}

pub(super) fn tags(refusal: &TagRefusal) -> AwsError {
    match refusal {
        TagRefusal::TooMany => AwsError::new("TooManyTagsException", "A certificate can have at most 50 tags."),
        TagRefusal::Reserved(_) => AwsError::new(
            "InvalidTagException",
            "aws: prefixed tag key names are not allowed for external use.",
        ),
        refusal => AwsError::new("InvalidTagException", refusal.to_string()),
    }
}
