//! Which part of 300 requests in a row the canary gets.

use std::net::SocketAddr;

use crate::backend::ANSWERED_BY;
use crate::support::Connection;

pub(crate) const WINDOW: usize = 300;

/// Sends so many GETs, one after the other, and gives the number that `id` answered; an error when one failed.
pub(crate) fn of(id: &str, address: SocketAddr, requests: usize) -> Result<usize, String> {
    let mut connection = None;
    let mut count = 0;
    for n in 0..requests {
        let open: &mut Connection = match &mut connection {
            Some(open) => open,
            None => connection.insert(Connection::try_open(address).map_err(|error| error.to_string())?),
        };
        open.try_send("GET /share HTTP/1.1\r\nHost: stage\r\n\r\n").map_err(|error| error.to_string())?;
        let response = open.try_receive().map_err(|broken| format!("request {n}: {broken}"))?;
        if response.status() != 200 {
            return Err(format!("request {n}: {}", response.status()));
        }
        count += usize::from(response.head.get(ANSWERED_BY).as_deref() == Some(id));
        if response.head.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            connection = None;
        }
    }
    Ok(count)
}
