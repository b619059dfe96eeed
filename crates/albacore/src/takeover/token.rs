//! Which of the two serves, whoever stands still for how long.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// One byte in a socket that both processes hold: the kernel gives it to one of them. Who has it may serve, and the other one
/// never will. A message could not say that: nobody knows whether it was read.
#[derive(Debug)]
pub(super) struct Token(UnixStream);

impl Token {
    pub(super) fn new() -> io::Result<Self> {
        let (mut inlet, outlet) = UnixStream::pair()?;
        inlet.write_all(b"t")?;
        outlet.set_nonblocking(true)?;
        Ok(Self(outlet))
    }

    /// Takes it, if nobody has. An error counts as taken: who is not sure does not serve.
    pub(super) fn take(&self) -> bool {
        matches!((&self.0).read(&mut [0]), Ok(1))
    }
}

impl From<OwnedFd> for Token {
    fn from(received: OwnedFd) -> Self {
        Self(received.into())
    }
}

impl AsFd for Token {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_has_it() {
        let one = Token::new().unwrap();
        let other = Token::from(one.as_fd().try_clone_to_owned().unwrap());
        assert!(other.take());
        assert!(!other.take() && !one.take());
    }

    #[test]
    fn it_outlives_who_made_it() {
        let one = Token::new().unwrap();
        let other = Token::from(one.as_fd().try_clone_to_owned().unwrap());
        drop(one);
        assert!(other.take() && !other.take());
    }
}
