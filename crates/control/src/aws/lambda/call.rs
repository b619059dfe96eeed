//! What the operations ask of a call.

use super::Call;
use crate::lambda::error::LambdaError;
use crate::lambda::name::Reference;
use model::FunctionArn;
use model::lambda::about::{FunctionRecord, RoleArn};
use model::lambda::function::FunctionName;
use model::limits::CODE_BYTES_MAX;
use std::sync::Arc;

impl Call<'_> {
    /// The function that the path names, with the qualifier that stands beside it or in it.
    pub(super) fn reference(&self) -> Result<Reference, LambdaError> {
        let name = self.named.first().map(String::as_str).unwrap_or_default();
        Reference::read(name, self.parameter("Qualifier"), self.scope)
    }

    /// The function itself, whether or not it exists: operations that have no qualifier.
    pub(super) fn function_itself(&self) -> Result<FunctionArn, LambdaError> {
        let name = self.named.first().map(String::as_str).unwrap_or_default();
        Ok(Reference::read(name, None, self.scope)?.arn(self.scope))
    }

    /// The function, which exists.
    pub(super) fn existing(&self) -> Result<FunctionArn, LambdaError> {
        let arn = self.reference()?.arn(self.scope);
        match self.state.function(&arn) {
            Some(_) => Ok(arn),
            None => Err(self.no_function(&arn)),
        }
    }

    /// The function that is to be changed: it exists.
    pub(super) fn changed_function(&self) -> Result<FunctionArn, LambdaError> {
        let name = self.named.first().map(String::as_str).unwrap_or_default();
        let arn = Reference::written(name, self.scope)?.arn(self.scope);
        match self.state.function(&arn) {
            Some(_) => Ok(arn),
            None => Err(self.no_function(&arn)),
        }
    }

    /// The ARN and the name of a function that is to be made. Source: Lambda 1.2, 8.4.
    pub(super) fn new_function(&self, text: &str) -> Result<(FunctionArn, FunctionName), LambdaError> {
        if text.len() > 140 {
            let rule = "have length less than or equal to 140";
            return Err(LambdaError::constraint(text, "functionName", rule));
        }
        let is_bare = !text.contains(':');
        if is_bare
            && text.len() > 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err(LambdaError::invalid_parameter(&format!(
                "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must \
                 have length less than or equal to 64"
            )));
        }
        let reference = Reference::written(text, self.scope)?;
        if reference.qualifier().is_some() {
            return Err(LambdaError::invalid_parameter("A new function has no qualifier"));
        }
        let arn = reference.arn(self.scope);
        let name = FunctionName::try_from(arn.name()).map_err(|_| LambdaError::service())?;
        Ok((arn, name))
    }

    /// What the API keeps about a function: without, it is the manifest's, and its code is no package.
    pub(super) fn record(&self, arn: &FunctionArn) -> Result<&Arc<FunctionRecord>, LambdaError> {
        self.state.lambda().record(arn).ok_or_else(|| {
            LambdaError::invalid_parameter(&format!(
                "{arn} belongs to the manifest {}, and its code is no package: change it there, and albacore follows; \
                 --manifest-unlocked does not help",
                self.manifest.display()
            ))
        })
    }

    /// With its qualifier, if the call has one.
    pub(super) fn no_function(&self, arn: &FunctionArn) -> LambdaError {
        LambdaError::resource_not_found(&format!("Function not found: {arn}"))
    }

    /// A function's role is one of this account, and trusts Lambda with this function.
    pub(super) fn check_role(&self, role: &RoleArn, function: &FunctionArn) -> Result<(), LambdaError> {
        let account = self.scope.account.to_string();
        if role.as_str().split(':').nth(4) != Some(&account) {
            return Err(LambdaError::invalid_parameter(
                "Cross-account pass role is not allowed.",
            ));
        }
        let mut context = model::iam::evaluate::Context::default();
        context.put("aws:SourceAccount", account);
        context.put("aws:SourceArn", function.as_str());
        let iam = self.state.iam();
        match iam.may_assume("lambda.amazonaws.com", role.as_str(), &context) {
            Some(true) => Ok(()),
            Some(false) | None => Err(LambdaError::invalid_parameter(
                "The role defined for the function cannot be assumed by Lambda.",
            )),
        }
    }

    /// Whether there is room for one more package.
    pub(super) fn check_storage(&self, more: u64) -> Result<(), LambdaError> {
        match self.code_bytes().saturating_add(more) > CODE_BYTES_MAX {
            true => Err(LambdaError::code_storage_exceeded()),
            false => Ok(()),
        }
    }

    /// The packages of all functions, versions and layer versions, each counted on its own. Source: Lambda 1.7.
    pub(super) fn code_bytes(&self) -> u64 {
        let lambda = self.state.lambda();
        let functions = lambda.records().map(|it| it.about.package.bytes);
        let versions = lambda.versions().map(|it| it.about.package.bytes);
        let layers = lambda.all_layer_versions().map(|it| it.package.bytes);
        functions.chain(versions).chain(layers).fold(0, u64::saturating_add)
    }
}
