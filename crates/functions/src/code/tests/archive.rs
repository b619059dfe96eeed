//! Writes zip files byte by byte, so that every field can be wrong.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// One entry, with what its headers say of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    name: Vec<u8>,
    contents: Vec<u8>,
    stored: Vec<u8>,
    size: u32,
    crc: u32,
    method: u16,
    flags: u16,
    system: u8,
    attributes: u32,
}

impl Entry {
    pub(super) fn file(name: &str, contents: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(contents);
        Self {
            name: name.as_bytes().to_vec(),
            contents: contents.to_vec(),
            stored: contents.to_vec(),
            size: contents.len() as u32,
            crc: crc.sum(),
            method: 0,
            flags: 0,
            system: 3,
            attributes: 0o100_644 << 16,
        }
    }

    pub(super) fn directory(name: &str) -> Self {
        Self::file(name, b"").mode(0o040_755)
    }

    pub(super) fn link(name: &str, target: &str) -> Self {
        Self::file(name, target.as_bytes()).mode(0o120_777)
    }

    pub(super) fn deflated(mut self) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.contents).unwrap();
        self.stored = encoder.finish().unwrap();
        self.method(8)
    }

    pub(super) fn name(mut self, name: &str) -> Self {
        self.name = name.as_bytes().to_vec();
        self
    }

    pub(super) fn mode(self, mode: u32) -> Self {
        self.attributes(mode << 16)
    }

    pub(super) fn attributes(mut self, attributes: u32) -> Self {
        self.attributes = attributes;
        self
    }

    pub(super) fn system(mut self, system: u8) -> Self {
        self.system = system;
        self
    }

    pub(super) fn method(mut self, method: u16) -> Self {
        self.method = method;
        self
    }

    pub(super) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    pub(super) fn crc(mut self, crc: u32) -> Self {
        self.crc = crc;
        self
    }

    pub(super) fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// The fields that both headers of an entry have, from the flags to the length of the name.
    fn common(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend(0_u16.to_le_bytes()); // time
        bytes.extend(0x21_u16.to_le_bytes()); // date: 1980-01-01
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend((self.stored.len() as u32).to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes
    }
}

pub(super) fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for entry in entries {
        list.extend(b"PK\x01\x02");
        list.extend([20, entry.system, 20, 0]);
        list.extend(entry.common());
        list.extend([0; 8]); // no extra field, no comment, first disk, internal attributes
        list.extend(entry.attributes.to_le_bytes());
        list.extend((bytes.len() as u32).to_le_bytes());
        list.extend(&entry.name);

        bytes.extend(b"PK\x03\x04");
        bytes.extend([20, 0]);
        bytes.extend(entry.common());
        bytes.extend([0; 2]); // no extra field
        bytes.extend(&entry.name);
        bytes.extend(&entry.stored);
    }
    let (list_at, count) = (bytes.len() as u32, entries.len() as u16);
    bytes.extend(&list);
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 4]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((list.len() as u32).to_le_bytes());
    bytes.extend(list_at.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
