//! The values that AWS's protocols carry, whatever they are written in: what comes from CBOR and goes out as CBOR, JSON or
//! XML is one tree.

/// A value of a shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A moment, in seconds since the epoch.
    Time(f64),
    /// A list.
    List(Vec<Value>),
    /// A structure: members by name, in the order in which they are written.
    Structure(Vec<(String, Value)>),
    /// A map whose keys are data. Read from CBOR it is a structure: the bytes do not tell one from the other.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A structure of the members that are there.
    pub fn structure<const N: usize>(members: [(&str, Option<Self>); N]) -> Self {
        let there = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self::Structure(there.collect())
    }

    /// A member of a structure. One that is nothing is not there.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Structure(members) = self else { return None };
        let (_, value) = members.iter().find(|(its, _)| its == name)?;
        (*value != Self::Null).then_some(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
