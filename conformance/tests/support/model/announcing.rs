//! Announcements of removed records.

use cloakroom_store::{Feed, Hint, Hints, Key, StoreError};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::fault::Fault;
use super::records::Model;

pub(crate) struct Heard(UnboundedReceiver<Hint>);

impl Hints for Heard {
    async fn next(&mut self) -> Option<Hint> {
        self.0.recv().await
    }
}

impl Feed for Model {
    type Hints = Heard;

    async fn listen(&self) -> Result<Heard, StoreError> {
        self.begin(&Key::new("listen").unwrap()).await?;
        let (sender, receiver) = unbounded_channel();
        self.shared.listeners.lock().unwrap().push(sender);
        Ok(Heard(receiver))
    }
}

impl Model {
    pub(super) fn announce(&self, key: &Key) {
        let key = match self.fault {
            Fault::AnnouncesNothing => return,
            Fault::AnnouncesOtherKeys => Key::new("another").unwrap(),
            _ => key.clone(),
        };
        let mut listeners = self.shared.listeners.lock().unwrap();
        listeners.retain(|listener| listener.send(Hint::Removed(key.clone())).is_ok());
    }
}
