//! Resources of IAM as XML.

use model::iam::policy::PolicyVersion;
use model::iam::state::AnyPolicy;
use model::iam::{Document, Group, Identity, IdentityKind, Role, User};
use model::{Tags, Timestamp};
use std::fmt::Write as _;
use wire::xml::Xml;

/// When AWS made a policy of its own. They are older than anything here, and when exactly is of no use.
const LONG_AGO: Timestamp = Timestamp(1_423_181_967_000);

/// `2026-01-31T08:00:00Z`, without milliseconds.
pub(in crate::aws) fn moment(at: Timestamp) -> String {
    let text = wire::time::iso8601(at.0);
    let (secs, _) = text.split_once('.').unwrap_or((&text, ""));
    format!("{secs}Z")
}

/// A document as IAM returns it: with everything but letters, digits and `-_.~` as percent signs. Source: RFC 3986.
pub(super) fn encoded(document: &Document) -> String {
    let text = document.as_str();
    text.bytes()
        .fold(String::with_capacity(text.len() * 2), |mut out, byte| {
            match byte {
                b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
                byte => {
                    let _ = write!(out, "%{byte:02X}"); // writing to a string cannot fail
                }
            }
            out
        })
}

pub(super) fn tags(xml: &mut Xml, tags: &Tags) {
    xml.list("Tags", tags.iter(), |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}

/// How much of something is shown: lists leave out tags and what costs a look elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Whole,
    Listed,
}

fn identity(xml: &mut Xml, kind: IdentityKind, it: &Identity) {
    let (name, id) = match kind {
        IdentityKind::User => ("UserName", "UserId"),
        IdentityKind::Group => ("GroupName", "GroupId"),
        IdentityKind::Role => ("RoleName", "RoleId"),
    };
    xml.text("Path", &it.path);
    xml.text(name, it.name());
    xml.text(id, &it.id);
    xml.text("Arn", &it.arn(kind));
    xml.text("CreateDate", &moment(it.created));
}

pub(super) fn user(xml: &mut Xml, it: &User, detail: Detail) {
    identity(xml, IdentityKind::User, &it.identity);
    if detail == Detail::Whole {
        if !it.identity.tags.is_empty() {
            tags(xml, &it.identity.tags);
        }
        boundary(xml, &it.identity);
    }
}

fn boundary(xml: &mut Xml, it: &Identity) {
    let Some(arn) = &it.boundary else { return };
    xml.within("PermissionsBoundary", |xml| {
        xml.text("PermissionsBoundaryType", "Policy");
        xml.text("PermissionsBoundaryArn", arn);
    });
}

pub(super) fn group(xml: &mut Xml, it: &Group) {
    identity(xml, IdentityKind::Group, &it.identity);
}

pub(super) fn role(xml: &mut Xml, it: &Role, detail: Detail) {
    identity(xml, IdentityKind::Role, &it.identity);
    xml.text("AssumeRolePolicyDocument", &encoded(&it.trust));
    if let Some(text) = &it.description {
        xml.text("Description", text);
    }
    xml.value("MaxSessionDuration", it.max_session_secs);
    if detail == Detail::Whole {
        if !it.identity.tags.is_empty() {
            tags(xml, &it.identity.tags);
        }
        boundary(xml, &it.identity);
        xml.within("RoleLastUsed", |_| {});
    }
}

/// How often a policy is used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    pub(super) attached: usize,
    pub(super) bounds: usize,
}

pub(super) fn policy(xml: &mut Xml, it: &AnyPolicy<'_>, uses: Uses, detail: Detail) {
    let (name, id, path, arn, version) = match it {
        AnyPolicy::Own(it) => (&**it.name.name(), &*it.id, &*it.path, it.arn(), it.default_version),
        AnyPolicy::Aws(it) => (it.name, it.id, it.path, it.arn(), 1),
    };
    xml.text("PolicyName", name);
    xml.text("PolicyId", id);
    xml.text("Arn", &arn);
    xml.text("Path", path);
    xml.text("DefaultVersionId", &format!("v{version}"));
    xml.value("AttachmentCount", uses.attached);
    xml.value("PermissionsBoundaryUsageCount", uses.bounds);
    xml.value("IsAttachable", true);
    let (created, updated) = match it {
        AnyPolicy::Own(it) => (it.created, it.updated),
        AnyPolicy::Aws(_) => (LONG_AGO, LONG_AGO),
    };
    xml.text("CreateDate", &moment(created));
    xml.text("UpdateDate", &moment(updated));
    if let (AnyPolicy::Own(it), Detail::Whole) = (it, detail) {
        if let Some(text) = &it.description {
            xml.text("Description", text);
        }
        if !it.tags.is_empty() {
            tags(xml, &it.tags);
        }
    }
}

pub(super) fn version(xml: &mut Xml, it: &PolicyVersion, is_default: bool, detail: Detail) {
    if detail == Detail::Whole {
        xml.text("Document", &encoded(&it.document));
    }
    xml.text("VersionId", &format!("v{}", it.number));
    xml.value("IsDefaultVersion", is_default);
    xml.text("CreateDate", &moment(it.created));
}

/// The one version of a policy of AWS.
pub(super) fn version_of_aws(xml: &mut Xml, document: &Document, detail: Detail) {
    let it = PolicyVersion {
        number: 1,
        document: document.clone(),
        created: LONG_AGO,
    };
    version(xml, &it, true, detail);
}
