//! Options, deletion, and what no certificate of ours can do.

use super::{Call, Plan, errors};
use crate::aws::error::AwsError;
use crate::aws::json::Fields;
use model::Command;
use model::acm::Record;
use model::command::acm::Command as AcmCommand;
use serde_json::{Value, json};

/// AWS's default. Source: ACM `ExpiryEventsConfiguration`.
const DAYS_BEFORE_EXPIRY: u64 = 45;

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let arn = call.certificate()?.arn.clone();
    Ok(Plan {
        commands: vec![Command::DeleteCertificate(arn)],
        answer: Value::Null,
    })
}

pub(super) fn update(call: &Call<'_>) -> Result<Plan, AwsError> {
    let arn = call.certificate()?.arn.clone();
    let options = call.fields.object("Options")?;
    let options = options.ok_or_else(|| call.fields.is_null("Options"))?;
    let wanted = transparency(&options)?;
    let record = call.state.acm().record(&arn);
    let Some(record) = record.filter(|it| it.requested().is_some()) else {
        let message = "Certificate transparency logging can only be changed for certificates that ACM issued.";
        return Err(AwsError::new("InvalidStateException", message));
    };
    Ok(Plan {
        commands: vec![Command::Acm(AcmCommand::SetOptions {
            arn,
            transparency_logging: wanted.unwrap_or(record.transparency_logging),
        })],
        answer: Value::Null,
    })
}

/// `CertificateTransparencyLoggingPreference`; nothing can be exported.
pub(super) fn transparency(options: &Fields<'_>) -> Result<Option<bool>, AwsError> {
    let words = [("ENABLED", true), ("DISABLED", false)];
    if options.word("Export", &words)? == Some(true) {
        return Err(AwsError::not_built("Options.Export ENABLED is not built"));
    }
    options.word("CertificateTransparencyLoggingPreference", &words)
}

pub(super) fn export(call: &Call<'_>) -> Result<Value, AwsError> {
    let arn = call.certificate()?.arn.clone();
    call.fields.required_text("Passphrase")?;
    let message = format!("Certificate ARN: {arn} is not a private certificate");
    Err(AwsError::new("ValidationException", message))
}

pub(super) fn account(_: &Call<'_>) -> Result<Value, AwsError> {
    Ok(json!({ "ExpiryEvents": { "DaysBeforeExpiry": DAYS_BEFORE_EXPIRY } }))
}

pub(super) fn resend(call: &Call<'_>) -> Result<Value, AwsError> {
    let arn = call.certificate()?.arn.clone();
    let domain = call.fields.required_text("Domain")?;
    call.fields.required_text("ValidationDomain")?;
    let requested = call.state.acm().record(&arn).and_then(|it| Record::requested(it));
    let Some(requested) = requested else {
        return Err(errors::not_found(&arn));
    };
    if !requested.names.iter().any(|name| name.eq_ignore_ascii_case(domain)) {
        let message = format!(
            "{} is not a domain name of the certificate.",
            crate::aws::json::shown(domain)
        );
        return Err(AwsError::new("InvalidDomainValidationOptionsException", message));
    }
    let message = format!("The certificate {arn} is not in the state PENDING_VALIDATION.");
    Err(AwsError::new("InvalidStateException", message))
}
