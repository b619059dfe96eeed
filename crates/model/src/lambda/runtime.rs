//! Runtime identifiers. Source: Lambda 1.8.

use std::fmt;

/// A runtime that albacore can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `provided.al2023`: an executable named `bootstrap` that speaks the Runtime API itself.
    ProvidedAl2023,
    /// `provided.al2`: the same.
    ProvidedAl2,
    /// `python3.*`.
    Python(PythonVersion),
    /// `nodejs*`.
    Nodejs(NodejsVersion),
    /// `java*`.
    Java(JavaVersion),
    /// `ruby*`.
    Ruby(RubyVersion),
    /// `dotnet*`.
    Dotnet(DotnetVersion),
}

/// A minor version of Python 3 that has a runtime identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PythonVersion(u8);

impl PythonVersion {
    /// 12 for `python3.12`.
    pub fn minor(self) -> u8 {
        self.0
    }
}

/// A major version of Node.js that has a runtime identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodejsVersion(u8);

impl NodejsVersion {
    /// 22 for `nodejs22.x`.
    pub fn major(self) -> u8 {
        self.0
    }
}

/// A feature version of Java that has a runtime identifier, or two: some have one more for a newer system of AWS's, which
/// makes no difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JavaVersion {
    feature: u8,
    is_named_al2023: bool,
}

impl JavaVersion {
    const fn new(feature: u8) -> Self {
        Self {
            feature,
            is_named_al2023: false,
        }
    }

    const fn named_al2023(feature: u8) -> Self {
        Self {
            feature,
            is_named_al2023: true,
        }
    }

    /// 21 for `java21`, 8 for `java8.al2` and `java8.al2023`.
    pub fn feature(self) -> u8 {
        self.feature
    }
}

/// A version of Ruby that has a runtime identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RubyVersion {
    major: u8,
    minor: u8,
}

impl RubyVersion {
    /// 3 for `ruby3.4`.
    pub fn major(self) -> u8 {
        self.major
    }

    /// 4 for `ruby3.4`.
    pub fn minor(self) -> u8 {
        self.minor
    }
}

/// A major version of .NET that has a runtime identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DotnetVersion(u8);

impl DotnetVersion {
    /// 8 for `dotnet8`.
    pub fn major(self) -> u8 {
        self.0
    }
}

/// Every identifier of the API model that AWS still accepts, with what it means here.
const KNOWN: &[(&str, Runtime)] = &[
    ("provided.al2023", Runtime::ProvidedAl2023),
    ("provided.al2", Runtime::ProvidedAl2),
    ("python3.8", Runtime::Python(PythonVersion(8))),
    ("python3.9", Runtime::Python(PythonVersion(9))),
    ("python3.10", Runtime::Python(PythonVersion(10))),
    ("python3.11", Runtime::Python(PythonVersion(11))),
    ("python3.12", Runtime::Python(PythonVersion(12))),
    ("python3.13", Runtime::Python(PythonVersion(13))),
    ("python3.14", Runtime::Python(PythonVersion(14))),
    ("python3.15", Runtime::Python(PythonVersion(15))),
    ("nodejs16.x", Runtime::Nodejs(NodejsVersion(16))),
    ("nodejs18.x", Runtime::Nodejs(NodejsVersion(18))),
    ("nodejs20.x", Runtime::Nodejs(NodejsVersion(20))),
    ("nodejs22.x", Runtime::Nodejs(NodejsVersion(22))),
    ("nodejs24.x", Runtime::Nodejs(NodejsVersion(24))),
    ("nodejs26.x", Runtime::Nodejs(NodejsVersion(26))),
    ("java8.al2", Runtime::Java(JavaVersion::new(8))),
    ("java8.al2023", Runtime::Java(JavaVersion::named_al2023(8))),
    ("java11", Runtime::Java(JavaVersion::new(11))),
    ("java11.al2023", Runtime::Java(JavaVersion::named_al2023(11))),
    ("java17", Runtime::Java(JavaVersion::new(17))),
    ("java17.al2023", Runtime::Java(JavaVersion::named_al2023(17))),
    ("java21", Runtime::Java(JavaVersion::new(21))),
    ("java25", Runtime::Java(JavaVersion::new(25))),
    ("ruby3.2", Runtime::Ruby(RubyVersion { major: 3, minor: 2 })),
    ("ruby3.3", Runtime::Ruby(RubyVersion { major: 3, minor: 3 })),
    ("ruby3.4", Runtime::Ruby(RubyVersion { major: 3, minor: 4 })),
    ("ruby4.0", Runtime::Ruby(RubyVersion { major: 4, minor: 0 })),
    ("dotnet6", Runtime::Dotnet(DotnetVersion(6))),
    ("dotnet8", Runtime::Dotnet(DotnetVersion(8))),
    ("dotnet10", Runtime::Dotnet(DotnetVersion(10))),
];

/// Why a runtime identifier is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeRefusal {
    /// AWS has it, albacore does not yet.
    #[error("runtime {0:?} is not built yet; expected {expected}", expected = Runtime::expected())]
    NotBuilt(String),
    /// No such runtime.
    #[error("runtime {0:?} does not exist; expected {expected}", expected = Runtime::expected())]
    Unknown(String),
}

impl TryFrom<&str> for Runtime {
    type Error = RuntimeRefusal;

    fn try_from(text: &str) -> Result<Self, RuntimeRefusal> {
        if let Some((_, runtime)) = KNOWN.iter().find(|(identifier, _)| *identifier == text) {
            return Ok(*runtime);
        }
        // The API model has it, and nothing that is published says what it runs.
        Err(match text {
            "custom" => RuntimeRefusal::NotBuilt(text.to_owned()),
            _ => RuntimeRefusal::Unknown(text.to_owned()),
        })
    }
}

impl Runtime {
    /// The runtime identifier.
    pub fn as_str(self) -> &'static str {
        KNOWN
            .iter()
            .find(|(_, runtime)| *runtime == self)
            .map_or("", |(identifier, _)| identifier)
    }

    /// Does albacore bring the program that speaks the Runtime API? Then the function is a handler in the code, and not
    /// a program of its own.
    pub fn is_managed(self) -> bool {
        match self {
            Self::ProvidedAl2023 | Self::ProvidedAl2 => false,
            Self::Python(_) | Self::Nodejs(_) | Self::Java(_) | Self::Ruby(_) | Self::Dotnet(_) => true,
        }
    }

    fn expected() -> String {
        let identifiers: Vec<_> = KNOWN.iter().map(|(identifier, _)| *identifier).collect();
        identifiers.join(", ")
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_and_written() {
        for (identifier, runtime) in KNOWN {
            assert_eq!(Runtime::try_from(*identifier), Ok(*runtime));
            assert_eq!(runtime.as_str(), *identifier);
        }
        assert!(matches!(Runtime::try_from("python3.12"), Ok(Runtime::Python(version)) if version.minor() == 12));
        assert!(matches!(Runtime::try_from("nodejs22.x"), Ok(Runtime::Nodejs(version)) if version.major() == 22));
        assert!(matches!(Runtime::try_from("java21"), Ok(Runtime::Java(version)) if version.feature() == 21));
        // The newer system is a name only.
        for (identifier, feature) in [("java8.al2023", 8), ("java11.al2023", 11), ("java17.al2023", 17)] {
            let runtime = Runtime::try_from(identifier);
            assert!(
                matches!(runtime, Ok(Runtime::Java(version)) if version.feature() == feature),
                "{identifier}"
            );
        }
        assert!(matches!(Runtime::try_from("ruby3.4"), Ok(Runtime::Ruby(it)) if (it.major(), it.minor()) == (3, 4)));
        assert!(matches!(Runtime::try_from("dotnet8"), Ok(Runtime::Dotnet(version)) if version.major() == 8));
    }

    #[test]
    fn what_cannot_be_run_is_refused_and_says_what_can() {
        assert_eq!(
            Runtime::try_from("custom"),
            Err(RuntimeRefusal::NotBuilt("custom".into()))
        );
        for unknown in [
            "cobol",
            "python2.7",
            "python3.7",
            "nodejs22",
            "nodejs14.x",
            "go1.x",
            "java8",
            "ruby2.7",
            "",
        ] {
            let refusal = Runtime::try_from(unknown);
            assert_eq!(refusal, Err(RuntimeRefusal::Unknown(unknown.into())));
            assert!(refusal.is_err_and(|it| it.to_string().contains("python3.12")));
        }
    }
}
