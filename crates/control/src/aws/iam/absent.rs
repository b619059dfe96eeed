//! What nobody has here: passwords, devices, keys of other kinds, identity providers. Lists of them are empty, and one that is
//! named is not there; clients that clean up after a user ask for all of it.

use super::errors;
use super::input::{key, path_prefix};
use super::page::page;
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use model::iam::{IamRefusal, IdentityKind};
use wire::xml::Xml;

/// `ListMFADevices`.
pub(super) fn mfa_devices(call: &Call<'_>) -> Result<Xml, AwsError> {
    of_user(call, "MFADevices")
}

/// `ListSSHPublicKeys`.
pub(super) fn ssh_public_keys(call: &Call<'_>) -> Result<Xml, AwsError> {
    of_user(call, "SSHPublicKeys")
}

/// `ListSigningCertificates`.
pub(super) fn signing_certificates(call: &Call<'_>) -> Result<Xml, AwsError> {
    of_user(call, "Certificates")
}

/// `ListServiceSpecificCredentials`.
pub(super) fn service_credentials(call: &Call<'_>) -> Result<Xml, AwsError> {
    call.fields.text("ServiceName");
    of_user(call, "ServiceSpecificCredentials")
}

/// `ListVirtualMFADevices`.
pub(super) fn virtual_mfa_devices(call: &Call<'_>) -> Result<Xml, AwsError> {
    call.fields.text("AssignmentStatus");
    none(call, "VirtualMFADevices")
}

/// `ListServerCertificates`: they are ACM's.
pub(super) fn server_certificates(call: &Call<'_>) -> Result<Xml, AwsError> {
    path_prefix(call)?;
    none(call, "ServerCertificateMetadataList")
}

/// `ListAccountAliases`: the account has no other name than its number.
pub(super) fn account_aliases(call: &Call<'_>) -> Result<Xml, AwsError> {
    none(call, "AccountAliases")
}

/// `ListSAMLProviders`.
pub(super) fn saml_providers(_: &Call<'_>) -> Result<Xml, AwsError> {
    Ok(list("SAMLProviderList"))
}

/// `ListOpenIDConnectProviders`.
pub(super) fn open_id_providers(_: &Call<'_>) -> Result<Xml, AwsError> {
    Ok(list("OpenIDConnectProviderList"))
}

/// `GetLoginProfile` and `DeleteLoginProfile`.
pub(super) fn login_profile(call: &Call<'_>) -> Result<Xml, AwsError> {
    let user = key(call, IdentityKind::User)?;
    let name = super::users::find(call, &user)?.identity.name().clone();
    Err(not_there(format!("Login Profile for User {name} cannot be found.")))
}

/// `GetAccountPasswordPolicy`.
pub(super) fn password_policy(call: &Call<'_>) -> Result<Xml, AwsError> {
    let account = &call.scope.account;
    Err(not_there(format!(
        "The Password Policy with domain name {account} cannot be found."
    )))
}

fn not_there(message: String) -> AwsError {
    errors::iam(&IamRefusal::NoSuchEntity(message))
}

/// Of a user, or of the caller.
fn of_user(call: &Call<'_>, name: &str) -> Result<Xml, AwsError> {
    if call.fields.has("UserName") {
        super::users::find(call, &key(call, IdentityKind::User)?)?;
    }
    none(call, name)
}

fn none(call: &Call<'_>, name: &str) -> Result<Xml, AwsError> {
    let page = page(call, [(); 0], |()| String::new())?;
    let mut xml = list(name);
    page.end(&mut xml);
    Ok(xml)
}

fn list(name: &str) -> Xml {
    let mut xml = Xml::new();
    xml.list(name, [(); 0], |_, ()| {});
    xml
}
