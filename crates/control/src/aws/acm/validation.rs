//! The names of a request, and what AWS would want to see before it issued. Source: EDG 3.1.

use super::Call;
use crate::aws::error::AwsError;
use crate::aws::json::Fields;
use model::AccountId;
use model::acm::{Requested, Validation};
use serde_json::{Map, Value, json};

/// Names of one certificate: AWS's quota, which nobody here can have raised.
const NAMES_MAX: usize = 10;
/// Further names of one call. Source: ACM `RequestCertificate`, `SubjectAlternativeNames`.
const FURTHER_NAMES_MAX: usize = 100;
/// Bytes of the first name. Source: ACM `RequestCertificate`, `DomainName`.
const FIRST_NAME_BYTES_MAX: usize = 64;
const PATTERN: &str = "(\\*\\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])";
/// Who would be written to.
const MAILBOXES: [&str; 5] = ["admin", "administrator", "hostmaster", "postmaster", "webmaster"];

/// The names that a request is for: the domain name first, each once, in small letters.
pub(super) fn names(call: &Call<'_>) -> Result<Vec<String>, AwsError> {
    let fields = &call.fields;
    let first = fields.required_text("DomainName")?;
    check_name(fields, "DomainName", first)?;
    if first.len() > FIRST_NAME_BYTES_MAX {
        let message = format!("The first domain name can have at most {FIRST_NAME_BYTES_MAX} characters.");
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let mut names = vec![first.to_ascii_lowercase()];
    let further = fields.texts("SubjectAlternativeNames")?;
    for name in &further {
        check_name(fields, "SubjectAlternativeNames", name)?;
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if further.len() > FURTHER_NAMES_MAX {
        let rule = format!("Member must have length less than or equal to {FURTHER_NAMES_MAX}");
        return Err(fields.broken("SubjectAlternativeNames", &rule));
    }
    if names.len() > NAMES_MAX {
        let message = format!("The number of domain names exceeds the limit of {NAMES_MAX}.");
        return Err(AwsError::new("LimitExceededException", message));
    }
    Ok(names)
}

/// How a request is to be validated, and by whose mail.
pub(super) fn method(call: &Call<'_>, names: &[String]) -> Result<(Validation, Vec<(String, String)>), AwsError> {
    #[derive(Clone, Copy)]
    enum Method {
        Here(Validation),
        Http,
    }
    let words = [
        ("EMAIL", Method::Here(Validation::Email)),
        ("DNS", Method::Here(Validation::Dns)),
        ("HTTP", Method::Http),
    ];
    let method = match call.fields.word("ValidationMethod", &words)? {
        Some(Method::Here(method)) => method,
        Some(Method::Http) => {
            return Err(AwsError::not_built(
                "ValidationMethod HTTP is for certificates of CloudFront, and is not built",
            ));
        }
        None => Validation::Email,
    };
    let invalid = |message: String| AwsError::new("InvalidDomainValidationOptionsException", message);
    let mut domains = Vec::new();
    for option in call.fields.objects("DomainValidationOptions")? {
        let name = option.required_text("DomainName")?.to_ascii_lowercase();
        let domain = option.required_text("ValidationDomain")?.to_ascii_lowercase();
        if !names.contains(&name) {
            return Err(invalid(format!("{name} is not a domain name of the request.")));
        }
        let bare = name.strip_prefix("*.").unwrap_or(&name);
        if bare != domain && !bare.ends_with(&format!(".{domain}")) {
            let message = format!("The validation domain {domain} is not a superdomain of {name}.");
            return Err(invalid(message));
        }
        domains.push((name, domain));
    }
    Ok((method, domains))
}

/// `DomainValidationOptions` of a certificate that was issued.
pub(super) fn shown(account: &AccountId, requested: &Requested) -> Value {
    let each = requested.names.iter().map(|name| {
        let mut option = Map::new();
        option.insert("DomainName".to_owned(), json!(name));
        option.insert("ValidationStatus".to_owned(), json!("SUCCESS"));
        match requested.validation {
            Validation::Dns => {
                option.insert("ValidationDomain".to_owned(), json!(name));
                option.insert("ResourceRecord".to_owned(), record(account, name));
                option.insert("ValidationMethod".to_owned(), json!("DNS"));
            }
            Validation::Email => {
                let bare = name.strip_prefix("*.").unwrap_or(name);
                let asked = requested
                    .validation_domains
                    .iter()
                    .find(|(its_name, _)| its_name == name);
                let domain = asked.map_or(bare, |(_, domain)| domain.as_str());
                let mails: Vec<_> = MAILBOXES.iter().map(|mailbox| format!("{mailbox}@{domain}")).collect();
                option.insert("ValidationDomain".to_owned(), json!(domain));
                option.insert("ValidationEmails".to_owned(), json!(mails));
                option.insert("ValidationMethod".to_owned(), json!("EMAIL"));
            }
        }
        Value::Object(option)
    });
    Value::Array(each.collect())
}

/// The CNAME of a name: the same for its wildcard, and for every certificate of the account.
fn record(account: &AccountId, name: &str) -> Value {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let hash = |what: &str| wire::sigv4::sha256_hex(format!("{what}\n{account}\n{bare}").as_bytes());
    let letters: String = hash("zone")
        .bytes()
        .take(10)
        .map(|digit| char::from(b'b' + digit % 16))
        .collect();
    json!({
        "Name": format!("_{}.{bare}.", hash("name").get(..32).unwrap_or_default()),
        "Type": "CNAME",
        "Value": format!("_{}.{letters}.acm-validations.aws.", hash("value").get(..32).unwrap_or_default()),
    })
}

fn check_name(fields: &Fields<'_>, member: &str, name: &str) -> Result<(), AwsError> {
    let rule = match name.len() {
        0 => "Member must have length greater than or equal to 1".to_owned(),
        254.. => "Member must have length less than or equal to 253".to_owned(),
        _ if is_name(name) => return Ok(()),
        _ => format!("Member must satisfy regular expression pattern: {PATTERN}"),
    };
    Err(fields.broken(member, &rule))
}

/// Whether a text is as [`PATTERN`] has it.
fn is_name(name: &str) -> bool {
    let labels: Vec<&str> = name.strip_prefix("*.").unwrap_or(name).split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    labels.len() > 1 && labels.iter().all(is_label) && labels.last().is_some_and(|last| last.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_awss_pattern_has_them() {
        for name in ["shop.localhost", "*.example.com", "a.b-c.de", "xn--bcher-kva.example"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "localhost",
            "*.com.",
            "*",
            "a..b",
            "-a.com",
            "a-.com",
            "a.c",
            "*.*.com",
            "a b.com",
            "ü.com",
        ] {
            assert!(!is_name(name), "{name}");
        }
        assert!(!is_name(&format!("{}.com", "a".repeat(64))));
    }

    // EDG-124: apex and wildcard share the record, and so do all certificates of the account
    #[test]
    fn a_name_and_its_wildcard_share_the_record() {
        let account = AccountId::try_from("111122223333").unwrap();
        let other = AccountId::try_from("111122223334").unwrap();
        let apex = record(&account, "example.com");
        assert_eq!(apex, record(&account, "*.example.com"));
        assert_ne!(apex, record(&account, "www.example.com"));
        assert_ne!(apex, record(&other, "example.com"));
        let name = apex["Name"].as_str().unwrap();
        assert!(name.starts_with('_') && name.ends_with(".example.com.") && name.len() == 33 + 13);
        let value = apex["Value"].as_str().unwrap();
        assert!(value.ends_with(".acm-validations.aws.") && value.len() == 33 + 1 + 10 + 21);
    }
}
