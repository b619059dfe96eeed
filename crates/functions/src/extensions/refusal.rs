//! Why a call of the Extensions API is refused, in Lambda's words. Source: Lambda 4.5.

use super::EXTENSIONS_MAX;
use std::borrow::Cow;

/// All are answered with 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionRefusal {
    EmptyName,
    /// The body, for this reason.
    Format(String),
    /// An event that does not exist, or not for this extension.
    EventType(String),
    Transition {
        name: String,
        from: &'static str,
        to: &'static str,
    },
    NameTaken,
    Closed,
    TooMany,
    MissingIdentifier,
    InvalidIdentifier,
    UnknownIdentifier(String),
    MissingErrorType,
}

impl ExtensionRefusal {
    /// `errorType` and `errorMessage`.
    pub(crate) fn parts(&self) -> (&'static str, Cow<'_, str>) {
        match self {
            Self::EmptyName => ("Extension.InvalidExtensionName", "Empty extension name".into()),
            Self::Format(reason) => ("InvalidRequestFormat", reason.into()),
            Self::EventType(event) => (
                "Extension.InvalidEventType",
                format!("{event}: this extension cannot subscribe to it").into(),
            ),
            Self::Transition { name, from, to } => (
                "Extension.InvalidExtensionState",
                format!(
                    "State transition from {from} to {to} failed for extension {name}. Error: State transition is not \
                     allowed"
                )
                .into(),
            ),
            Self::NameTaken => (
                "Extension.InvalidExtensionState",
                "Extension with this name already registered".into(),
            ),
            Self::Closed => (
                "Extension.RegistrationClosed",
                "Extension registration closed already".into(),
            ),
            Self::TooMany => (
                "Extension.TooManyExtensions",
                format!("Extension limit ({EXTENSIONS_MAX}) reached").into(),
            ),
            Self::MissingIdentifier => (
                "Extension.MissingExtensionIdentifier",
                "Missing Lambda-Extension-Identifier header".into(),
            ),
            Self::InvalidIdentifier => (
                "Extension.InvalidExtensionIdentifier",
                "Invalid Lambda-Extension-Identifier".into(),
            ),
            Self::UnknownIdentifier(identifier) => (
                "Extension.UnknownExtensionIdentifier",
                format!("Unknown extension {identifier}").into(),
            ),
            Self::MissingErrorType => (
                "Extension.MissingHeader",
                "Lambda-Extension-Function-Error-Type not found".into(),
            ),
        }
    }
}
