//! The link between an old process and its successor: sockets and a keepsake one way, one word back.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::app::door::{Door, Label};

/// Sockets in one message; the kernel takes 253.
const SOCKETS: usize = 64;
/// Bytes in one message, its first one among them.
const BYTES: usize = 32 * 1024;
/// Sockets and bytes in all.
const MOST_SOCKETS: usize = 16 * 1024;
const LARGEST_KEEPSAKE: usize = 16 * 1024 * 1024;

/// First byte of a message.
const DOORS: u8 = b'd';
const KEEPSAKE: u8 = b'k';
const END: u8 = b'e';
const READY: u8 = b'r';

/// One end of the link. Messages keep their boundaries. Every call blocks.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

/// What a successor gets.
#[derive(Debug, Default)]
pub(super) struct Estate {
    pub(super) doors: Vec<Door>,
    pub(super) keepsake: Vec<u8>,
}

impl Link {
    /// Both ends; neither is inherited by a program that is started, unless as its standard input.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The end that this process was started with. No read on it waits for longer than `patience`.
    pub(super) fn of(end: OwnedFd, patience: Duration) -> io::Result<Self> {
        set_socket_timeout(&end, Timeout::Recv, Some(patience))?;
        Ok(Self(end))
    }

    pub(super) fn give(&self, doors: &[Door], keepsake: &[u8]) -> io::Result<()> {
        for some in doors.chunks(SOCKETS) {
            let labels: Vec<Label> = some.iter().map(|door| door.label).collect();
            let sockets: Vec<_> = some.iter().map(|door| door.socket.as_fd()).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&sockets));
            self.send(DOORS, &serde_json::to_vec(&labels)?, &mut control)?;
        }
        for part in keepsake.chunks(BYTES - 1) {
            self.send(KEEPSAKE, part, &mut SendAncillaryBuffer::default())?;
        }
        self.send(END, &[], &mut SendAncillaryBuffer::default())
    }

    pub(super) fn receive(&self) -> io::Result<Estate> {
        let mut estate = Estate::default();
        loop {
            let (kind, bytes, sockets) = self.next()?;
            match kind {
                DOORS => {
                    let labels: Vec<Label> = serde_json::from_slice(&bytes)?;
                    for (label, socket) in labels.into_iter().zip(sockets) {
                        estate.doors.push(Door::new(label, TcpListener::from(socket))?);
                    }
                }
                KEEPSAKE => estate.keepsake.extend_from_slice(&bytes),
                END => return Ok(estate),
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "not understood")),
            }
            if estate.doors.len() > MOST_SOCKETS || estate.keepsake.len() > LARGEST_KEEPSAKE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "too much"));
            }
        }
    }

    /// Tells the predecessor that its successor serves.
    pub(super) fn say_ready(&self) -> io::Result<()> {
        self.send(READY, &[], &mut SendAncillaryBuffer::default())
    }

    /// Waits for that word.
    ///
    /// # Errors
    /// The successor has ended without it, or said something else.
    pub(super) fn await_ready(&self) -> io::Result<()> {
        match self.next()?.0 {
            READY => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not understood")),
        }
    }

    fn send(&self, kind: u8, bytes: &[u8], control: &mut SendAncillaryBuffer<'_, '_, '_>) -> io::Result<()> {
        let message = [IoSlice::new(std::slice::from_ref(&kind)), IoSlice::new(bytes)];
        rustix::io::retry_on_intr(|| sendmsg(&self.0, &message, control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    fn next(&self) -> io::Result<(u8, Vec<u8>, Vec<OwnedFd>)> {
        let mut bytes = vec![0; BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::io::retry_on_intr(|| {
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let sockets: Vec<_> = control
            .drain()
            .filter_map(|part| match part {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            })
            .flatten()
            .collect();
        if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "cut short"));
        }
        bytes.truncate(message.bytes);
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((bytes.remove(0), bytes, sockets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::door::{Origin, Purpose};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn pair() -> (Link, Link) {
        let (old, new) = Link::pair().unwrap();
        (old, Link::of(new, PATIENCE).unwrap())
    }

    #[test]
    fn sockets_and_keepsake_arrive_whole() {
        let (old, new) = pair();
        let label = Label { purpose: Some(Purpose::Admin), origin: Origin::Own };
        let door = || Door::new(label, TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let doors: Vec<_> = (0..SOCKETS + 1).map(|_| door()).collect();
        let keepsake: Vec<u8> = (0..3 * BYTES).map(|at| (at % 251) as u8).collect();
        let estate = std::thread::scope(|scope| {
            scope.spawn(|| old.give(&doors, &keepsake).unwrap());
            new.receive().unwrap()
        });
        assert_eq!(estate.keepsake, keepsake);
        let addresses = |doors: &[Door]| doors.iter().map(|door| (door.label, door.address)).collect::<Vec<_>>();
        assert_eq!(addresses(&estate.doors), addresses(&doors));
    }

    #[test]
    fn a_client_that_waits_in_a_handed_socket_is_accepted() {
        let (old, new) = pair();
        let label = Label { purpose: Some(Purpose::Http), origin: Origin::Own };
        let door = Door::new(label, TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let client = std::net::TcpStream::connect(door.address).unwrap();
        old.give(&[door], b"").unwrap();
        let estate = new.receive().unwrap();
        let (_, peer) = estate.doors[0].socket.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn the_word_goes_back_and_an_end_without_it_is_an_error() {
        let (old, new) = pair();
        new.say_ready().unwrap();
        old.await_ready().unwrap();
        drop(new);
        assert_eq!(old.await_ready().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let (old, new) = pair();
        old.send(b'?', b"", &mut SendAncillaryBuffer::default()).unwrap();
        assert_eq!(new.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
