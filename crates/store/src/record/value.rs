//! How single values are written: texts that the model parses, words, durations, bytes and paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A value whose text is read by the model.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T> Deserialize<'de> for Text<T>
where
    T: for<'a> TryFrom<&'a str, Error: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);

        impl<T: for<'a> TryFrom<&'a str, Error: fmt::Display>> Visitor<'_> for Read<T> {
            type Value = Text<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                T::try_from(text).map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read(PhantomData))
    }
}

/// One of a few values, each with its word. The words are part of the format.
pub(super) trait Words: Copy + 'static {
    /// Every value there is.
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str;
}

/// A value that is written as its word.
pub(super) struct Word<T>(pub(super) T);

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);

        impl<T: Words> Visitor<'_> for Read<T> {
            type Value = Word<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("one of")?;
                T::WORDS.iter().try_for_each(|(_, word)| write!(formatter, " {word:?}"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word<T>, E> {
                let known = T::WORDS.iter().find(|(_, word)| *word == text);
                known.map(|(value, _)| Word(*value)).ok_or_else(|| {
                    let shown: String = text.chars().take(100).collect();
                    E::invalid_value(serde::de::Unexpected::Str(&shown), &self)
                })
            }
        }
        deserializer.deserialize_str(Read(PhantomData))
    }
}

/// A duration: whole seconds as a number, anything finer as seconds and nanoseconds.
pub(super) struct Lasting(pub(super) Duration);

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => serializer.serialize_u64(self.0.as_secs()),
            nanos => (self.0.as_secs(), nanos).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Lasting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Lasting;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("whole seconds, or seconds and nanoseconds")
            }

            fn visit_u64<E: Error>(self, secs: u64) -> Result<Lasting, E> {
                Ok(Lasting(Duration::from_secs(secs)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Lasting, A::Error> {
                let secs = parts.next_element::<u64>()?;
                let nanos = parts.next_element::<u32>()?;
                match (secs, nanos, parts.next_element::<u32>()?) {
                    (Some(secs), Some(nanos @ 1..1_000_000_000), None) => Ok(Lasting(Duration::new(secs, nanos))),
                    _ => Err(A::Error::custom(
                        "a duration has seconds and 1 to 999999999 nanoseconds",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Bytes, in base64.
pub(super) struct Bytes(pub(super) Arc<[u8]>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).map_err(D::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// A path. One that is no UTF-8 is written in base64, so that none is lost.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredPath {
    Text(String),
    Bytes(Bytes),
}

impl StoredPath {
    pub(super) fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(Bytes(path.as_os_str().as_bytes().into())),
        }
    }

    pub(super) fn into_path(self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes(Bytes(bytes)) => OsString::from_vec(bytes.to_vec()).into(),
        }
    }
}
