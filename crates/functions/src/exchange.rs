//! How an invocation gets from one core to another: each core has an inbox, and says in a function's account whether it
//! has an idle environment of it.
//!
//! What travels is the invocation and the way back to its caller, never a descriptor. A core that has nothing to spare
//! any more sends a visitor back, once; then the core it came from goes on as if there were no others.

use crate::pending::{Pending, Reply};
use invoke::Invocation;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Messages that may wait for one core. When it is full, an invocation stays where it is.
const INBOX_MAX: usize = 1024;

/// What one core says to another.
#[derive(Debug)]
pub(crate) enum Message {
    /// An invocation from outside of the cores.
    Begin(Invocation, Reply),
    /// An invocation that has its slot, from the core with this number, which has no idle environment for it.
    Visit(Pending, usize),
    /// Your own visitor: there was none here either.
    Back(Pending),
}

/// The inboxes of all cores.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// At the number of their core.
    inboxes: Mutex<Vec<Option<mpsc::Sender<Message>>>>,
    /// Whose turn it is when all are alike.
    turn: AtomicUsize,
}

/// A core's place among the others. Left when dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    exchange: Arc<Exchange>,
    number: usize,
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(inbox) = self.exchange.inboxes().get_mut(self.number) {
            *inbox = None;
        }
    }
}

impl Membership {
    /// The bit of this core in an account. Those after the 64th have none: they keep to themselves.
    pub(crate) fn bit(&self) -> u64 {
        u32::try_from(self.number)
            .ok()
            .and_then(|number| 1_u64.checked_shl(number))
            .unwrap_or(0)
    }

    /// Is no other core before this one?
    pub(crate) fn is_first(&self) -> bool {
        let inboxes = self.exchange.inboxes();
        inboxes.iter().take(self.number).flatten().count() == 0
    }

    /// What this core has of so many, if all cores share them.
    pub(crate) fn part_of(&self, whole: usize) -> usize {
        let inboxes = self.exchange.inboxes();
        let cores = inboxes.iter().flatten().count().max(1);
        let before = inboxes.iter().take(self.number).flatten().count();
        whole / cores + usize::from(before < whole % cores)
    }

    /// Sends an invocation to one of the cores with an idle environment, given as bits. Returns it if none takes it.
    #[must_use]
    pub(crate) fn lend(&self, pending: Pending, idle_cores: u64) -> Option<Pending> {
        let others = idle_cores & !self.bit();
        if others == 0 {
            return Some(pending);
        }
        // The next one after this core, so that not all of them ask the same.
        let shift = u32::try_from(self.number).unwrap_or(0) % 64;
        let to = (others.rotate_right(shift).trailing_zeros() + shift) % 64;
        match self.exchange.send(to as usize, Message::Visit(pending, self.number)) {
            Some(Message::Visit(pending, _)) => Some(pending),
            _ => None,
        }
    }

    /// Sends a visitor back to where it came from. Returns it if that core takes nothing any more.
    #[must_use]
    pub(crate) fn send_back(&self, pending: Pending, to: usize) -> Option<Pending> {
        match self.exchange.send(to, Message::Back(pending)) {
            Some(Message::Back(pending)) => Some(pending),
            _ => None,
        }
    }
}

impl Exchange {
    /// One more core, with its inbox.
    pub(crate) fn join(self: &Arc<Self>) -> (Membership, mpsc::Receiver<Message>) {
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let mut inboxes = self.inboxes();
        let number = inboxes.iter().position(Option::is_none).unwrap_or(inboxes.len());
        if number == inboxes.len() {
            inboxes.push(None);
        }
        inboxes[number] = Some(sender);
        drop(inboxes);
        let exchange = Arc::clone(self);
        (Membership { exchange, number }, inbox)
    }

    /// Gives an invocation from outside to a core, if possible to one that has an idle environment.
    ///
    /// # Errors
    ///
    /// See [`Nowhere`].
    pub(crate) fn begin(&self, invocation: Invocation, reply: Reply, idle_cores: u64) -> Result<(), (Reply, Nowhere)> {
        let inboxes = self.inboxes();
        let cores: Vec<_> = inboxes
            .iter()
            .enumerate()
            .filter_map(|(at, it)| Some((at, it.as_ref()?)))
            .collect();
        let turn = self.turn.fetch_add(1, Relaxed);
        let mut message = Message::Begin(invocation, reply);
        let mut is_full = false;
        let has_idle = |at: usize| u32::try_from(at).is_ok_and(|at| idle_cores.checked_shr(at).unwrap_or(0) & 1 == 1);
        for wanted in [true, false] {
            for step in 0..cores.len() {
                let (at, inbox) = cores[(turn + step) % cores.len()];
                if has_idle(at) != wanted {
                    continue;
                }
                match inbox.try_send(message) {
                    Ok(()) => return Ok(()),
                    Err(TrySendError::Full(back)) => (message, is_full) = (back, true),
                    Err(TrySendError::Closed(back)) => message = back,
                }
            }
        }
        let nowhere = if is_full { Nowhere::Full } else { Nowhere::NoCore };
        match message {
            Message::Begin(_, reply) => Err((reply, nowhere)),
            // It is the message from above.
            Message::Visit(..) | Message::Back(_) => Ok(()),
        }
    }

    /// Returns the message if it cannot be sent.
    fn send(&self, to: usize, message: Message) -> Option<Message> {
        let inboxes = self.inboxes();
        let Some(Some(inbox)) = inboxes.get(to) else {
            return Some(message);
        };
        match inbox.try_send(message) {
            Ok(()) => None,
            Err(TrySendError::Full(message) | TrySendError::Closed(message)) => Some(message),
        }
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<Option<mpsc::Sender<Message>>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an invocation from outside reached no core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    /// There is none.
    NoCore,
    /// The inboxes of all are full.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Concurrency};
    use bytes::Bytes;
    use model::{AccountId, FunctionArn, Region, Scope};
    use tokio::sync::oneshot;

    fn function() -> FunctionArn {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        FunctionArn::new(&scope, "f")
    }

    fn invocation() -> (Invocation, Reply) {
        let invocation = Invocation::new(function(), Bytes::new(), None);
        (invocation, Reply::Invoked(oneshot::channel().0))
    }

    fn pending() -> Pending {
        let unreserved = Arc::new(Concurrency::new());
        unreserved.set(1);
        let account = Account::new(function(), Arc::new(Concurrency::new()), unreserved);
        let (invocation, reply) = invocation();
        Pending {
            invocation,
            reply,
            slot: Arc::new(account).try_slot().unwrap(),
        }
    }

    #[test]
    fn a_visitor_goes_to_the_next_core_with_an_idle_environment() {
        let exchange = Arc::new(Exchange::default());
        let mut cores: Vec<_> = (0..3).map(|_| exchange.join()).collect();
        for (from, idle, to) in [
            (0, 0b100, Some(2)),
            (0, 0b111, Some(1)),
            (1, 0b011, Some(0)),
            (1, 0b010, None),
            (2, 0, None),
        ] {
            let lent = cores[from].0.lend(pending(), idle);
            assert_eq!(lent.is_none(), to.is_some(), "{from} {idle:b}");
            for (number, (_, inbox)) in cores.iter_mut().enumerate() {
                let received = inbox.try_recv();
                assert_eq!(received.is_ok(), to == Some(number), "{from} {idle:b}");
                assert!(received.is_err() || matches!(received, Ok(Message::Visit(_, by)) if by == from));
            }
        }
        assert!(cores[0].0.send_back(pending(), 1).is_none());
        assert!(matches!(cores[1].1.try_recv(), Ok(Message::Back(_))));
    }

    #[test]
    fn a_core_that_has_left_gets_nothing_and_its_number_is_used_again() {
        let exchange = Arc::new(Exchange::default());
        let (first, _first_inbox) = exchange.join();
        let (second, second_inbox) = exchange.join();
        drop(second_inbox);
        assert!(first.lend(pending(), second.bit()).is_some(), "its inbox is closed");
        drop(second);
        assert!(first.lend(pending(), 0b10).is_some(), "it is no member");
        assert!(first.send_back(pending(), 7).is_some());
        assert_eq!(exchange.join().0.number, 1);
    }

    #[test]
    fn from_outside_idle_cores_come_first_and_full_ones_last() {
        let exchange = Exchange::default();
        let begin = |exchange: &Exchange, idle| {
            let (invocation, reply) = invocation();
            exchange.begin(invocation, reply, idle).map_err(|(_, why)| why)
        };
        assert_eq!(begin(&exchange, 0), Err(Nowhere::NoCore));
        let exchange = Arc::new(exchange);
        let (_first, mut first_inbox) = exchange.join();
        let (_second, mut second_inbox) = exchange.join();
        for _ in 0..INBOX_MAX {
            assert_eq!(begin(&exchange, 0b10), Ok(()));
        }
        assert!(first_inbox.try_recv().is_err(), "all went to the idle one");
        assert_eq!(begin(&exchange, 0b10), Ok(()));
        assert!(first_inbox.try_recv().is_ok(), "it is full");
        for _ in 0..INBOX_MAX {
            assert_eq!(begin(&exchange, 0), Ok(()));
        }
        assert_eq!(begin(&exchange, 0), Err(Nowhere::Full));
        // In turn where all are alike.
        while first_inbox.try_recv().is_ok() && second_inbox.try_recv().is_ok() {}
        assert_eq!((begin(&exchange, 0), begin(&exchange, 0)), (Ok(()), Ok(())));
        assert!(first_inbox.try_recv().is_ok() && second_inbox.try_recv().is_ok());
    }

    #[test]
    fn cores_after_the_64th_keep_to_themselves() {
        let exchange = Arc::new(Exchange::default());
        let cores: Vec<_> = (0..66).map(|_| exchange.join()).collect();
        assert_eq!((cores[63].0.bit(), cores[64].0.bit()), (1 << 63, 0));
        assert!(cores[65].0.lend(pending(), 0).is_some());
        assert!(cores[65].0.lend(pending(), 1 << 63).is_none());
    }
}
