//! Packages: read out of the body of a call or an object of S3, and lent to be downloaded. Source: Lambda 1.3 `Code`, 1.7.

use super::input::Members;
use crate::lambda::error::LambdaError;
use crate::objects::{Address, Objects};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::lambda::package::PackageDigest;
use serde_json::Value;

/// The largest body of a call with a package. Source: Lambda 1.7.
pub(crate) const BODY_BYTES_MAX: usize = 70_167_211;
/// The largest package. Source: Lambda 1.7.
const ZIP_BYTES_MAX: usize = 52_428_800;
/// The largest package out of S3: as large as what is in it may be. Source: Lambda 1.7.
const OBJECT_BYTES_MAX: usize = 262_144_000;

/// Where a package comes from.
pub(super) enum Source {
    /// It was in the call, or in the folder of `--s3-root`.
    Zip,
}

/// `Code`, `Content`, or the members of UpdateFunctionCode. What is not built is refused.
pub(super) fn source(members: &Members<'_>) -> Result<Option<Source>, LambdaError> {
    if members.get("ImageUri").is_some() {
        return Err(LambdaError::invalid_parameter(
            "Please don't provide ImageUri when updating a function with packageType Zip.",
        ));
    }
    members.without(&[("SourceKMSKeyArn", "there are no keys")])?;
    let is_there = members.get("ZipFile").is_some() || address(members)?.is_some();
    Ok(is_there.then_some(Source::Zip))
}

/// The object of S3 that a package is to be read from.
fn address(members: &Members<'_>) -> Result<Option<Address>, LambdaError> {
    let (bucket, key) = (members.text("S3Bucket")?, members.text("S3Key")?);
    let version = members.text("S3ObjectVersion")?.map(str::to_owned);
    if bucket.is_none() && key.is_none() && version.is_none() {
        return Ok(None);
    }
    if members.get("ZipFile").is_some() {
        return Err(LambdaError::invalid_parameter(
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ));
    }
    let (bucket, key) = bucket.zip(key).ok_or_else(|| {
        LambdaError::invalid_parameter("Please provide both the S3Bucket and the S3Key of a function's code.")
    })?;
    Ok(Some(Address {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version,
    }))
}

/// The object that a body names, whichever member it stands in.
pub(super) fn named(body: &Value) -> Result<Option<Address>, LambdaError> {
    let nested = ["Code", "Content"].into_iter().find_map(|name| body.get(name));
    address(&Members::of(nested.filter(|it| it.is_object()).unwrap_or(body))?)
}

/// Reads a package out of an object. Blocks.
pub(super) fn fetched(objects: &Objects, address: &Address) -> Result<Vec<u8>, LambdaError> {
    objects.read(address, OBJECT_BYTES_MAX).map_err(|missing| {
        let Address { bucket, key, .. } = address;
        match missing.code {
            "EntityTooLarge" => {
                LambdaError::invalid_parameter(&format!("Unzipped size must be smaller than {OBJECT_BYTES_MAX} bytes"))
            }
            code => LambdaError::object(bucket, key, code, &missing.message),
        }
    })
}

/// Where a package can be downloaded, in the own API.
pub(super) fn path(digest: &PackageDigest) -> String {
    format!("packages/{digest}")
}

/// Takes the package out of a body, whichever member it stands in. Blocks for as long as decoding takes.
pub(super) fn taken(body: &mut Value) -> Result<Option<Vec<u8>>, LambdaError> {
    let members = ["Code", "Content"]
        .into_iter()
        .find(|name| body.get(name).is_some_and(Value::is_object));
    let holder = match members {
        Some(name) => body.get_mut(name),
        None => Some(body),
    };
    let Some(Value::Object(holder)) = holder else {
        return Ok(None);
    };
    let Some(Value::String(text)) = holder.get_mut("ZipFile") else {
        return Ok(None);
    };
    let text = std::mem::take(text);
    let zip = STANDARD
        .decode(text)
        .map_err(|_| LambdaError::invalid_content("Could not parse request body into json: ZipFile is not base64"))?;
    match zip.len() > ZIP_BYTES_MAX {
        true => Err(LambdaError::entity_too_large(&format!(
            "Zipped size must be smaller than {ZIP_BYTES_MAX} bytes"
        ))),
        false => Ok(Some(zip)),
    }
}

/// What is wrong with a package, in AWS's words. Source: Lambda 8.4.
pub(super) fn unusable(message: &str) -> LambdaError {
    const UNREADABLE: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    const TOO_LARGE: &str = "Unzipped size must be smaller than 262144000 bytes";
    let words = [UNREADABLE, TOO_LARGE]
        .into_iter()
        .find(|words| message.contains(words));
    LambdaError::invalid_parameter(words.unwrap_or(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_taken_out_of_the_body() {
        let mut body = serde_json::json!({ "Code": { "ZipFile": "YWJj" } });
        assert_eq!(taken(&mut body).unwrap().as_deref(), Some(b"abc".as_slice()));
        assert_eq!(body["Code"]["ZipFile"], "");
        let mut body = serde_json::json!({ "ZipFile": "YWJj" });
        assert!(taken(&mut body).unwrap().is_some());
        assert!(taken(&mut serde_json::json!({ "ZipFile": "!" })).is_err());
        assert!(taken(&mut serde_json::json!([])).unwrap().is_none());
    }

    #[test]
    fn a_package_may_be_an_object() {
        let of = |body: Value| {
            named(&body)
                .map(|it| it.map(|it| format!("{}/{}", it.bucket, it.key)))
                .map_err(|_| ())
        };
        let code = serde_json::json!({ "S3Bucket": "code", "S3Key": "a/b.zip" });
        for body in [
            code.clone(),
            serde_json::json!({ "Code": code }),
            serde_json::json!({ "Content": code }),
        ] {
            assert_eq!(of(body), Ok(Some("code/a/b.zip".to_owned())));
        }
        assert_eq!(of(serde_json::json!({ "Code": { "ZipFile": "" } })), Ok(None));
        for body in [
            serde_json::json!({ "S3Bucket": "code" }),
            serde_json::json!({ "S3Key": "code" }),
            serde_json::json!({ "S3Bucket": "code", "S3Key": "a", "ZipFile": "" }),
        ] {
            assert_eq!(of(body), Err(()));
        }
    }
}
