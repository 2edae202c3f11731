//! The control API as methods: one for each action, the same whoever has the vault open. The other side of
//! each path is in [`super::control`].

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use hyper::Method;

use super::api::{
    Checked, Conflict, Decided, Device, Difference, Entry, Explanation, Invitation, InvitationRequest, Keep,
    KeySlot, LogEntry, MountRequest, NewKey, PeerAddress, PeerStatus, Peers, RenewalRequest, Renewed,
    Restored, Rotation, RotationRequest, Status, Stored, SyncProgress, Synced,
};
use super::client::{Call, Client};
use super::error::DaemonError;
use super::updates::Update;
use crate::vault::Revision;

impl Client {
    /// How the vault is.
    pub async fn status(&self) -> Result<Status, DaemonError> {
        self.ask(Call::get("/v1/status", &[])).await
    }

    /// How the vault is, again whenever that changes.
    pub async fn watch_status(
        &self,
    ) -> Result<impl Stream<Item = Update<Status, ()>> + Unpin + Send + use<>, DaemonError> {
        self.follow(Call::get("/v1/status/watch", &[])).await
    }

    /// What is in a directory; for anything else, the thing itself.
    pub async fn list(&self, path: &[u8]) -> Result<Vec<Entry>, DaemonError> {
        self.ask(Call::get("/v1/entries", &[("path", path)])).await
    }

    /// The content of a file, as it is read.
    pub async fn content(
        &self,
        path: &[u8],
    ) -> Result<impl Stream<Item = Result<Bytes, DaemonError>>, DaemonError> {
        self.bytes(Call::get("/v1/content", &[("path", path)])).await
    }

    /// Stores a file at `path`; in a directory, under `name`. `mode` and `mtime` (nanoseconds since 1970) if
    /// they are known.
    pub async fn store(
        &self,
        path: &[u8],
        name: Option<&[u8]>,
        mode: Option<u32>,
        mtime: Option<i64>,
        content: Body,
    ) -> Result<Stored, DaemonError> {
        let (mode, mtime) = (mode.map(|mode| mode.to_string()), mtime.map(|mtime| mtime.to_string()));
        let mut query = vec![("path", path)];
        query.extend(name.map(|name| ("name", name)));
        query.extend(mode.as_ref().map(|mode| ("mode", mode.as_bytes())));
        query.extend(mtime.as_ref().map(|mtime| ("mtime", mtime.as_bytes())));
        self.ask(Call::new(Method::PUT, "/v1/content", &query).streaming(content)).await
    }

    /// The conflicts that wait for a person.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, DaemonError> {
        self.ask(Call::get("/v1/conflicts", &[])).await
    }

    /// Decides the conflicts at `paths`; all there are if none is given.
    pub async fn resolve(&self, paths: &[&[u8]], keep: Keep) -> Result<Vec<Decided>, DaemonError> {
        let query: Vec<_> = paths.iter().map(|path| ("path", *path)).collect();
        self.ask(Call::new(Method::POST, "/v1/resolve", &query).with(&keep)?).await
    }

    /// The history, of the whole vault or of one path; newest first.
    pub async fn log(&self, path: Option<&[u8]>) -> Result<Vec<LogEntry>, DaemonError> {
        let query: Vec<_> = path.map(|path| ("path", path)).into_iter().collect();
        self.ask(Call::get("/v1/log", &query)).await
    }

    /// Puts what stood at `path` at a time back there, or at `to`.
    pub async fn restore(
        &self,
        path: &[u8],
        at: &Revision,
        to: Option<&[u8]>,
    ) -> Result<Restored, DaemonError> {
        let at = at.encode();
        let mut query = vec![("path", path), ("at", at.as_bytes())];
        query.extend(to.map(|to| ("to", to)));
        self.ask(Call::new(Method::POST, "/v1/restore", &query)).await
    }

    /// What differs between two states.
    pub async fn diff(&self, from: &Revision, to: &Revision) -> Result<Vec<Difference>, DaemonError> {
        let (from, to) = (from.encode(), to.encode());
        self.ask(Call::get("/v1/diff", &[("from", from.as_bytes()), ("to", to.as_bytes())])).await
    }

    /// Why a merge came out as it did; without one, why there are the conflicts that there are.
    pub async fn explain(&self, merge: Option<&Revision>) -> Result<Explanation, DaemonError> {
        let merge = merge.map(Revision::encode);
        let query: Vec<_> = merge.iter().map(|merge| ("at", merge.as_bytes())).collect();
        self.ask(Call::get("/v1/explain", &query)).await
    }

    /// The peers that are known.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, DaemonError> {
        self.ask(Call::get("/v1/peers", &[])).await
    }

    /// Remembers where a peer is reached.
    pub async fn add_peer(&self, alias: &str, address: &str) -> Result<(), DaemonError> {
        let body = PeerAddress { address: address.to_owned() };
        self.ask(Call::new(Method::PUT, "/v1/peers", &[("alias", alias.as_bytes())]).with(&body)?).await
    }

    /// Forgets where a peer is reached.
    pub async fn remove_peer(&self, alias: &str) -> Result<(), DaemonError> {
        self.ask(Call::new(Method::DELETE, "/v1/peers", &[("alias", alias.as_bytes())])).await
    }

    /// The devices of the vault.
    pub async fn devices(&self) -> Result<Vec<Device>, DaemonError> {
        self.ask(Call::get("/v1/devices", &[])).await
    }

    /// Shuts a device out, named or by the first letters of its key.
    pub async fn revoke_device(&self, device: &str) -> Result<Rotation, DaemonError> {
        self.ask(Call::new(Method::DELETE, "/v1/devices", &[("device", device.as_bytes())])).await
    }

    /// Takes a new device key.
    pub async fn renew_device(&self, request: &RenewalRequest) -> Result<Renewed, DaemonError> {
        self.ask(Call::post("/v1/devices/renewal", request)?).await
    }

    /// Makes a new epoch of the master key, or says what that would be.
    pub async fn rotate(&self, request: RotationRequest) -> Result<Rotation, DaemonError> {
        self.ask(Call::post("/v1/rotation", &request)?).await
    }

    /// The keys that open the vault.
    pub async fn key_slots(&self) -> Result<Vec<KeySlot>, DaemonError> {
        self.ask(Call::get("/v1/keys", &[])).await
    }

    /// Adds a key that opens the vault.
    pub async fn add_key(&self, key: &NewKey) -> Result<KeySlot, DaemonError> {
        self.ask(Call::post("/v1/keys", key)?).await
    }

    /// Removes a key that opened the vault.
    pub async fn remove_key(&self, slot: &str) -> Result<(), DaemonError> {
        self.ask(Call::new(Method::DELETE, "/v1/keys", &[("slot", slot.as_bytes())])).await
    }

    /// Makes a ticket and waits for its device. The ticket stays valid when the stream is dropped, as long
    /// as the owner stays.
    pub async fn invite(
        &self,
        request: &InvitationRequest,
    ) -> Result<impl Stream<Item = Update<Invitation, ()>> + Unpin + Send + use<>, DaemonError> {
        self.follow(Call::post("/v1/invitations", request)?).await
    }

    /// Brings the vault and its peers to the same state, once.
    pub async fn sync(
        &self,
        peers: &Peers,
        progress: impl FnMut(SyncProgress),
    ) -> Result<Synced, DaemonError> {
        self.complete(Call::post("/v1/sync", peers)?, progress).await
    }

    /// Keeps the vault and its peers in the same state until the stream is dropped.
    pub async fn keep_in_step(
        &self,
        peers: &Peers,
    ) -> Result<impl Stream<Item = Update<SyncProgress, ()>> + Unpin + Send + use<>, DaemonError> {
        self.follow(Call::post("/v1/follow", peers)?).await
    }

    /// Checks everything that is stored.
    pub async fn check(&self, progress: impl FnMut(Checked)) -> Result<Checked, DaemonError> {
        self.complete(Call::post("/v1/check", &())?, progress).await
    }

    /// Mounts the vault; returns when the mount is ready.
    pub async fn mount(&self, request: &MountRequest) -> Result<(), DaemonError> {
        self.ask(Call::post("/v1/mounts", request)?).await
    }

    /// Ends a mount; returns when it is gone.
    pub async fn unmount(&self, dir: &[u8]) -> Result<(), DaemonError> {
        self.ask(Call::new(Method::DELETE, "/v1/mounts", &[("dir", dir)])).await
    }

    /// Returns when a mount has ended, whoever ended it.
    pub async fn mount_ended(&self, dir: &[u8]) -> Result<(), DaemonError> {
        self.complete(Call::get("/v1/mounts/ended", &[("dir", dir)]), |()| ()).await
    }

    /// Keeps the vault open until [`Client::close_vault`].
    pub async fn open_vault(&self) -> Result<(), DaemonError> {
        self.ask(Call::post("/v1/open", &())?).await
    }

    /// Ends what [`Client::open_vault`] began.
    pub async fn close_vault(&self) -> Result<(), DaemonError> {
        self.ask(Call::post("/v1/close", &())?).await
    }
}
