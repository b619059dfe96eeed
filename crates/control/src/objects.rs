//! Objects that AWS's APIs take from S3, and buckets that they name: a folder that the process was given.

use crate::aws::access::{self, Wish};
use crate::aws::error::AwsError;
use crate::aws::sign_in::Caller;
use model::{Scope, State};
use std::path::PathBuf;
use std::sync::Arc;
use store::objects::{ObjectDirectory, ObjectError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that may have objects in memory at once; more wait.
const READERS_MAX: usize = 2;

/// Why a bucket that a call names cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoBucket {
    /// There is none of that name, or what is there is none.
    Missing,
    /// There are no buckets.
    NoRoot,
}

/// What calls read objects from.
#[derive(Clone, Debug)]
pub struct Objects {
    directory: Option<ObjectDirectory>,
    turns: Arc<Semaphore>,
}

/// An object that a call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Objects here have no versions, so one that is named does not exist.
    pub(crate) version: Option<String>,
}

/// Why there is no object: S3's code, and S3's message with what people can do here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Objects {
    /// Objects in the buckets of a folder. Without a folder there are no buckets.
    pub fn new(root: Option<PathBuf>) -> Self {
        Self {
            directory: root.map(ObjectDirectory::new),
            turns: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// Waits until one may have objects in memory, which it may until this is dropped.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    /// Whether there is such a bucket. Blocks.
    pub(crate) fn check_bucket(&self, bucket: &str) -> Result<(), NoBucket> {
        let directory = self.directory.as_ref().ok_or(NoBucket::NoRoot)?;
        directory.has_bucket(bucket).map_err(|error| {
            if let ObjectError::Failed(error) = error {
                tracing::warn!(%error, bucket, "a bucket in the folder of --s3-root cannot be opened");
            }
            NoBucket::Missing
        })
    }

    /// The bytes of an object. Blocks.
    pub(crate) fn read(&self, address: &Address, bytes_max: usize) -> Result<Vec<u8>, Missing> {
        let missing = |code, message: &str| Missing {
            code,
            message: message.to_owned(),
        };
        let Some(directory) = &self.directory else {
            return Err(missing(
                "NoSuchBucket",
                "The specified bucket does not exist: buckets are folders in the one given with --s3-root, and none is given",
            ));
        };
        if address.version.is_some() {
            return Err(missing(
                "NoSuchVersion",
                "The specified version does not exist: objects in the folder of --s3-root have no versions",
            ));
        }
        let error = match directory.read(&address.bucket, &address.key, bytes_max) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        Err(match error {
            ObjectError::NoSuchBucket => missing("NoSuchBucket", "The specified bucket does not exist"),
            ObjectError::NoSuchKey => missing("NoSuchKey", "The specified key does not exist."),
            ObjectError::TooLarge { bytes_max } => Missing {
                code: "EntityTooLarge",
                message: format!("The object is over {bytes_max} bytes"),
            },
            ObjectError::Failed(error) | ObjectError::Unwritten(error) => {
                tracing::warn!(%error, bucket = address.bucket, "an object in the folder of --s3-root cannot be read");
                missing("AccessDenied", "The object cannot be read by albacore")
            }
        })
    }
}

impl Address {
    /// Lets callers through that may read the object.
    pub(crate) fn check(&self, state: &State, scope: &Scope, caller: &Caller) -> Result<(), AwsError> {
        let Self { bucket, key, .. } = self;
        let wish = Wish {
            action: "s3:GetObject",
            resources: &[format!("arn:{}:s3:::{bucket}/{key}", scope.partition())],
            facts: &[],
        };
        access::check(state.iam(), &scope.account, caller, &wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_in_the_words_of_s3() {
        let folder = std::env::temp_dir().join(format!("albacore-control-objects-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("code")).unwrap();
        std::fs::write(folder.join("code/a"), "12345").unwrap();
        let objects = Objects::new(Some(folder.clone()));
        let address = |bucket: &str, key: &str, version: Option<&str>| Address {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        };
        let code = |address: &Address, bytes_max| objects.read(address, bytes_max).map_err(|it| it.code);
        assert_eq!(code(&address("code", "a", None), 5), Ok(b"12345".to_vec()));
        assert_eq!(code(&address("code", "a", None), 4), Err("EntityTooLarge"));
        assert_eq!(code(&address("code", "b", None), 5), Err("NoSuchKey"));
        assert_eq!(code(&address("none", "a", None), 5), Err("NoSuchBucket"));
        assert_eq!(code(&address("code", "a", Some("1")), 5), Err("NoSuchVersion"));
        assert_eq!(objects.check_bucket("code"), Ok(()));
        for none in ["none", "code/a", "..", ""] {
            assert_eq!(objects.check_bucket(none), Err(NoBucket::Missing), "{none:?}");
        }
        assert_eq!(Objects::new(None).check_bucket("code"), Err(NoBucket::NoRoot));
        std::fs::remove_dir_all(folder).unwrap();
        let none = Objects::new(None).read(&address("code", "a", None), 5).unwrap_err();
        assert!(
            none.code == "NoSuchBucket" && none.message.contains("--s3-root"),
            "{none:?}"
        );
    }
}
