//! Who calls. Source: design of the endpoint: an AWS call is always signed, on loopback too, because no web page can set the
//! header that carries a signature.
//!
//! What is signed with a key that IAM or STS gave out is verified, always. The root is whoever has the key of
//! `--access-key`; without that key, whoever names a key that was not given out here, verified or not.

use crate::api::Credentials;
use crate::aws::chunked::{self, Plain};
use crate::aws::error::AwsError;
use crate::aws::session::{self, Of, Session};
use crate::function_door::Pass;
use crate::source::Source;
use hyper::http::request::Parts;
use model::Region;
use model::iam::name::is_access_key_id;
use model::iam::{Iam, Role, User};
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::aws_chunked::Announced;
use wire::sigv4::{Chain, Credential, Form, Refused, Request, Signed};

/// Somebody who may call, and what they call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The id of the key.
    pub(crate) access_key: String,
    /// The region that the call is for.
    pub(crate) region: Region,
    /// The signing name of the service.
    pub(crate) service: String,
    /// Whose key it is.
    pub(crate) who: Who,
    /// Where the call comes from, as far as that is known.
    pub(crate) address: Option<IpAddr>,
    /// It comes from inside of an execution environment.
    pub(crate) at_door: bool,
    /// What the caller's program calls itself.
    pub(crate) user_agent: Option<String>,
}

/// Whose key signs.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// The account's own.
    Root,
    User(Arc<User>),
    /// Temporary credentials of the root.
    RootSession(Arc<Session>),
    /// Temporary credentials of a user.
    UserSession(Arc<User>, Arc<Session>),
    /// Temporary credentials of a role.
    Role(Arc<Role>, Arc<Session>),
}

/// Where a request comes from; the server puts it into the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// A request whose signature is to be verified as soon as somebody knows the secret.
struct Unverified<'a> {
    request: Request<'a>,
    /// How the body comes, if it comes in chunks.
    announced: Option<Announced>,
    /// What the signatures of chunks are verified with, once that of the head is.
    chain: Cell<Option<Chain>>,
}

impl<'a> Unverified<'a> {
    fn new(request: Request<'a>, announced: Option<Announced>) -> Self {
        Self {
            request,
            announced,
            chain: Cell::new(None),
        }
    }

    fn check(&self, signed: &Signed, secret: &str) -> Result<(), AwsError> {
        let checked = match &self.announced {
            None => signed.check(&self.request, secret, now_secs()),
            Some(announced) => signed
                .check_head(&self.request, secret, now_secs(), announced)
                .map(|chain| self.chain.set(Some(chain))),
        };
        checked.map_err(|it| refused(&it))
    }
}

/// Finds out who calls, and what the body is.
///
/// # Errors
/// The call is not signed, or not as it must be.
pub(crate) fn caller<'a, S: Source>(
    source: &S,
    parts: &'a Parts,
    body: &'a [u8],
) -> Result<(Caller, Plain<'a>), AwsError> {
    let headers = headers(parts);
    let request = request(parts, &headers, body);
    let unverified = Unverified::new(request, chunked::announced(&headers)?);
    let pass = parts.extensions.get::<Arc<Pass>>();
    let mut caller = named(&request, |signed| match pass {
        Some(pass) => who_at_door(source, pass, signed, &unverified),
        None => who(source, signed, &unverified),
    })?;
    caller.at_door = pass.is_some();
    caller.address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
    let plain = match &unverified.announced {
        None => Plain::as_it_came(parts, body),
        // There is a chain wherever there is a secret: without one, nobody has verified the head either.
        Some(announced) => {
            let decoded = announced.decode(body, unverified.chain.take());
            Plain::put_together(parts, decoded.map_err(|it| chunked::refused(&it))?)
        }
    };
    Ok((caller, plain))
}

/// Refuses a request before there is a body, if it is signed by nobody or with a key that nobody has.
///
/// # Errors
/// As [`caller`] will say.
pub(crate) fn check_key<S: Source>(source: &S, parts: &Parts) -> Result<(), AwsError> {
    let headers = headers(parts);
    let request = request(parts, &headers, &[]);
    let signed = Signed::read(&request).map_err(|it| refused(&it))?;
    // Only this environment comes through its door.
    if parts.extensions.get::<Arc<Pass>>().is_some() {
        return Ok(());
    }
    let (id, root) = (&signed.credential.access_key, &source.api().credentials);
    let is_session = || {
        let token = token(signed.form, &request);
        token.is_some_and(|token| session::open(&source.api().session_key, &token).is_some())
    };
    let is_known = match root {
        Some(root) if root.access_key == *id => true,
        None if !is_access_key_id(id) => true,
        _ => source.state().iam().access_key(id).is_some() || is_session(),
    };
    is_known.then_some(()).ok_or_else(invalid_token)
}

fn headers(parts: &Parts) -> Vec<(&str, &[u8])> {
    let headers = parts.headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn request<'a>(parts: &'a Parts, headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers,
        body,
    }
}

/// Finds out who signed a request with its whole body.
///
/// # Errors
/// It is not signed, or not as it must be.
pub(crate) fn signer<S: Source>(source: &S, request: &Request<'_>) -> Result<Caller, AwsError> {
    let unverified = Unverified::new(*request, None);
    named(request, |signed| who(source, signed, &unverified))
}

fn named(request: &Request<'_>, who: impl FnOnce(&Signed) -> Result<Who, AwsError>) -> Result<Caller, AwsError> {
    let signed = Signed::read(request).map_err(|it| refused(&it))?;
    let who = who(&signed)?;
    let Credential {
        access_key,
        region,
        service,
        ..
    } = &signed.credential;
    let region = Region::try_from(region.as_str()).map_err(|_| {
        let message = "Credential should be scoped to a valid region.";
        AwsError::with_status(403, "SignatureDoesNotMatch", message)
    })?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if service.len() > 32 || !service.bytes().all(is_word) {
        let message = "Credential should be scoped to correct service.";
        return Err(AwsError::with_status(403, "SignatureDoesNotMatch", message));
    }
    let agent = request.headers.iter().find(|(name, _)| *name == "user-agent");
    let agent = agent.and_then(|(_, value)| std::str::from_utf8(value).ok());
    Ok(Caller {
        access_key: access_key.clone(),
        region,
        service: service.clone(),
        who,
        address: None,
        at_door: false,
        user_agent: agent.map(str::to_owned),
    })
}

fn who<S: Source>(source: &S, signed: &Signed, unverified: &Unverified<'_>) -> Result<Who, AwsError> {
    let (id, root) = (&signed.credential.access_key, &source.api().credentials);
    let now = now_secs();
    let check = |secret: &str| unverified.check(signed, secret);
    if let Some(Credentials { secret_key, .. }) = root.as_ref().filter(|root| root.access_key == *id) {
        check(secret_key.expose())?;
        return Ok(Who::Root);
    }
    let state = source.state();
    if let Some((user, key)) = state.iam().access_key(id) {
        check(key.secret.expose())?;
        return match key.active {
            true => Ok(Who::User(user.clone())),
            false => Err(invalid_token()),
        };
    }
    if let Some(token) = token(signed.form, &unverified.request)
        && let Some(session) = session::open(&source.api().session_key, &token)
    {
        return of_session(session, id, now, state.iam(), check);
    }
    // A key that was given out here and is gone makes nobody the root.
    if root.is_some() || is_access_key_id(id) {
        return Err(invalid_token());
    }
    // Whoever can write a URL could call, web pages among them.
    if signed.form == Form::Presigned {
        let message = "Presigned requests need a key that they are verified with: start albacore with --access-key and \
                       --secret-key";
        return Err(AwsError::with_status(403, "AccessDenied", message));
    }
    Ok(Who::Root)
}

/// Who calls through a door: the environment's own function, or a role that STS gave out. Nobody is the root there, and keys
/// of users are for people.
fn who_at_door<S: Source>(
    source: &S,
    pass: &Pass,
    signed: &Signed,
    unverified: &Unverified<'_>,
) -> Result<Who, AwsError> {
    let id = &signed.credential.access_key;
    let now = now_secs();
    let check = |secret: &str| unverified.check(signed, secret);
    let (token, state) = (token(signed.form, &unverified.request), source.state());
    if pass.has_key(id) {
        return pass.who(token.as_deref(), &state, &source.scope().account, check);
    }
    let session = token.and_then(|token| session::open(&source.api().session_key, &token));
    match session.filter(|session| matches!(session.of, Of::Role { .. })) {
        Some(session) => of_session(session, id, now, state.iam(), check),
        None => Err(invalid_token()),
    }
}

fn of_session(
    session: Arc<Session>,
    id: &str,
    now: u64,
    iam: &Iam,
    check: impl FnOnce(&str) -> Result<(), AwsError>,
) -> Result<Who, AwsError> {
    if session.access_key != id {
        return Err(invalid_token());
    }
    check(session.secret.expose())?;
    if session.expires_secs <= now {
        return Err(expired_token());
    }
    session.who(iam).ok_or_else(invalid_token)
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn token(form: Form, request: &Request<'_>) -> Option<String> {
    match form {
        Form::Header => {
            let mut tokens = request
                .headers
                .iter()
                .filter(|(name, _)| *name == "x-amz-security-token");
            let (token, second) = (tokens.next(), tokens.next());
            let (_, token) = token.filter(|_| second.is_none())?;
            std::str::from_utf8(token).ok().map(|token| token.trim().to_owned())
        }
        Form::Presigned => {
            let parameters: Vec<_> = crate::own_api::query::pairs(request.query).collect();
            let token = parameters.into_iter().find(|(name, _)| name == "X-Amz-Security-Token");
            token.map(|(_, token)| token)
        }
    }
}

pub(crate) fn expired_token() -> AwsError {
    let message = "The security token included in the request is expired";
    AwsError::with_status(403, "ExpiredToken", message)
}

pub(crate) fn invalid_token() -> AwsError {
    let message = "The security token included in the request is invalid.";
    AwsError::with_status(403, "InvalidClientTokenId", message)
}

fn refused(refused: &Refused) -> AwsError {
    let (status, code) = refused.code();
    AwsError::with_status(status, code, refused.to_string())
}
