//! Session tickets: keys that all cores and listeners share and that change by themselves. Source: ALB 6.2.
//!
//! A ticket is `name of the key (16 bytes), nonce (12), sealed session, tag (16)`, sealed with AES-256-GCM. What a listener
//! promises its clients is authenticated with it (see [`BoundTickets`]), so that a ticket opens only where it was made.
//! There is no 0-RTT: a ticket that is played again gives nothing to who does not know the session's secret.

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use model::Secret;
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a key seals. It opens as long again, so that the last ticket of a key has its full time.
const SEALS_SECS: u64 = 6 * 60 * 60;
const NAME_LEN: usize = 16;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const KEY_LEN: usize = 32;
/// The longest ticket that is looked at. Ours have a few hundred bytes.
const TICKET_LEN_MAX: usize = 4096;
/// Begins what [`Ticketing::export`] writes, with its version.
const EXPORT: &[u8] = b"albacore ticket keys 1\n";
const EXPORTED_KEY_LEN: usize = NAME_LEN + KEY_LEN + 8;

/// The keys of session tickets. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Ticketing(Arc<Ring>);

/// There are no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoRandomNumbers;

/// Bytes that are no exported keys, or not of a version that is known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no ticket keys")]
pub struct UnreadableTicketKeys;

#[derive(Debug)]
struct Ring {
    keys: ArcSwap<Keys>,
    /// Held while the keys are changed. Nobody waits for it: who finds it taken goes on with the keys there are.
    changing: Mutex<()>,
    /// Seconds since 1970.
    clock: fn() -> u64,
}

#[derive(Debug)]
struct Keys {
    current: Arc<TicketKey>,
    previous: Option<Arc<TicketKey>>,
}

struct TicketKey {
    name: [u8; NAME_LEN],
    key: RandomizedNonceKey,
    bytes: Secret<[u8; KEY_LEN]>,
    /// Seconds since 1970.
    made: u64,
}

impl Ticketing {
    pub(crate) fn new() -> Result<Self, NoRandomNumbers> {
        Self::with_clock(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        })
    }

    fn with_clock(clock: fn() -> u64) -> Result<Self, NoRandomNumbers> {
        let keys = Keys {
            current: Arc::new(TicketKey::random(clock())?),
            previous: None,
        };
        Ok(Self(Arc::new(Ring {
            keys: ArcSwap::from_pointee(keys),
            changing: Mutex::default(),
            clock,
        })))
    }

    /// The keys, for a process that takes over.
    pub(crate) fn export(&self) -> Secret<Vec<u8>> {
        let keys = self.0.keys.load();
        let mut out = EXPORT.to_vec();
        for key in std::iter::once(&keys.current).chain(&keys.previous) {
            out.extend_from_slice(&key.name);
            out.extend_from_slice(key.bytes.expose());
            out.extend_from_slice(&key.made.to_be_bytes());
        }
        Secret::new(out)
    }

    /// Takes over the keys of another process, so that its clients' tickets open here. Our own key, with which nothing
    /// should have been sealed yet, is forgotten.
    pub(crate) fn import(&self, exported: &Secret<Vec<u8>>) -> Result<(), UnreadableTicketKeys> {
        let keys = exported.expose().strip_prefix(EXPORT).ok_or(UnreadableTicketKeys)?;
        let keys = keys
            .chunks(EXPORTED_KEY_LEN)
            .map(TicketKey::imported)
            .collect::<Option<Vec<_>>>();
        let mut keys = keys.ok_or(UnreadableTicketKeys)?.into_iter().map(Arc::new);
        let (Some(current), previous, None) = (keys.next(), keys.next(), keys.next()) else {
            return Err(UnreadableTicketKeys);
        };
        self.0.keys.store(Arc::new(Keys { current, previous }));
        Ok(())
    }

    /// Tickets that open only with the same `binding`: a hash over everything a resumed session skips.
    pub(crate) fn bound_to(&self, binding: [u8; 32]) -> BoundTickets {
        BoundTickets {
            ring: self.0.clone(),
            binding,
        }
    }
}

/// The tickets of one certificate of one listener.
///
/// A session that is resumed has no certificate checked, neither ours nor the client's. Therefore the ticket of one listener
/// must not open at another that shows other certificates or asks for the client's.
pub(crate) struct BoundTickets {
    ring: Arc<Ring>,
    binding: [u8; 32],
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        const { SEALS_SECS as u32 }
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ring.sealing_key()?.seal(plain, &self.binding)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_LEN_MAX {
            return None;
        }
        let (name, sealed) = ticket.split_first_chunk::<NAME_LEN>()?;
        self.ring.opening_key(name)?.open(sealed, &self.binding)
    }
}

impl fmt::Debug for BoundTickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoundTickets").finish_non_exhaustive()
    }
}

impl Ring {
    /// The key for new tickets, a new one when the old one has sealed long enough. `None` when a new key is overdue and
    /// cannot be made.
    fn sealing_key(&self) -> Option<Arc<TicketKey>> {
        let now = (self.clock)();
        let keys = self.keys.load();
        if keys.current.age(now) < SEALS_SECS {
            return Some(keys.current.clone());
        }
        drop(keys);
        self.change(now);
        let current = self.keys.load().current.clone();
        (current.age(now) < 2 * SEALS_SECS).then_some(current)
    }

    fn change(&self, now: u64) {
        let _changing = match self.changing.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let keys = self.keys.load_full();
        if keys.current.age(now) < SEALS_SECS {
            return; // somebody else was faster
        }
        if let Ok(fresh) = TicketKey::random(now) {
            let old = keys.current.clone();
            self.keys.store(Arc::new(Keys {
                current: Arc::new(fresh),
                previous: (old.age(now) < 2 * SEALS_SECS).then_some(old),
            }));
        }
    }

    /// The key with this name, if its time is not over. Names are no secret.
    fn opening_key(&self, name: &[u8; NAME_LEN]) -> Option<Arc<TicketKey>> {
        let now = (self.clock)();
        let keys = self.keys.load();
        std::iter::once(&keys.current)
            .chain(&keys.previous)
            .find(|key| key.name == *name && key.age(now) < 2 * SEALS_SECS)
            .cloned()
    }
}

impl TicketKey {
    fn random(now: u64) -> Result<Self, NoRandomNumbers> {
        let (mut name, mut bytes) = ([0; NAME_LEN], [0; KEY_LEN]);
        getrandom::fill(&mut name).map_err(|_| NoRandomNumbers)?;
        getrandom::fill(&mut bytes).map_err(|_| NoRandomNumbers)?;
        Self::new(name, bytes, now).ok_or(NoRandomNumbers)
    }

    fn new(name: [u8; NAME_LEN], bytes: [u8; KEY_LEN], made: u64) -> Option<Self> {
        Some(Self {
            name,
            key: RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?,
            bytes: Secret::new(bytes),
            made,
        })
    }

    fn imported(exported: &[u8]) -> Option<Self> {
        let (name, rest) = exported.split_first_chunk()?;
        let (bytes, made) = rest.split_first_chunk()?;
        Self::new(*name, *bytes, u64::from_be_bytes(made.try_into().ok()?))
    }

    /// Seconds; a clock that was set back counts like one that was set forward, so that no key lives on by it.
    fn age(&self, now: u64) -> u64 {
        now.abs_diff(self.made)
    }

    fn seal(&self, plain: &[u8], binding: &[u8]) -> Option<Vec<u8>> {
        const HEAD: usize = NAME_LEN + NONCE_LEN;
        let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(binding), &mut sealed)
            .ok()?;
        let mut ticket = Vec::with_capacity(HEAD + sealed.len());
        ticket.extend_from_slice(&self.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    fn open(&self, sealed: &[u8], binding: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::from(nonce);
        let length = self
            .key
            .open_in_place(nonce, Aad::from(binding), &mut plain)
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("TicketKey");
        shown.field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
