//! Asking the kernel for interfaces, addresses and routes, by messages: `rtnetlink(7)`.
//!
//! A socket belongs to the network that its process was in when it was made, and acts there wherever the process goes.

use super::check;
use std::ffi::CStr;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A socket to the kernel's routing, or to its packet filter.
pub(crate) struct Netlink(OwnedFd);

/// What a message is about.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    Routes = libc::NETLINK_ROUTE as isize,
    Filter = libc::NETLINK_NETFILTER as isize,
}

/// One end of a pair of interfaces.
pub(crate) struct End<'a> {
    pub(crate) name: &'a CStr,
    /// Its number in its network.
    pub(crate) index: u32,
}

/// From `linux/veth.h`: the other end.
const VETH_INFO_PEER: u16 = 1;
/// From `linux/if_link.h`.
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// Of `linux/netlink.h`.
const NESTED: u16 = 1 << 15;
const ACKNOWLEDGED: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const NEW: u16 = ACKNOWLEDGED | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Of `linux/netfilter/nf_tables.h`: asks for tables, and is what they come in.
const GET_TABLES: u16 = ((libc::NFNL_SUBSYS_NFTABLES as u16) << 8) | libc::NFT_MSG_GETTABLE as u16;
const TABLE_NAME: u16 = 1;

/// Of `linux/rtnetlink.h`: the gateway is there, though no address of ours says so.
const ON_LINK: u32 = 4;

/// The header of every message, and where its length is.
const HEADER_BYTES: usize = 16;
/// Several of our messages, or one answer.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

impl Netlink {
    /// In the network of this process.
    pub(crate) fn open(family: Family) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: takes plain numbers.
        let fd = check(unsafe { libc::socket(libc::AF_NETLINK, kind, family as libc::c_int) })?;
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes two connected interfaces: one here, which is up, the other in `network`, which can only be switched on there.
    /// The kernel does not open an end whose other one it does not know yet.
    pub(crate) fn add_pair(
        &self,
        here: &End<'_>,
        there: &End<'_>,
        network: BorrowedFd<'_>,
        mtu: u32,
    ) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, NEW);
        message.link(here.index, State::Up);
        message.text(libc::IFLA_IFNAME, here.name);
        message.number(libc::IFLA_MTU, mtu);
        message.nested(libc::IFLA_LINKINFO, |message| {
            message.text(IFLA_INFO_KIND, c"veth");
            message.nested(IFLA_INFO_DATA, |message| {
                message.nested(VETH_INFO_PEER, |message| {
                    message.link(there.index, State::AsItIs);
                    message.text(libc::IFLA_IFNAME, there.name);
                    message.number(libc::IFLA_MTU, mtu);
                    message.attribute(IFLA_NET_NS_FD, &network.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.ask(&[message])
    }

    /// Takes an interface away, and the other one of its pair.
    pub(crate) fn remove_link(&self, name: &CStr) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_DELLINK, ACKNOWLEDGED);
        message.link(0, State::AsItIs);
        message.text(libc::IFLA_IFNAME, name);
        self.ask(&[message])
    }

    /// Carries several out, one after the other, until one fails.
    pub(crate) fn ask(&self, messages: &[Message]) -> io::Result<()> {
        let mut bytes: Vec<u8> = Vec::new();
        for message in messages {
            bytes.extend_from_slice(&message.finished());
        }
        self.send(&bytes)?;
        let mut left = messages.len();
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        while left > 0 {
            let received = self.receive(&mut buffer)?;
            for answer in Answers(buffer.get(..received).unwrap_or_default()) {
                if i32::from(answer.kind) == libc::NLMSG_ERROR {
                    left = left.saturating_sub(1);
                    match i32_at(answer.body, 0) {
                        Some(0) => {}
                        Some(number) => return Err(io::Error::from_raw_os_error(-number)),
                        None => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of the packet filter's tables of the family `inet`. For a socket of [`Family::Filter`].
    pub(crate) fn tables(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut message = Message::new(GET_TABLES, (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16);
        // `struct nfgenmsg`: family, version, resource.
        message.bytes.extend([libc::NFPROTO_INET as u8, 0, 0, 0]);
        self.send(&message.finished())?;
        let mut names = Vec::new();
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        loop {
            let received = self.receive(&mut buffer)?;
            for answer in Answers(buffer.get(..received).unwrap_or_default()) {
                match i32::from(answer.kind) {
                    libc::NLMSG_DONE => return Ok(names),
                    libc::NLMSG_ERROR => {
                        let number = i32_at(answer.body, 0).unwrap_or(-libc::EPROTO);
                        return Err(io::Error::from_raw_os_error(-number));
                    }
                    _ => {}
                }
                let attributes = answer.body.get(4..).unwrap_or_default();
                let name = Attributes(attributes).find(|(kind, _)| *kind == TABLE_NAME);
                names.extend(name.map(|(_, name)| name.strip_suffix(b"\0").unwrap_or(name).to_vec()));
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length describe one borrowed slice.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        usize::try_from(sent).map(drop).map_err(|_| io::Error::last_os_error())
    }

    /// The kernel answers before `send` returns, so this waits for nothing but the next piece of a long answer.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: pointer and length describe one borrowed slice.
        let received = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match usize::try_from(received) {
            Ok(0) => Err(io::Error::from_raw_os_error(libc::EPROTO)),
            Ok(received) => Ok(received),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

/// What an interface shall be.
#[derive(Clone, Copy)]
enum State {
    Up,
    AsItIs,
}

/// One message on its way to the kernel.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { bytes }
    }

    /// Switches an interface on.
    pub(crate) fn switch_on(index: u32) -> Self {
        let mut message = Self::new(libc::RTM_NEWLINK, ACKNOWLEDGED);
        message.link(index, State::Up);
        message
    }

    /// Gives an interface an address, with so many bits in common with the others beyond it.
    pub(crate) fn new_address(index: u32, address: Ipv4Addr, prefix: u8) -> Self {
        let mut message = Self::new(libc::RTM_NEWADDR, NEW);
        // `struct ifaddrmsg`: family, prefix length, flags, scope, interface.
        message.bytes.extend([libc::AF_INET as u8, prefix, 0, 0]);
        message.bytes.extend(index.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address.octets());
        message.attribute(libc::IFA_ADDRESS, &address.octets());
        message
    }

    /// What is for `address` alone goes to this interface, which has it at its other end.
    pub(crate) fn route_to(index: u32, address: Ipv4Addr) -> Self {
        let mut message = Self::route(32, libc::RT_SCOPE_LINK, 0);
        message.attribute(libc::RTA_DST, &address.octets());
        message.number(libc::RTA_OIF, index);
        message
    }

    /// What is for nobody else goes to `gateway`, which is at the other end of this interface.
    pub(crate) fn default_route(index: u32, gateway: Ipv4Addr) -> Self {
        let mut message = Self::route(0, libc::RT_SCOPE_UNIVERSE, ON_LINK);
        message.attribute(libc::RTA_GATEWAY, &gateway.octets());
        message.number(libc::RTA_OIF, index);
        message
    }

    fn route(prefix: u8, scope: u8, flags: u32) -> Self {
        let mut message = Self::new(libc::RTM_NEWROUTE, NEW);
        // `struct rtmsg`: family, prefix lengths of destination and source, type of service, table, protocol, scope,
        // type, flags.
        message.bytes.extend([
            libc::AF_INET as u8,
            prefix,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            scope,
            libc::RTN_UNICAST,
        ]);
        message.bytes.extend(flags.to_ne_bytes());
        message
    }

    /// `struct ifinfomsg`: family, type, index, flags, which flags are meant.
    fn link(&mut self, index: u32, state: State) {
        let flags = match state {
            State::Up => libc::IFF_UP as u32,
            State::AsItIs => 0,
        };
        self.bytes.extend([libc::AF_UNSPEC as u8, 0, 0, 0]);
        self.bytes.extend(index.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    fn text(&mut self, kind: u16, value: &CStr) {
        self.attribute(kind, value.to_bytes_with_nul());
    }

    /// Values here are a few bytes long, so lengths fit.
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.align();
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.attribute(kind | NESTED, &[]);
        fill(self);
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finished(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }
}

/// One message of the kernel's.
struct Answer<'a> {
    kind: u16,
    body: &'a [u8],
}

struct Answers<'a>(&'a [u8]);

impl<'a> Iterator for Answers<'a> {
    type Item = Answer<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(i32_at(self.0, 0)?).ok()?;
        let kind = u16::from_ne_bytes([*self.0.get(4)?, *self.0.get(5)?]);
        let body = self.0.get(HEADER_BYTES..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer { kind, body })
    }
}

/// Kind and value of each.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes([*self.0.first()?, *self.0.get(1)?]));
        let kind = u16::from_ne_bytes([*self.0.get(2)?, *self.0.get(3)?]) & !NESTED;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Answers, Attributes, Message};
    use std::net::Ipv4Addr;

    #[test]
    fn a_message_has_its_length_and_its_attributes() {
        let message = Message::new_address(7, Ipv4Addr::new(169, 254, 64, 2), 32).finished();
        assert_eq!(message.len(), 16 + 8 + 2 * 8);
        let mut answers = Answers(&message);
        let answer = answers.next().unwrap();
        assert_eq!(answer.kind, libc::RTM_NEWADDR);
        assert_eq!(&answer.body[4..8], &7_u32.to_ne_bytes());
        let values: Vec<_> = Attributes(&answer.body[8..]).collect();
        assert_eq!(
            values,
            [
                (libc::IFA_LOCAL, &[169, 254, 64, 2][..]),
                (libc::IFA_ADDRESS, &[169, 254, 64, 2])
            ]
        );
        assert!(answers.next().is_none());
    }

    #[test]
    fn nested_ones_count_what_they_hold() {
        let mut message = Message::new(1, 0);
        message.nested(5, |message| message.text(6, c"veth"));
        let bytes = message.finished();
        let answer = Answers(&bytes).next().unwrap();
        let (kind, inner) = Attributes(answer.body).next().unwrap();
        assert_eq!(kind, 5);
        assert_eq!(Attributes(inner).next(), Some((6, &b"veth\0"[..])));
    }

    #[test]
    fn nonsense_ends_the_reading() {
        for bytes in [&[][..], &[1, 0, 0, 0], &[255; 40], &[0; 16]] {
            assert!(Answers(bytes).take(10).count() <= 1, "{bytes:?}");
        }
        assert_eq!(Attributes(&[0, 0, 0, 0]).next(), None);
    }
}
