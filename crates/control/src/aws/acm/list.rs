//! ListCertificates.

use super::detail::{Shown, key_shown, key_word};
use super::{Call, is_in};
use crate::aws::error::AwsError;
use crate::aws::json::page::{Order, page};
use pki::CertificateDetails;
use serde_json::{Map, Value, json};

/// Certificates of a page where the caller names no number.
const PAGE_SIZE_MAX: i64 = 1000;
/// Names that a summary shows.
const NAMES_SHOWN: usize = 100;
const KEYS: [&str; 7] = [
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
];
/// What is listed when no kind of key is named. Source: ACM `Filters`, `keyTypes`.
const KEYS_BY_DEFAULT: [&str; 2] = ["RSA_1024", "RSA_2048"];
const STATUSES: [&str; 7] = [
    "PENDING_VALIDATION",
    "ISSUED",
    "INACTIVE",
    "EXPIRED",
    "VALIDATION_TIMED_OUT",
    "REVOKED",
    "FAILED",
];

pub(super) fn list(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let wanted = Wanted::read(call)?;
    let size = fields
        .number_within("MaxItems", 1..=PAGE_SIZE_MAX)?
        .unwrap_or(PAGE_SIZE_MAX);
    let sorted = fields.word("SortBy", &[("CREATED_AT", ())])?;
    let order = fields.word(
        "SortOrder",
        &[("ASCENDING", Order::Ascending), ("DESCENDING", Order::Descending)],
    )?;
    if sorted.is_some() != order.is_some() {
        let message = "SortBy and SortOrder must be used together";
        return Err(AwsError::new("InvalidArgsException", message));
    }
    let here = call.state.certificates().filter(|it| is_in(call.scope, &it.arn));
    let shown = here.map(|it| Shown::of(call.state, it, call.now));
    let found = shown.filter(|it| wanted.takes(it));
    let order = order.unwrap_or(Order::Ascending);
    let size = usize::try_from(size).unwrap_or(1);
    // In the order of their making, which the first digits of a key say.
    let key = |it: &Shown<'_>| format!("{:020} {}", it.created_at().0, it.certificate.arn);
    let page = page(fields, "NextToken", found, order, size, key)?;
    let summaries: Vec<Value> = page.items.iter().map(summary).collect();
    let mut answer = json!({ "CertificateSummaryList": summaries });
    if let Some(next) = page.next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

/// Which certificates.
struct Wanted {
    statuses: Vec<String>,
    keys: Vec<String>,
    key_usages: Vec<String>,
    extended_key_usages: Vec<String>,
    /// Those that can be exported, which none can.
    exportable: bool,
    /// Those of CloudFront, of which there are none.
    managed: bool,
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, AwsError> {
        let fields = &call.fields;
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let known = |texts: Vec<&str>, words: &[&str], member: &str| -> Result<Vec<String>, AwsError> {
            match texts.iter().all(|text| words.contains(text)) {
                true => Ok(owned(texts)),
                false => Err(fields.broken(
                    member,
                    &format!("Member must satisfy enum value set: [{}]", words.join(", ")),
                )),
            }
        };
        let statuses = known(fields.texts("CertificateStatuses")?, &STATUSES, "CertificateStatuses")?;
        let origins = fields.texts("CertificateKeyPairOrigins")?;
        if !origins.is_empty() {
            return Err(AwsError::not_built("The member CertificateKeyPairOrigins is not built"));
        }
        let mut wanted = Self {
            statuses,
            keys: owned(KEYS_BY_DEFAULT.to_vec()),
            key_usages: Vec::new(),
            extended_key_usages: Vec::new(),
            exportable: false,
            managed: false,
        };
        let Some(filters) = fields.object("Includes")? else {
            return Ok(wanted);
        };
        if filters.has("keyTypes") {
            wanted.keys = known(filters.texts("keyTypes")?, &KEYS, "Includes")?;
        }
        let any = |texts: Vec<&str>| match texts.contains(&"ANY") {
            true => Vec::new(),
            false => owned(texts),
        };
        wanted.key_usages = any(filters.texts("keyUsage")?);
        wanted.extended_key_usages = any(filters.texts("extendedKeyUsage")?);
        wanted.exportable = filters.word("exportOption", &[("ENABLED", true), ("DISABLED", false)])? == Some(true);
        wanted.managed = filters.word("managedBy", &[("CLOUDFRONT", ())])?.is_some();
        Ok(wanted)
    }

    fn takes(&self, it: &Shown<'_>) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|wanted| wanted == text);
        let is_plain = (self.statuses.is_empty() || has(&self.statuses, it.status()))
            && has(&self.keys, key_word(it.certificate.key))
            && !self.exportable
            && !self.managed;
        if !is_plain || self.key_usages.is_empty() && self.extended_key_usages.is_empty() {
            return is_plain;
        }
        let Ok(details) = CertificateDetails::of_leaf(it.certificate.chain_pem.as_bytes()) else {
            return false;
        };
        let usages = self.key_usages.iter();
        let extended = self.extended_key_usages.iter();
        usages
            .into_iter()
            .all(|wanted| details.key_usages.contains(&wanted.as_str()))
            && extended
                .into_iter()
                .all(|wanted| details.extended_key_usages.iter().any(|(name, _)| name == wanted))
    }
}

fn summary(it: &Shown<'_>) -> Value {
    let mut shown: Map<String, Value> = it.common();
    let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    let names = it.names();
    put(
        "SubjectAlternativeNameSummaries",
        json!(names.iter().take(NAMES_SHOWN).collect::<Vec<_>>()),
    );
    put("HasAdditionalSubjectAlternativeNames", json!(names.len() > NAMES_SHOWN));
    put("KeyAlgorithm", json!(key_shown(it.certificate.key)));
    put("ExportOption", json!("DISABLED"));
    put("Exported", json!(false));
    put("InUse", json!(!it.in_use_by().is_empty()));
    if let Ok(details) = CertificateDetails::of_leaf(it.certificate.chain_pem.as_bytes()) {
        put("KeyUsages", json!(details.key_usages));
        let usages: Vec<_> = details.extended_key_usages.iter().map(|(name, _)| *name).collect();
        put("ExtendedKeyUsages", json!(usages));
    }
    Value::Object(shown)
}
