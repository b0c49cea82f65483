//! Connections that are opened and closed at once.

use super::{Attack, Door, Then};

pub(super) fn attack() -> Attack {
    Attack { connections: 64, then: Then::Close, ..Attack::nothing("connection churn", Door::Plain) }
}
