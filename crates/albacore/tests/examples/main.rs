//! The examples, started as their first lines say, and asked by curl as users ask them; and the manifests in documents.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod custom;
mod documents;
mod hello;
mod servers;
mod shop;
mod site;
mod started;
