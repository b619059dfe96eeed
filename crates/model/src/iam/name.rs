//! Names, paths and ids of IAM. Source: IAM "identifiers".

use crate::ids::AccountId;
use std::fmt;
use std::sync::Arc;

/// What something is found by: its account and its name, which differ in more than case. Roles, users, groups and policies
/// have names of their own each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A name in an account, as it was written, with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    account: AccountId,
    name: Arc<str>,
    key: Key,
}

impl Name {
    /// A name in an account.
    pub fn new(account: &AccountId, name: &str) -> Self {
        Self {
            account: account.clone(),
            name: name.into(),
            key: Key::new(account, name),
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// As it was written.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it is found by.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// The text is no [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an account, a slash and a name in lower case")]
pub struct InvalidKey(String);

impl Key {
    /// The key of a name.
    pub fn new(account: &AccountId, name: &str) -> Self {
        Self(format!("{account}/{}", name.to_ascii_lowercase()).into())
    }

    /// `000000000000/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Key {
    type Error = InvalidKey;

    fn try_from(text: &str) -> Result<Self, InvalidKey> {
        let invalid = || InvalidKey(text.chars().take(200).collect());
        let (account, name) = text.split_once('/').ok_or_else(invalid)?;
        let account = AccountId::try_from(account).map_err(|_| invalid())?;
        let key = Self::new(&account, name);
        match is_name(name, 128) && key.as_str() == text {
            true => Ok(key),
            false => Err(invalid()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a text may be a name: letters, digits and `+=,.@_-`.
pub fn is_name(text: &str, chars_max: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (1..=chars_max).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a text may be a path: `/`, or anything printable between two slashes.
pub fn is_path(text: &str) -> bool {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    text.len() <= 512 && printable && text.starts_with('/') && text.ends_with('/')
}

/// Unique ids and key ids: a prefix that says what it is, and as many letters and digits as the kind has.
pub fn unique_id(prefix: &str, chars: usize, random: u128) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letter = |at: usize| char::from(ALPHABET[usize::try_from(random >> (5 * at) & 31).unwrap_or(0)]);
    prefix.chars().chain((0..chars.min(25)).map(letter)).collect()
}

/// The id of an access key. Its last four characters follow from the others, so that keys that were made here are told
/// from others even when they are gone.
pub fn access_key_id(prefix: &str, random: u128) -> String {
    let id = unique_id(prefix, 12, random);
    let check = check(&id);
    id + &check
}

/// Whether [`access_key_id`] made an id.
pub fn is_access_key_id(id: &str) -> bool {
    id.is_ascii()
        && id.len() == 20
        && (id.starts_with("AKIA") || id.starts_with("ASIA"))
        && check(&id[..16]) == id[16..]
}

fn check(id: &str) -> String {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    unique_id("", 4, u128::from(hash >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_no_case() {
        let account = AccountId::try_from("111122223333").unwrap();
        let key = Key::new(&account, "Admin.One");
        assert_eq!(key.as_str(), "111122223333/admin.one");
        assert_eq!(Key::try_from(key.as_str()), Ok(key));
        for bad in [
            "",
            "/a",
            "111122223333",
            "111122223333/",
            "111122223333/A",
            "1/a",
            "111122223333/a b",
        ] {
            assert!(Key::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_between_slashes() {
        for good in ["/", "/a/", "/service-role/a/"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "a", "/a", "a/", "/a b/", "/é/"] {
            assert!(!is_path(bad), "{bad}");
        }
    }

    #[test]
    fn ids_have_the_alphabet_of_aws() {
        assert_eq!(unique_id("AIDA", 17, 0), format!("AIDA{}", "A".repeat(17)));
        let made = access_key_id("AKIA", 12_345_678_901_234_567_890);
        assert!(is_access_key_id(&made), "{made}");
        for other in ["AKIAIOSFODNN7EXAMPLE", "test", "", "AKIAé23456789012345"] {
            assert!(!is_access_key_id(other), "{other}");
        }
        let id = unique_id("AROA", 17, u128::MAX);
        assert_eq!(id, format!("AROA{}", "7".repeat(17)));
    }
}
