//! The way out of the machine: made when the first enclosure wants one, and for all.

use super::Root;
use crate::message::{Id, Reply};
use crate::namespace::Failure;
use crate::outbound::Outbound;
use crate::spec::{Reach, Step};
use crate::sys::process::Pid;
use crate::sys::{mount, network, socket};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

impl Root {
    /// Connects the network of an enclosure, whose init this is, with what it shall reach.
    pub(super) fn connect(&mut self, init: Pid, reach: Reach) -> Result<(), Failure> {
        if matches!(reach, Reach::Nothing | Reach::Host) {
            return Ok(());
        }
        if self.outbound.is_none() {
            self.make_way_out()?;
        }
        match &mut self.outbound {
            Some(outbound) => outbound.connect(init, reach),
            None => Err((Step::Uplink, io::Error::from_raw_os_error(libc::ENOSYS))),
        }
    }

    fn make_way_out(&mut self) -> Result<(), Failure> {
        let Some(namespaces) = &self.namespaces else {
            return Err((Step::Namespaces, io::Error::from_raw_os_error(libc::ENOSYS)));
        };
        let (outbound, names) = Outbound::build(namespaces.own_network())?;
        self.outbound = Some(outbound);
        // An error means that albacore has gone; the next look at the socket finds that out.
        let _ = socket::send(
            self.albacore.as_fd(),
            &Reply::Connected.encode(),
            &[names.datagrams.as_fd(), names.listener.as_fd()],
            socket::Wait::ForRoom,
        );
        Ok(())
    }

    /// A socket in the network of an enclosure, for albacore.
    pub(super) fn send_socket(&self, id: Id, enclosure: Id) -> Result<(), Failure> {
        let at = |error| (Step::Connection, error);
        let gone = || at(io::Error::from_raw_os_error(libc::ESRCH));
        // It may have ended meanwhile.
        let environment = self.environments.get(&enclosure).ok_or_else(gone)?;
        let namespaces = self.namespaces.as_ref().ok_or_else(gone)?;
        let network = File::open(format!("/proc/{}/ns/net", environment.init)).map_err(at)?;
        mount::enter(network.as_fd()).map_err(at)?;
        let made = network::stream_socket();
        namespaces.come_back();
        let socket = made.map_err(at)?;
        self.reply_with(Reply::Socket { id }, &[socket.as_fd()]);
        Ok(())
    }

    /// The last thing: what the host has of it.
    pub(super) fn leave_network(&mut self) {
        if let Some(outbound) = self.outbound.take() {
            outbound.close();
        }
    }
}
