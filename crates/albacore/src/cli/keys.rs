//! Who may call the AWS API.

use super::values;
use clap::Args;
use model::Secret;

/// The key that callers of the AWS API sign with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sockets")]
pub(crate) struct Keys {
    /// The id of the one key that calls of the AWS API are signed with. Without it calls must be signed with any key, and
    /// signatures are not verified
    #[arg(long, value_name = "ID", value_parser = values::access_key, requires = "secret_key")]
    #[arg(env = "ALBACORE_ACCESS_KEY")]
    pub(crate) access_key: Option<String>,
    /// The secret of that key. Command lines are no secrets: the variable is the better place
    #[arg(long, value_name = "SECRET", value_parser = values::secret_key, requires = "access_key")]
    #[arg(env = "ALBACORE_SECRET_KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<Secret<String>>,
}

impl Keys {
    /// Whether signatures are verified.
    pub(crate) fn are_given(&self) -> bool {
        self.access_key.is_some()
    }

    pub(super) fn credentials(&self) -> Option<control::Credentials> {
        let (access_key, secret_key) = self.access_key.clone().zip(self.secret_key.clone())?;
        Some(control::Credentials { access_key, secret_key })
    }
}
