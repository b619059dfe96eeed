//! What can be said about a state without threads, sockets or traffic: for `albacore check` and `albacore explain`.

use crate::balance::Groups;
use crate::explain::{self, ExplainError, Explanation, Question};
use crate::metrics::Metrics;
use crate::table::{self, Kept, Table, TableError};
use crate::tls::{TlsError, TlsShared};
use model::State;
use std::time::Instant;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The state does not compile.
    #[error(transparent)]
    Table(#[from] TableError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The question has no answer.
    #[error(transparent)]
    Explain(#[from] ExplainError),
}

/// Finds out whether a state could be served, but for its ports being free.
///
/// # Errors
/// What does not compile, as when the state were applied.
pub fn check_state(state: &State) -> Result<(), AloneError> {
    compile(state).map(drop)
}

/// What would happen to a request if this state were served, every listener on its own port. What a stickiness cookie says only the
/// proxy knows that made it.
///
/// # Errors
/// See [`AloneError`].
pub fn explain_state(state: &State, question: &Question) -> Result<Explanation, AloneError> {
    let groups = Groups::new(1);
    groups.follow(state, &table::users(state), Instant::now());
    groups.check_followed();
    let table = compile_with(state, &groups)?;
    Ok(explain::explain(
        &table,
        question,
        |port| port,
        None,
        getrandom::u64().unwrap_or_default(),
    )?)
}

fn compile(state: &State) -> Result<Table, AloneError> {
    compile_with(state, &Groups::default())
}

fn compile_with(state: &State, groups: &Groups) -> Result<Table, AloneError> {
    Ok(Table::compile(
        state,
        &Metrics::new(1),
        groups,
        &TlsShared::new()?,
        None,
        &Kept::default(),
    )?)
}
