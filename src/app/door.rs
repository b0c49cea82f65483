//! Sockets that listen already when the program starts: a predecessor or systemd hands them over.

use std::net::{SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::net::bind;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    Http,
    Https,
    Admin,
    Metrics,
}

impl Purpose {
    pub(super) const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Admin, Self::Metrics];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// Who made a socket, which decides when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// This program, or one before it: used for the address that it is bound to, for as long as that is configured.
    Own,
    /// A socket unit of systemd: used for its purpose whatever its address, since the unit says where to listen.
    Unit,
}

/// What goes with a socket on its way to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    /// `None`: it has no name that is known here; its address decides.
    pub(super) purpose: Option<Purpose>,
    pub(super) origin: Origin,
}

/// A listening socket.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) label: Label,
    pub(super) address: SocketAddr,
    pub(super) socket: TcpListener,
}

impl Door {
    /// # Errors
    /// It is no socket that has an address.
    pub(super) fn new(label: Label, socket: TcpListener) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { label, address: socket.local_addr()?, socket })
    }

    /// The same socket once more, not another one beside it.
    pub(super) fn again(&self) -> std::io::Result<Self> {
        Ok(Self { label: self.label, address: self.address, socket: self.socket.try_clone()? })
    }

    /// Whether this door is what `purpose` on `wanted` asks for. Port 0 is any port of our own.
    fn serves(&self, purpose: Purpose, wanted: SocketAddr) -> bool {
        let address = match self.label.origin {
            Origin::Own if wanted.port() == 0 => self.address.ip() == wanted.ip(),
            Origin::Own => self.address == wanted,
            Origin::Unit => bind::covers(self.address, wanted),
        };
        self.label.purpose.is_none_or(|own| own == purpose) && address
    }
}

/// The doors that nobody has claimed yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Door>);

impl Inherited {
    pub(super) fn new(doors: Vec<Door>) -> Self {
        Self(doors)
    }

    /// The doors of a socket unit that names `purpose`.
    pub(super) fn claim_of_unit(&mut self, purpose: Purpose) -> Vec<Door> {
        self.claim(|door| door.label == Label { purpose: Some(purpose), origin: Origin::Unit })
    }

    /// All sockets of one address that serve `wanted`, an exact match before a free port.
    pub(super) fn claim_address(&mut self, purpose: Purpose, wanted: SocketAddr) -> Vec<Door> {
        let Some(address) = self.0.iter().find(|door| door.serves(purpose, wanted)).map(|door| door.address) else {
            return Vec::new();
        };
        self.claim(|door| door.address == address && door.serves(purpose, wanted))
    }

    /// Whoever is left: nothing in the configuration asks for them.
    pub(super) fn rest(self) -> Vec<Door> {
        self.0
    }

    fn claim(&mut self, wanted: impl Fn(&Door) -> bool) -> Vec<Door> {
        let (claimed, left) = std::mem::take(&mut self.0).into_iter().partition(wanted);
        self.0 = left;
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(purpose: Option<Purpose>, origin: Origin) -> Door {
        Door::new(Label { purpose, origin }, TcpListener::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    #[test]
    fn an_own_socket_serves_its_purpose_on_its_address_only() {
        let door = door(Some(Purpose::Http), Origin::Own);
        let address = door.address;
        let mut inherited = Inherited::new(vec![door.again().unwrap(), door]);
        assert!(inherited.claim_address(Purpose::Admin, address).is_empty());
        assert!(inherited.claim_address(Purpose::Http, SocketAddr::from(([127, 0, 0, 2], 0))).is_empty());
        assert!(inherited.claim_of_unit(Purpose::Http).is_empty());
        assert_eq!(inherited.claim_address(Purpose::Http, address).len(), 2, "all sockets of the address");
        assert!(inherited.rest().is_empty());
    }

    #[test]
    fn a_free_port_takes_one_address() {
        let (one, other) = (door(Some(Purpose::Http), Origin::Own), door(Some(Purpose::Http), Origin::Own));
        let mut inherited = Inherited::new(vec![one, other]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(inherited.claim_address(Purpose::Http, any).len(), 1);
        assert_eq!(inherited.rest().len(), 1);
    }

    #[test]
    fn a_socket_of_a_unit_is_found_by_name_or_by_address() {
        let (named, unnamed) = (door(Some(Purpose::Http), Origin::Unit), door(None, Origin::Unit));
        let address = unnamed.address;
        let mut inherited = Inherited::new(vec![named, unnamed]);
        assert_eq!(inherited.claim_of_unit(Purpose::Http).len(), 1);
        assert_eq!(inherited.claim_address(Purpose::Admin, address).len(), 1);
    }
}
