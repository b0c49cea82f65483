//! The board, without any store.

mod alerts;
mod keep;
mod marks;

use super::*;
use crate::bus::parse;
use crate::model::{AlertKeys, Owners};

fn board(watched: Vec<Watched>) -> Board {
    Board::new(watched, "me".to_owned(), Shared { affinity: true, challenges: true })
}

fn watched(service: &str, key: &str) -> Watched {
    let keys = AlertKeys { key: key.to_owned(), compat: Vec::new() };
    Watched { service: name(service), keys }
}

fn name(service: &str) -> ServiceName {
    ServiceName::new(service).unwrap()
}

fn alert(reason: &str) -> Alert {
    parse::bounded(reason, None)
}

fn held(reason: &str) -> Held {
    Held::Alert(alert(reason))
}
