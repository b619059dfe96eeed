//! What one run of an environment calls with: credentials of its function's role, for as long as the run lasts.

use super::{BODY_BYTES_MAX, CALLS_PER_ENVIRONMENT_MAX, CONNECTIONS_MAX, recursion};
use crate::aws::error::AwsError;
use crate::aws::session::{self, Of, Session};
use crate::aws::sign_in::{Who, expired_token, invalid_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invoke::{DoorCredentials, NoDoor};
use model::iam::document::Use;
use model::iam::evaluate::Context;
use model::iam::name::{Name, access_key_id};
use model::iam::{Document, Identity, Role};
use model::lambda::function::{AwsApi, Function};
use model::{AccountId, FunctionArn, Secret, State, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Who runs functions.
const LAMBDA: &str = "lambda.amazonaws.com";
/// The policy of a role that is not there: nobody may assume it, because the account of the service is no account.
const NOBODY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
/// The unique id of such a role.
const NO_ID: &str = "AROAAAAAAAAAAAAAAAAAA";

/// One run's credentials, and what it may take.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The function, or its version.
    function: FunctionArn,
    pub(super) credentials: DoorCredentials,
    session: Arc<Session>,
    /// The run is over.
    pub(super) closed: CancellationToken,
    pub(super) places: Arc<Semaphore>,
    pub(super) bytes: Semaphore,
    pub(super) calls: Semaphore,
    /// Of the invocation that runs: the functions before it in its chain.
    lineage: Mutex<Option<Arc<str>>>,
    has_lineage: AtomicBool,
}

impl Pass {
    pub(super) fn new(function: &Function) -> Result<Self, NoDoor> {
        let mut random = [0; 112];
        getrandom::fill(&mut random).map_err(|_| NoDoor)?;
        let (id, token) = random.split_at(16);
        let id = id.iter().fold(0, |id: u128, byte| id << 8 | u128::from(*byte));
        let credentials = DoorCredentials {
            access_key: access_key_id("ASIA", id),
            secret_key: session::secret().map_err(|_| NoDoor)?,
            session_token: Secret::new(URL_SAFE_NO_PAD.encode(token)),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let session = Session {
            access_key: credentials.access_key.clone(),
            secret: credentials.secret_key.clone(),
            // Whose it is is looked up for every call: a function may get another role.
            of: Of::Root,
            name: function.name.as_str().to_owned(),
            issued_secs: now.as_secs(),
            // Until the run is over.
            expires_secs: u64::MAX,
            policy: None,
            policy_arns: Vec::new(),
        };
        Ok(Self {
            function: function.arn.clone(),
            credentials,
            session: Arc::new(session),
            closed: CancellationToken::new(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            bytes: Semaphore::new(BODY_BYTES_MAX as usize),
            calls: Semaphore::new(CALLS_PER_ENVIRONMENT_MAX),
            lineage: Mutex::default(),
            has_lineage: AtomicBool::new(false),
        })
    }

    /// Whether this is the id of its key.
    pub(crate) fn has_key(&self, id: &str) -> bool {
        self.credentials.access_key == id
    }

    /// Who calls with its key. `check` verifies the signature.
    pub(crate) fn who(
        &self,
        token: Option<&str>,
        state: &State,
        account: &AccountId,
        check: impl FnOnce(&str) -> Result<(), AwsError>,
    ) -> Result<Who, AwsError> {
        check(self.credentials.secret_key.expose())?;
        if token != Some(self.credentials.session_token.expose().as_str()) {
            return Err(invalid_token());
        }
        if self.closed.is_cancelled() {
            return Err(expired_token());
        }
        let role = role(&self.function, state, account).ok_or_else(invalid_token)?;
        Ok(Who::Role(role, self.session.clone()))
    }

    /// The function, without a version.
    pub(crate) fn function(&self) -> FunctionArn {
        self.function.unqualified()
    }

    pub(super) fn runs(&self, trace_id: Option<&str>) {
        let lineage = trace_id.and_then(recursion::lineage_of);
        // As a rule there never is one, and then this is all.
        if lineage.is_none() && !self.has_lineage.load(Ordering::Relaxed) {
            return;
        }
        self.has_lineage.store(lineage.is_some(), Ordering::Relaxed);
        *self.lineage.lock().unwrap_or_else(PoisonError::into_inner) = lineage.map(Arc::from);
    }

    /// Of the invocation that runs.
    pub(crate) fn lineage(&self) -> Option<Arc<str>> {
        self.lineage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The role that a function has now: the one it was given, by the API or the manifest, or if nobody gave it one, the one by
/// its own name. One that is
/// not there, or does not trust Lambda with this function, allows nothing. Source: Lambda 3.2.
fn role(function: &FunctionArn, state: &State, account: &AccountId) -> Option<Arc<Role>> {
    let lambda = state.lambda();
    let given = match lambda.version(function) {
        Some(version) => Some(&version.about.role),
        None => lambda.record(function).map(|record| &record.about.role),
    };
    let said = state.function(function).map(|it| &it.configuration.aws_api);
    let arn = match (given, said) {
        (Some(role), _) | (None, Some(AwsApi::Role(role))) => role.as_str().to_owned(),
        (None, Some(AwsApi::OwnRole | AwsApi::None) | None) => {
            format!("arn:aws:iam::{account}:role/{}", function.name())
        }
    };
    let mut context = Context::default();
    context.put("aws:SourceAccount", account.to_string());
    context.put("aws:SourceArn", function.unqualified().as_str());
    let iam = state.iam();
    match iam.may_assume(LAMBDA, &arn, &context) {
        Some(true) => iam.role_with_arn(&arn).cloned(),
        Some(false) | None => powerless(&arn, account).map(Arc::new),
    }
}

/// A role by this name that allows nothing.
fn powerless(arn: &str, account: &AccountId) -> Option<Role> {
    let (_, name) = arn.rsplit_once('/')?;
    let name = Name::new(account, name);
    Some(Role {
        identity: Identity::new(name, "/".into(), NO_ID.into(), Timestamp(0)),
        description: None,
        max_session_secs: 3600,
        trust: Document::read(NOBODY, Use::Trust).ok()?,
    })
}
