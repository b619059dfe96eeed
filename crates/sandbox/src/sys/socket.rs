//! Pairs of connected sockets that carry small messages and descriptors.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// How many descriptors one message may carry.
pub(crate) const FDS_MAX: usize = 22;

/// Words that hold the control data of `FDS_MAX` descriptors: a header of at most three, and half a word for each.
const CONTROL_WORDS: usize = 3 + FDS_MAX / 2;

/// That room, as words so that it is aligned like a `cmsghdr`.
type Control = [u64; CONTROL_WORDS];

/// Two connected sockets that keep message boundaries, both close-on-exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors to an array of two.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both were just made for us and nobody else knows their numbers.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Whether `fd` is one end of a [`pair`], by its family and type.
pub(crate) fn is_message_socket(fd: BorrowedFd<'_>) -> bool {
    let option = |name| {
        let mut value: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: both options are one int, and `length` says that there is room for one int.
        let returned = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        (returned == 0).then_some(value)
    };
    option(libc::SO_TYPE) == Some(libc::SOCK_SEQPACKET) && option(libc::SO_DOMAIN) == Some(libc::AF_UNIX)
}

/// Whether a send may wait for room.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Until the reader has taken earlier messages.
    ForRoom,
    /// Not at all: `WouldBlock` when the socket is full.
    Never,
}

/// Sends one message, with copies of `fds` (at most [`FDS_MAX`]). A closed peer is an error, not a signal.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>], wait: Wait) -> io::Result<()> {
    if fds.len() > FDS_MAX {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control: Control = [0; CONTROL_WORDS];
    // SAFETY: a msghdr of zeros (null pointers, zero lengths) is a valid value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if !fds.is_empty() {
        let payload = size_of_val(fds) as libc::c_uint;
        header.msg_control = (&raw mut control).cast();
        // SAFETY: arithmetic on a length.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(payload) } as _;
        // SAFETY: `msg_control` points to an aligned buffer larger than CMSG_SPACE of FDS_MAX descriptors, so the first
        // header and its data lie inside; `BorrowedFd` has the same bytes as the raw descriptor.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(payload) as _;
            std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(first), payload as usize);
        }
    }
    let flags = match wait {
        Wait::ForRoom => libc::MSG_NOSIGNAL,
        Wait::Never => libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
    };
    loop {
        // SAFETY: `header` points to `part`, `bytes` and `control`, which all live through the call.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) };
        match sent {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(()),
        }
    }
}

/// One message as received.
pub(crate) struct Received {
    /// Length of the message in the caller's buffer; 0 when the peer has closed.
    pub(crate) bytes: usize,
    /// The descriptors that came along, in order, close-on-exec.
    pub(crate) fds: [Option<OwnedFd>; FDS_MAX],
}

/// Takes one message if one is there, else `WouldBlock`.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    match receive_once(socket, buffer) {
        // Linux says once that a peer has closed without reading all that it was sent, before what the peer itself has
        // sent: its last words are still there.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => receive_once(socket, buffer),
        received => received,
    }
}

fn receive_once(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut control: Control = [0; CONTROL_WORDS];
    // SAFETY: a msghdr of zeros (null pointers, zero lengths) is a valid value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    // SAFETY: arithmetic on a length. Exactly FDS_MAX descriptors fit; the kernel closes what does not fit.
    header.msg_controllen = unsafe { libc::CMSG_SPACE((FDS_MAX * size_of::<RawFd>()) as libc::c_uint) } as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: `header` points to `part`, `buffer` and `control`, which all live through the call.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let bytes = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    Ok(Received {
        bytes,
        fds: take_fds(&header),
    })
}

/// Takes over the descriptors of a message that `recvmsg` has just filled in.
#[allow(clippy::unnecessary_cast, reason = "the C type of the length differs between libcs")]
fn take_fds(header: &libc::msghdr) -> [Option<OwnedFd>; FDS_MAX] {
    let mut fds = [const { None }; FDS_MAX];
    // SAFETY: `header` was filled in by the kernel and its control buffer still lives.
    let first = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: a non-null first header lies inside the control buffer, aligned.
    let Some(first_header) = (unsafe { first.as_ref() }) else {
        return fds;
    };
    if first_header.cmsg_level != libc::SOL_SOCKET || first_header.cmsg_type != libc::SCM_RIGHTS {
        return fds;
    }
    // SAFETY: arithmetic on a length.
    let payload = (first_header.cmsg_len as usize).saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
    for (index, slot) in fds.iter_mut().enumerate().take(payload / size_of::<RawFd>()) {
        // SAFETY: `index` is below the number of descriptors the header declares, and each was made for us by the
        // kernel in this message; it is read once, so it gets one owner.
        *slot = Some(unsafe {
            let fd = libc::CMSG_DATA(first).cast::<RawFd>().add(index).read_unaligned();
            OwnedFd::from_raw_fd(fd)
        });
    }
    fds
}

/// Tells the peer that no more messages will come: it reads the end. We can still receive.
pub(crate) fn finish_sending(socket: BorrowedFd<'_>) {
    // An error means that the peer has already gone, which is as good.
    // SAFETY: takes plain numbers; the descriptor is borrowed, so open.
    let _ = unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn last_words_of_a_peer_that_did_not_listen() {
        let (ours, theirs) = pair().unwrap();
        send(ours.as_fd(), b"unread", &[], Wait::Never).unwrap();
        send(theirs.as_fd(), b"one", &[], Wait::Never).unwrap();
        send(theirs.as_fd(), b"two", &[], Wait::Never).unwrap();
        drop(theirs);
        let mut buffer = [0; 10];
        for expected in [&b"one"[..], b"two", b"", b""] {
            let received = receive(ours.as_fd(), &mut buffer).unwrap();
            assert_eq!(&buffer[..received.bytes], expected);
        }
    }
}
