//! Listening sockets, one for each worker, and none while another process has the address.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps ready while the program is busy.
const BACKLOG: i32 = 4096;

/// Binds `address` once for each worker, with `SO_REUSEPORT` between them. Port 0 picks one free port for all.
///
/// `SO_REUSEPORT` alone would let another process of the same user share the port in silence, so that the first socket
/// is bound without it: the kernel then refuses when anybody else has the address. Must run inside no runtime in
/// particular; the sockets are non-blocking.
///
/// # Errors
/// Whatever the kernel says, `AddrInUse` above all.
pub fn listeners(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let first = socket(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..workers {
        let next = socket(bound)?;
        next.set_reuse_port(true)?;
        next.bind(&bound.into())?;
        sockets.push(next);
    }
    sockets
        .into_iter()
        .map(|socket| {
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

/// Whether a socket on `bound` takes the connections to `wanted`. One on `[::]` is expected to take IPv4 as well.
pub fn covers(bound: SocketAddr, wanted: SocketAddr) -> bool {
    bound.port() == wanted.port() && (bound.ip() == wanted.ip() || bound.ip().is_unspecified())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_and_a_second_program_gets_none() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let ours = listeners(any, 3).unwrap();
        let address = ours[0].local_addr().unwrap();
        assert!(ours.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert_eq!(listeners(address, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(ours);
        assert!(listeners(address, 2).is_ok());
    }
}
