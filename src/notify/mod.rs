//! Tells people by mail and other programs by signed webhooks.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::{Notice, Way};

/// The way to whoever is told. Cheap to clone; never waits and never fails: what there is no room for is counted.
#[derive(Clone, Debug)]
pub struct Notifier {
    sender: Option<mpsc::Sender<(Notice, Arc<[Way]>)>>,
}

impl Notifier {
    /// Tells nobody.
    pub fn silent() -> Self {
        Self { sender: None }
    }

    /// Hands over a notice that is to go these ways.
    pub fn tell(&self, notice: Notice, ways: &[Way]) {
        if let Some(sender) = &self.sender {
            // No room: the task that sends has fallen far behind.
            let _ = sender.try_send((notice, ways.into()));
        }
    }
}
