//! Word that something which somebody watches may have changed: not what, and once for all that happens until the
//! watcher looks.

use tokio::sync::watch;

/// Where such word is given. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub struct News(watch::Sender<()>);

impl News {
    /// Something may have changed.
    pub fn tell(&self) {
        self.0.send_replace(());
    }

    /// Hears what is told from now on.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
