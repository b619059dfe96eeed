//! CloudWatch's errors. Each has two names: that of its shape, and the one that the query protocol has always had.

use crate::aws::json::shown;

/// Which error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    InvalidValue,
    Missing,
    Combination,
    NextToken,
    /// `GetMetricData` says so of everything that is wrong with its queries.
    Validation,
    Serialization,
    UnknownOperation,
    NotBuilt,
    Throttling,
    Denied,
    Internal,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Kind {
    /// The shape, the code of the query protocol, and the status. Source: CloudWatch's model, `awsQueryError`.
    pub(super) fn names(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidValue => ("InvalidParameterValueException", "InvalidParameterValue", 400),
            Self::Missing => ("MissingRequiredParameterException", "MissingParameter", 400),
            Self::Combination => (
                "InvalidParameterCombinationException",
                "InvalidParameterCombination",
                400,
            ),
            Self::NextToken => ("InvalidNextToken", "InvalidNextToken", 400),
            Self::Validation => ("ValidationError", "ValidationError", 400),
            Self::Serialization => ("SerializationException", "MalformedQueryString", 400),
            Self::UnknownOperation => ("UnknownOperationException", "InvalidAction", 400),
            Self::NotBuilt => ("NotImplementedException", "NotImplemented", 501),
            Self::Throttling => ("ThrottlingException", "Throttling", 400),
            Self::Denied => ("AccessDenied", "AccessDenied", 403),
            Self::Internal => ("InternalServiceFault", "InternalServiceError", 500),
        }
    }
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A parameter with a value that it may not have.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidValue, message)
    }

    pub(super) fn missing(name: &str) -> Self {
        let message = format!("The parameter {name} is required.");
        Self::new(Kind::Missing, message)
    }

    /// AWS has it, albacore does not.
    pub(super) fn not_built(message: impl Into<String>) -> Self {
        Self::new(Kind::NotBuilt, message)
    }

    pub(super) fn unknown_operation(name: &str) -> Self {
        let message = format!("Could not find operation {} for version 2010-08-01", shown(name));
        Self::new(Kind::UnknownOperation, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The same, as an operation says it that has one error for all that is wrong with its input.
    pub(super) fn into_validation(self) -> Self {
        match self.kind {
            Kind::InvalidValue | Kind::Missing | Kind::Combination => Self {
                kind: Kind::Validation,
                ..self
            },
            _ => self,
        }
    }
}
