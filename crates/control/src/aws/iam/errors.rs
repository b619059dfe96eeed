//! IAM's codes for what the domain refuses.

use crate::aws::error::AwsError;
use model::Refusal;
use model::iam::IamRefusal;
use std::path::Path;

/// The error that a refused command is answered with.
pub(super) fn of(refusal: Refusal, _manifest: &Path) -> AwsError {
    match refusal {
        Refusal::Iam(refusal) => iam(&refusal),
        // Operations of IAM change nothing else.
        refusal => AwsError::validation(refusal.to_string()),
    }
}

/// The same for refusals that are found before a command is made.
pub(super) fn iam(refusal: &IamRefusal) -> AwsError {
    use IamRefusal as It;
    let (status, code) = match refusal {
        It::NoSuchEntity(_) => (404, "NoSuchEntity"),
        It::Exists { .. } | It::InstanceProfileExists(_) | It::PolicyExists(_) => (409, "EntityAlreadyExists"),
        It::DeleteConflict(_) => (409, "DeleteConflict"),
        It::Limit { .. } | It::PolicySize { .. } => (409, "LimitExceeded"),
        It::Malformed(_) | It::Principal(_) => (400, "MalformedPolicyDocument"),
        It::Tags(_) => (400, "InvalidInput"),
    };
    let text = refusal.to_string();
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    AwsError::with_status(status, code, first.chain(letters).collect::<String>())
}
