//! What becomes of asynchronous invocations of a function. Source: Lambda 5.9, 8.12.

use crate::arn::FunctionArn;
use crate::bucket::{BucketArn, InvalidBucketArn};
use crate::ids::{Owner, Timestamp};
use rpds::RedBlackTreeMapSync as Map;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// The qualifier of the code as it is now.
pub const LATEST: &str = "$LATEST";

/// A function as it is invoked: its ARN with a version or an alias, which is `$LATEST` where a caller names none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedArn(Arc<str>);

/// Not the ARN of a function with a qualifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a function with a version or an alias")]
pub struct InvalidQualifiedArn(String);

impl QualifiedArn {
    /// `None` is what the ARN names, or `$LATEST`. A qualifier is `$LATEST`, or 1 to 128 letters, digits, hyphens and underscores.
    ///
    /// # Errors
    /// It is no qualifier.
    pub fn new(function: &FunctionArn, qualifier: Option<&str>) -> Result<Self, InvalidQualifiedArn> {
        let qualifier = qualifier.or(function.qualifier()).unwrap_or(LATEST);
        let text = format!("{}:{qualifier}", function.unqualified());
        match is_qualifier(qualifier) {
            true => Ok(Self(text.into())),
            false => Err(InvalidQualifiedArn(text)),
        }
    }

    /// The function as its code is now.
    pub fn latest(function: &FunctionArn) -> Self {
        Self(format!("{}:{LATEST}", function.unqualified()).into())
    }

    /// As an invocation names it: without `$LATEST`.
    pub fn invoked(&self) -> FunctionArn {
        match self.is_latest() {
            true => self.function(),
            false => self.function().qualified(self.qualifier()),
        }
    }

    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The function without the qualifier.
    pub fn function(&self) -> FunctionArn {
        let (function, _) = self.parts();
        // It was made from one.
        FunctionArn::try_from(function).expect("a qualified ARN begins with the ARN of a function")
    }

    /// The version or alias.
    pub fn qualifier(&self) -> &str {
        self.parts().1
    }

    /// Whether the code as it is now is meant.
    pub fn is_latest(&self) -> bool {
        self.qualifier() == LATEST
    }

    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once(':').unwrap_or((&self.0, LATEST))
    }

    /// What the ARNs of everything that belongs to `function` begin with.
    pub(crate) fn prefix(function: &FunctionArn) -> String {
        format!("{function}:")
    }
}

fn is_qualifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text == LATEST || ((1..=128).contains(&text.len()) && text.bytes().all(allowed))
}

impl TryFrom<&str> for QualifiedArn {
    type Error = InvalidQualifiedArn;

    fn try_from(text: &str) -> Result<Self, InvalidQualifiedArn> {
        let invalid = || InvalidQualifiedArn(text.to_owned());
        let (function, qualifier) = text.rsplit_once(':').ok_or_else(invalid)?;
        let function = FunctionArn::try_from(function)
            .ok()
            .filter(|it| it.qualifier().is_none());
        let function = function.ok_or_else(invalid)?;
        Self::new(&function, Some(qualifier))
    }
}

impl fmt::Display for QualifiedArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for QualifiedArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for QualifiedArn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A configuration that was put in place or taken away.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It was made or changed.
    Put(Arc<EventInvokeConfig>),
    /// It is gone.
    Delete(QualifiedArn),
}

/// Every configuration there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventInvokes(Map<QualifiedArn, Arc<EventInvokeConfig>>);

impl EventInvokes {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(it) => self.0.insert_mut(it.function.clone(), it.clone()),
            Change::Delete(function) => {
                self.0.remove_mut(function);
            }
        }
    }

    /// The function is gone, and what belongs to it.
    pub(crate) fn forget(&mut self, function: &FunctionArn) {
        let gone: Vec<QualifiedArn> = self.of_all(function).map(|it| it.function.clone()).collect();
        for config in gone {
            self.0.remove_mut(&config);
        }
    }

    /// That of a version or an alias.
    pub fn of(&self, function: &QualifiedArn) -> Option<&Arc<EventInvokeConfig>> {
        self.0.get(function)
    }

    /// Those of all versions and aliases of a function, by qualifier.
    pub fn of_all(&self, function: &FunctionArn) -> impl Iterator<Item = &Arc<EventInvokeConfig>> {
        let prefix = QualifiedArn::prefix(function);
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let found: Vec<_> = self
            .0
            .range::<str, _>(from)
            .take_while(|(key, _)| key.as_str().starts_with(&prefix))
            .map(|(_, config)| config)
            .collect();
        found.into_iter()
    }

    /// All of them, by ARN.
    pub fn all(&self) -> impl Iterator<Item = &Arc<EventInvokeConfig>> {
        self.0.values()
    }
}

/// `FunctionEventInvokeConfig`: at most one for each version and alias. Those of `$LATEST` are not inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventInvokeConfig {
    /// Whose it is.
    pub function: QualifiedArn,
    /// How often and how long is tried, and where the outcome goes.
    pub settings: Settings,
    /// `LastModified`.
    pub last_modified: Timestamp,
    /// Who may change it.
    pub owner: Owner,
}

/// How often and how long is tried, and where the outcome goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `MaximumRetryAttempts`. `None`: 2.
    pub maximum_retry_attempts: Option<MaximumRetryAttempts>,
    /// `MaximumEventAgeInSeconds`. `None`: 21,600.
    pub maximum_event_age: Option<MaximumEventAge>,
    /// Where a record of each success goes.
    pub on_success: Option<Destination>,
    /// Where a record of each event goes that is given up.
    pub on_failure: Option<FailureDestination>,
}

impl Settings {
    /// Whether nothing is set, which AWS refuses.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How often an event is tried again after a function error.
    pub fn retry_attempts(&self) -> u32 {
        self.maximum_retry_attempts.unwrap_or_default().0.into()
    }

    /// How long an event is tried.
    pub fn event_age(&self) -> Duration {
        Duration::from_secs(self.maximum_event_age.unwrap_or_default().0.into())
    }

    /// The functions among the destinations.
    pub fn functions(&self) -> impl Iterator<Item = &Destination> {
        let on_failure = self.on_failure.as_ref().and_then(FailureDestination::function);
        self.on_success.iter().chain(on_failure)
    }

    /// The bucket among them.
    pub fn bucket(&self) -> Option<&BucketArn> {
        self.on_failure.as_ref().and_then(FailureDestination::bucket)
    }
}

/// How often an event is tried again after a function error: 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximumRetryAttempts(u8);

/// How long an event is tried: 60 to 21,600 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximumEventAge(u16);

/// Out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// Of retries.
    #[error("maximum retry attempts of {0} are not 0 to 2")]
    RetryAttempts(i64),
    /// Of the age.
    #[error("a maximum event age of {0} seconds is not between 60 and 21600")]
    EventAge(i64),
}

impl Default for MaximumRetryAttempts {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<i64> for MaximumRetryAttempts {
    type Error = InvalidSetting;

    fn try_from(number: i64) -> Result<Self, InvalidSetting> {
        match u8::try_from(number) {
            Ok(attempts @ 0..=2) => Ok(Self(attempts)),
            _ => Err(InvalidSetting::RetryAttempts(number)),
        }
    }
}

impl MaximumRetryAttempts {
    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Default for MaximumEventAge {
    fn default() -> Self {
        Self(21_600)
    }
}

impl TryFrom<i64> for MaximumEventAge {
    type Error = InvalidSetting;

    fn try_from(seconds: i64) -> Result<Self, InvalidSetting> {
        match u16::try_from(seconds) {
            Ok(age @ 60..=21_600) => Ok(Self(age)),
            _ => Err(InvalidSetting::EventAge(seconds)),
        }
    }
}

impl MaximumEventAge {
    /// In seconds.
    pub fn seconds(self) -> u16 {
        self.0
    }
}

/// Where the record of an outcome goes: another function, invoked asynchronously with the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The function.
    pub function: FunctionArn,
    /// Its version or alias, if the caller named one.
    pub qualifier: Option<Arc<str>>,
}

impl Destination {
    /// A function as its code is now.
    pub fn latest(function: FunctionArn) -> Self {
        Self {
            function,
            qualifier: None,
        }
    }

    /// What is invoked.
    pub fn invoked(&self) -> QualifiedArn {
        QualifiedArn::new(&self.function, self.qualifier.as_deref())
            .unwrap_or_else(|_| QualifiedArn::latest(&self.function))
    }
}

impl TryFrom<&str> for Destination {
    type Error = InvalidQualifiedArn;

    fn try_from(text: &str) -> Result<Self, InvalidQualifiedArn> {
        if let Ok(function) = FunctionArn::try_from(text)
            && function.qualifier().is_none()
        {
            return Ok(Self::latest(function));
        }
        let qualified = QualifiedArn::try_from(text)?;
        Ok(Self {
            function: qualified.function(),
            qualifier: Some(qualified.qualifier().into()),
        })
    }
}

impl fmt::Display for Destination {
    /// As the caller named it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.qualifier {
            None => write!(formatter, "{}", self.function),
            Some(qualifier) => write!(formatter, "{}:{qualifier}", self.function),
        }
    }
}

/// Where the record of a failure goes.
#[derive(Clone, PartialEq, Eq)]
pub enum FailureDestination {
    /// Another function.
    Function(Destination),
    /// A bucket, in which it becomes an object.
    Bucket(BucketArn),
}

/// Neither the ARN of a function nor that of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFailureDestination {
    /// Of a function, as it looks.
    #[error(transparent)]
    Function(InvalidQualifiedArn),
    /// Of a bucket, as it looks.
    #[error(transparent)]
    Bucket(InvalidBucketArn),
}

impl FailureDestination {
    /// The function, if it is one.
    pub fn function(&self) -> Option<&Destination> {
        match self {
            Self::Function(function) => Some(function),
            Self::Bucket(_) => None,
        }
    }

    /// The bucket, if it is one.
    pub fn bucket(&self) -> Option<&BucketArn> {
        match self {
            Self::Function(_) => None,
            Self::Bucket(bucket) => Some(bucket),
        }
    }
}

impl TryFrom<&str> for FailureDestination {
    type Error = InvalidFailureDestination;

    fn try_from(text: &str) -> Result<Self, InvalidFailureDestination> {
        match text.split(':').nth(2) {
            Some("s3") => BucketArn::try_from(text)
                .map(Self::Bucket)
                .map_err(InvalidFailureDestination::Bucket),
            _ => Destination::try_from(text)
                .map(Self::Function)
                .map_err(InvalidFailureDestination::Function),
        }
    }
}

impl fmt::Display for FailureDestination {
    /// As the caller named it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => fmt::Display::fmt(function, formatter),
            Self::Bucket(bucket) => fmt::Display::fmt(bucket, formatter),
        }
    }
}

impl fmt::Debug for FailureDestination {
    /// As what it is: a function looks as it does on success.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => fmt::Debug::fmt(function, formatter),
            Self::Bucket(bucket) => fmt::Debug::fmt(bucket, formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders";

    #[test]
    fn a_qualified_arn_has_two_parts() {
        let function = FunctionArn::try_from(ARN).unwrap();
        let latest = QualifiedArn::latest(&function);
        assert_eq!(latest.as_str(), format!("{ARN}:$LATEST"));
        assert_eq!(QualifiedArn::new(&function, None), Ok(latest.clone()));
        for qualifier in ["7", "live", LATEST] {
            let qualified = QualifiedArn::try_from(format!("{ARN}:{qualifier}").as_str()).unwrap();
            assert_eq!(
                (qualified.function(), qualified.qualifier()),
                (function.clone(), qualifier)
            );
            assert_eq!(qualified.is_latest(), qualifier == LATEST);
        }
        for bad in [
            "",
            ARN,
            "orders:1",
            &format!("{ARN}:"),
            &format!("{ARN}:a b"),
            &format!("{ARN}:$OTHER"),
        ] {
            assert!(QualifiedArn::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_destination_is_written_as_it_was_named() {
        for text in [ARN.to_owned(), format!("{ARN}:live"), format!("{ARN}:$LATEST")] {
            assert_eq!(Destination::try_from(text.as_str()).unwrap().to_string(), text);
        }
        let destination = Destination::try_from(ARN).unwrap();
        assert_eq!(destination.invoked().as_str(), format!("{ARN}:$LATEST"));
        for other in ["arn:aws:sqs:eu-west-1:111122223333:q", "arn:aws:s3:::dead"] {
            assert!(Destination::try_from(other).is_err(), "{other}");
        }
    }

    #[test]
    fn failures_go_to_a_function_or_into_a_bucket() {
        let to = |text: &str| FailureDestination::try_from(text);
        let function = to(&format!("{ARN}:live")).unwrap();
        assert_eq!(
            (function.function(), function.bucket()),
            (
                Destination::try_from(format!("{ARN}:live").as_str()).ok().as_ref(),
                None
            )
        );
        let bucket = to("arn:aws:s3:::dead").unwrap();
        assert_eq!(bucket.function(), None);
        assert_eq!(bucket.bucket().map(BucketArn::name), Some("dead"));
        assert_eq!(bucket.to_string(), "arn:aws:s3:::dead");
        assert!(matches!(
            to("arn:aws:s3:::../etc"),
            Err(InvalidFailureDestination::Bucket(_))
        ));
        assert!(matches!(
            to("arn:aws:sqs:eu-west-1:111122223333:q"),
            Err(InvalidFailureDestination::Function(_))
        ));
        let settings = Settings {
            on_success: function.function().cloned(),
            on_failure: Some(bucket),
            ..Settings::default()
        };
        assert_eq!(settings.functions().count(), 1);
        assert_eq!(settings.bucket().map(BucketArn::name), Some("dead"));
    }

    #[test]
    fn numbers_have_ranges_and_defaults() {
        for good in [0, 2] {
            assert!(MaximumRetryAttempts::try_from(good).is_ok());
        }
        for bad in [-1, 3, 256] {
            assert_eq!(
                MaximumRetryAttempts::try_from(bad),
                Err(InvalidSetting::RetryAttempts(bad))
            );
        }
        for good in [60, 21_600] {
            assert!(MaximumEventAge::try_from(good).is_ok());
        }
        for bad in [-1, 59, 21_601, 65_536 + 60] {
            assert_eq!(MaximumEventAge::try_from(bad), Err(InvalidSetting::EventAge(bad)));
        }
        let settings = Settings::default();
        assert!(settings.is_empty());
        assert_eq!((settings.retry_attempts(), settings.event_age().as_secs()), (2, 21_600));
    }
}
