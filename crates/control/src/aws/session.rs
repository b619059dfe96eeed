//! Temporary credentials. All about a session is sealed in its token, so that nothing has to be stored or forgotten.

use crate::aws::error::AwsError;
use crate::aws::sign_in::Who;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Secret;
use model::iam::document::Use;
use model::iam::name::{Key, access_key_id};
use model::iam::{Document, Iam};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wire::sealed::{self, KEY_BYTES, NONCE_BYTES};

/// What our tokens begin with. Others are somebody else's.
const MARK: &str = "albacore1.";
/// What the seal is for.
const PURPOSE: &str = "session token";
/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) access_key: String,
    pub(crate) secret: Secret<String>,
    pub(crate) of: Of,
    /// `RoleSessionName`; empty for sessions of users.
    pub(crate) name: String,
    pub(crate) issued_secs: u64,
    pub(crate) expires_secs: u64,
    /// What the session is limited to, as text. None: nothing beyond what its identity may.
    pub(crate) policy: Option<Document>,
    /// The same by ARN.
    pub(crate) policy_arns: Vec<String>,
}

/// Whose session it is. The id is the one of that time: who is made anew by the same name is somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Of {
    Root,
    User { key: String, id: String },
    Role { key: String, id: String },
}

/// What stands in a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    access_key: String,
    secret: String,
    of: Of,
    name: String,
    issued_secs: u64,
    expires_secs: u64,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

/// What is to become a session.
pub(crate) struct New {
    pub(crate) of: Of,
    pub(crate) name: String,
    pub(crate) issued_secs: u64,
    pub(crate) expires_secs: u64,
    pub(crate) policy: Option<Document>,
    pub(crate) policy_arns: Vec<String>,
}

/// Makes a session, and its token.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn begin(key: &Secret<[u8; KEY_BYTES]>, new: New) -> Result<(Session, String), AwsError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| no_random())?;
    let session = Session {
        access_key: access_key_id("ASIA", u128::from_le_bytes(random)),
        secret: secret()?,
        of: new.of,
        name: new.name,
        issued_secs: new.issued_secs,
        expires_secs: new.expires_secs,
        policy: new.policy,
        policy_arns: new.policy_arns,
    };
    let claims = Claims {
        access_key: session.access_key.clone(),
        secret: session.secret.expose().clone(),
        of: session.of.clone(),
        name: session.name.clone(),
        issued_secs: session.issued_secs,
        expires_secs: session.expires_secs,
        policy: session.policy.as_ref().map(|it| it.as_str().to_owned()),
        policy_arns: session.policy_arns.clone(),
    };
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| no_random())?;
    let failed = || AwsError::internal("The session cannot be written");
    let text = serde_json::to_vec(&claims).map_err(|_| failed())?;
    let sealed = sealed::seal(key.expose(), PURPOSE, &text, nonce).ok_or_else(failed)?;
    Ok((session, format!("{MARK}{}", URL_SAFE_NO_PAD.encode(sealed))))
}

/// The session of a token that was made here. Whether it is over is not looked at.
pub(crate) fn open(key: &Secret<[u8; KEY_BYTES]>, token: &str) -> Option<Arc<Session>> {
    let text = token.strip_prefix(MARK).filter(|it| it.len() <= TOKEN_BYTES_MAX)?;
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let claims = sealed::open(key.expose(), PURPOSE, &sealed)?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let policy = match claims.policy {
        None => None,
        // One that can no longer be read must not become none.
        Some(text) => Some(Document::read(&text, Use::Identity).ok()?),
    };
    Some(Arc::new(Session {
        access_key: claims.access_key,
        secret: Secret::new(claims.secret),
        of: claims.of,
        name: claims.name,
        issued_secs: claims.issued_secs,
        expires_secs: claims.expires_secs,
        policy,
        policy_arns: claims.policy_arns,
    }))
}

impl Session {
    /// Who it is, if they are still there.
    pub(crate) fn who(self: Arc<Self>, iam: &Iam) -> Option<Who> {
        match &self.of {
            Of::Root => Some(Who::RootSession(self)),
            Of::User { key, id } => {
                let user = iam.user(&Key::try_from(key.as_str()).ok()?)?;
                (*user.identity.id == **id).then(|| Who::UserSession(user.clone(), self))
            }
            Of::Role { key, id } => {
                let role = iam.role(&Key::try_from(key.as_str()).ok()?)?;
                (*role.identity.id == **id).then(|| Who::Role(role.clone(), self))
            }
        }
    }
}

/// What calls are signed with: forty characters.
pub(crate) fn secret() -> Result<Secret<String>, AwsError> {
    let mut bytes = [0; 30];
    getrandom::fill(&mut bytes).map_err(|_| no_random())?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(Secret::new(text))
}

fn no_random() -> AwsError {
    AwsError::internal("The system gives no random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> New {
        New {
            of: Of::Root,
            name: "me".to_owned(),
            issued_secs: 1,
            expires_secs: 2,
            policy: None,
            policy_arns: Vec::new(),
        }
    }

    #[test]
    fn tokens_are_read_by_those_who_made_them() {
        let (key, other) = (Secret::new([1; KEY_BYTES]), Secret::new([2; KEY_BYTES]));
        let (session, token) = begin(&key, new()).unwrap();
        let read = open(&key, &token).unwrap();
        assert_eq!((&read.access_key, &read.secret), (&session.access_key, &session.secret));
        assert_eq!(session.secret.expose().len(), 40);
        assert!(open(&other, &token).is_none());
        assert!(open(&key, &token[1..]).is_none());
        assert!(open(&key, "IQoJb3JpZ2luX2VjEJr").is_none());
        let shown = format!("{session:?}");
        assert!(!shown.contains(session.secret.expose()), "{shown}");
    }
}
