//! Signatures as they stand in requests.

use super::{ALGORITHM, Credential, EXPIRES_SECS_MAX, Form, Refused, Request, Signed};
use crate::percent::decoded;
use crate::time;

/// Signed headers of one request.
const SIGNED_HEADERS_MAX: usize = 100;
/// Bytes of each part of a credential.
const PART_BYTES_MAX: usize = 128;

pub(super) fn read(request: &Request<'_>) -> Result<Signed, Refused> {
    let mut lines = request.headers.iter().filter(|(name, _)| *name == "authorization");
    let presigned = request
        .query
        .split('&')
        .any(|pair| pair.starts_with("X-Amz-Algorithm="));
    match (lines.next(), lines.next(), presigned) {
        (None, _, false) => Err(Refused::Missing),
        (None, _, true) => from_query(request),
        (Some((_, line)), None, false) => from_header(request, line),
        // With two, it would be unclear who asks.
        (Some(_), _, _) => Err(incomplete("The request must have one signature.")),
    }
}

fn from_header(request: &Request<'_>, line: &[u8]) -> Result<Signed, Refused> {
    let line = std::str::from_utf8(line).map_err(|_| incomplete("The Authorization header is not ASCII."))?;
    let (algorithm, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    check_algorithm(algorithm)?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in rest.split(',') {
        let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(incomplete("The Authorization header has a part that is not known.")),
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(incomplete("The Authorization header has a part twice."));
        }
    }
    let needed = |value: Option<String>, name: &str| {
        value.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
    };
    let date = header(request, "x-amz-date");
    let date = date.ok_or_else(|| incomplete("Authorization header requires existence of an 'X-Amz-Date' header."))?;
    signed(
        Form::Header,
        &needed(credential, "Credential")?,
        date,
        None,
        &needed(signed_headers, "SignedHeaders")?,
        needed(signature, "Signature")?,
    )
}

fn from_query(request: &Request<'_>) -> Result<Signed, Refused> {
    let parameter = |name: &str| -> Result<String, Refused> {
        let mut found = request.query.split('&').filter_map(|pair| {
            let (its_name, value) = pair.split_once('=')?;
            (its_name == name).then_some(value)
        });
        let (Some(value), None) = (found.next(), found.next()) else {
            return Err(incomplete(&format!("The query requires '{name}' once.")));
        };
        let value = decoded(value.as_bytes(), false);
        String::from_utf8(value).map_err(|_| incomplete(&format!("'{name}' is not UTF-8.")))
    };
    check_algorithm(&parameter("X-Amz-Algorithm")?)?;
    let expires = parameter("X-Amz-Expires")?;
    let expires = expires
        .parse()
        .ok()
        .filter(|secs| (1..=EXPIRES_SECS_MAX).contains(secs));
    let expires = expires.ok_or_else(|| incomplete("'X-Amz-Expires' must be 1 to 604800 seconds."))?;
    signed(
        Form::Presigned,
        &parameter("X-Amz-Credential")?,
        parameter("X-Amz-Date")?,
        Some(expires),
        &parameter("X-Amz-SignedHeaders")?,
        parameter("X-Amz-Signature")?,
    )
}

fn check_algorithm(algorithm: &str) -> Result<(), Refused> {
    match algorithm == ALGORITHM {
        true => Ok(()),
        false => Err(incomplete(&format!(
            "Unsupported AWS 'algorithm': '{}'; expected {ALGORITHM}.",
            shown(algorithm)
        ))),
    }
}

fn signed(
    form: Form,
    credential: &str,
    date: String,
    expires_secs: Option<u64>,
    signed_headers: &str,
    signature: String,
) -> Result<Signed, Refused> {
    let credential = credential_of(credential)?;
    let secs = time::from_basic(&date);
    let secs = secs.ok_or_else(|| {
        incomplete(&format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'.",
            shown(&date)
        ))
    })?;
    if !date.starts_with(&credential.date) {
        return Err(Refused::Scope(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from \
             '{date}'.",
            credential.date,
            &date[..8]
        )));
    }
    let signed_headers: Vec<_> = signed_headers.split(';').map(str::to_owned).collect();
    let is_name = |name: &String| {
        let token = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b",:;".contains(&byte);
        !name.is_empty() && name.bytes().all(token)
    };
    // Each once and in order, as signers write them.
    let in_order = signed_headers.windows(2).all(|pair| pair[0] < pair[1]);
    if signed_headers.len() > SIGNED_HEADERS_MAX || !in_order || !signed_headers.iter().all(is_name) {
        return Err(incomplete(
            "'SignedHeaders' must be lower-case names in order, each once.",
        ));
    }
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if signature.len() != 64 || !signature.bytes().all(is_hex) {
        return Err(incomplete("'Signature' must be 64 lower-case hexadecimal digits."));
    }
    Ok(Signed {
        credential,
        form,
        date,
        secs,
        expires_secs,
        signed_headers,
        signature,
    })
}

fn credential_of(text: &str) -> Result<Credential, Refused> {
    let parts: Vec<_> = text.split('/').collect();
    let [access_key, date, region, service, end] = parts[..] else {
        return Err(incomplete(&format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'.",
            shown(text)
        )));
    };
    if end != "aws4_request" {
        return Err(Refused::Scope(format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'.",
            shown(end)
        )));
    }
    let is_part =
        |text: &str| (1..=PART_BYTES_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic());
    if ![access_key, date, region, service].into_iter().all(is_part) || date.len() != 8 {
        return Err(incomplete(&format!("Credential '{}' cannot be read.", shown(text))));
    }
    Ok(Credential {
        access_key: access_key.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    })
}

fn header(request: &Request<'_>, name: &str) -> Option<String> {
    let mut values = request.headers.iter().filter(|(its_name, _)| *its_name == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => std::str::from_utf8(value).ok().map(|value| value.trim().to_owned()),
        _ => None,
    }
}

fn incomplete(message: &str) -> Refused {
    Refused::Incomplete(message.to_owned())
}

fn shown(text: &str) -> String {
    text.chars().take(100).filter(|it| !it.is_control()).collect()
}
