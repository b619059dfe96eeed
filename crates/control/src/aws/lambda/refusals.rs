//! Why the domain refuses a change, in AWS's words. Source: Lambda 6.4, 8.4.

use super::{event_invoke, shapes, tags, vpc};
use crate::api::ApiSettings;
use crate::lambda::error::LambdaError;
use model::Refusal;
use model::lambda::policy::StatementId;
use model::lambda::refusal::LambdaRefusal;
use model::refusal::{FunctionRefusal, TagsRefusal};

pub(super) fn of(refusal: &Refusal, api: &ApiSettings) -> LambdaError {
    match refusal {
        Refusal::Function(FunctionRefusal::StatementTaken(id)) => statement_taken(id),
        Refusal::Function(FunctionRefusal::NoSuchStatement(id)) => no_such_statement(id),
        Refusal::Function(FunctionRefusal::NoPolicy(_)) => no_policy(),
        Refusal::Function(FunctionRefusal::NoSuchFunction(arn)) => not_found("Function not found", arn),
        Refusal::Function(FunctionRefusal::NameTaken(name)) => {
            LambdaError::conflict(&format!("Function already exist: {name}"))
        }
        Refusal::Lambda(refusal) => lambda(refusal),
        Refusal::Tags(TagsRefusal(refusal)) => tags::refused(refusal),
        Refusal::EventInvoke(refusal) => event_invoke::refused(refusal),
        Refusal::Owned { resource, .. } => LambdaError::invalid_parameter(&format!(
            "{resource} belongs to the manifest {}: change it there, and albacore follows; or start it with --manifest-unlocked",
            api.manifest.display()
        )),
        refusal => LambdaError::invalid_parameter(&refusal.to_string()),
    }
}

fn lambda(refusal: &LambdaRefusal) -> LambdaError {
    const NOT_NOW: &str = "The operation cannot be performed at this time.";
    match refusal {
        LambdaRefusal::NotActive(_) => LambdaError::conflict(&format!(
            "{NOT_NOW} The function is currently in the following state: Pending"
        )),
        LambdaRefusal::UpdateInProgress(arn) => {
            LambdaError::conflict(&format!("{NOT_NOW} An update is in progress for resource: {arn}"))
        }
        LambdaRefusal::Vpc(refusal) => vpc::refused(refusal),
        LambdaRefusal::StaleRevision => LambdaError::stale("GetFunction/GetAlias"),
        LambdaRefusal::StaleLayerPolicy => LambdaError::stale("GetLayerPolicy"),
        LambdaRefusal::OtherCode { given, actual, .. } => LambdaError::invalid_parameter(&format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the CodeSHA256 \
             in $LATEST.",
            shapes::base64(actual)
        )),
        LambdaRefusal::NoSuchVersion(arn) => not_found("Function not found", arn),
        LambdaRefusal::NoSuchAlias(arn) => not_found("Cannot find alias arn", arn),
        LambdaRefusal::AliasTaken(arn) => LambdaError::conflict(&format!("Alias already exists: {arn}")),
        // The words are ours.
        LambdaRefusal::VersionInUse { .. } => LambdaError::conflict(&refusal.to_string()),
        LambdaRefusal::RoutedToItself(number) => LambdaError::invalid_parameter(&format!(
            "Invalid function version {number}. Function version {number} is already included in routing configuration."
        )),
        LambdaRefusal::LatestRouted => {
            LambdaError::untyped_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
        }
        LambdaRefusal::TooLittleUnreserved(min) => LambdaError::invalid_parameter(&format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
             minimum value of [{min}]."
        )),
        LambdaRefusal::BelowProvisioned { reserved, provisioned } => LambdaError::untyped_parameter(&format!(
            " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency \
             [{provisioned}]."
        )),
        LambdaRefusal::AboveReserved => LambdaError::invalid_parameter(
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        ),
        LambdaRefusal::AboveUnreserved(unreserved) => LambdaError::invalid_parameter(&format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        )),
        LambdaRefusal::ProvisionedLeavesTooLittle(min) => LambdaError::untyped_parameter(&format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum \
             value of [{min}]."
        )),
        LambdaRefusal::LatestProvisioned => LambdaError::invalid_parameter(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ),
        LambdaRefusal::VersionProvisioned => LambdaError::conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        ),
        LambdaRefusal::AliasProvisioned => {
            LambdaError::conflict("Version is pointed by a Provisioned Concurrency alias")
        }
        LambdaRefusal::NoSuchLayerVersion(arn) => {
            LambdaError::resource_not_found(&format!("Layer version {arn} does not exist."))
        }
        LambdaRefusal::StatementTaken(id) => statement_taken(id),
        LambdaRefusal::NoSuchStatement(id) => no_such_statement(id),
        LambdaRefusal::NoPolicy(_) => no_policy(),
        LambdaRefusal::NoPackage(_) => LambdaError::invalid_parameter(&refusal.to_string()),
    }
}

fn not_found(what: &str, arn: &model::FunctionArn) -> LambdaError {
    LambdaError::resource_not_found(&format!("{what}: {arn}"))
}

fn statement_taken(id: &StatementId) -> LambdaError {
    LambdaError::conflict(&format!(
        "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing \
         statement."
    ))
}

fn no_such_statement(id: &StatementId) -> LambdaError {
    LambdaError::resource_not_found(&format!("Statement {id} is not found in resource policy."))
}

fn no_policy() -> LambdaError {
    LambdaError::resource_not_found("No policy is associated with the given resource.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use model::FunctionArn;

    // LAM-C-032: what the caller reads
    #[tokio::test]
    async fn a_second_update_is_told_what_is_in_the_way() {
        let arn = FunctionArn::try_from("arn:aws:lambda:us-east-1:111122223333:function:f").unwrap();
        let sentence = "The operation cannot be performed at this time.";
        for (refusal, rest) in [
            (
                LambdaRefusal::UpdateInProgress(arn.clone()),
                format!("An update is in progress for resource: {arn}"),
            ),
            (
                LambdaRefusal::NotActive(arn.clone()),
                "The function is currently in the following state: Pending".to_owned(),
            ),
        ] {
            let answer = lambda(&refusal).answer("id");
            assert_eq!(answer.status(), 409);
            assert_eq!(answer.headers()["x-amzn-errortype"], "ResourceConflictException");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["message"], format!("{sentence} {rest}"));
        }
    }
}
