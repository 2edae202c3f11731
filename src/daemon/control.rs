//! The control API: which request does what. The other side is in [`super::calls`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

use super::api::{
    Hello, InvitationRequest, Keep, MountRequest, NewKey, PeerAddress, Peers, RenewalRequest,
    RotationRequest, VERSION,
};
use super::error::DaemonError;
use super::query::Query;
use super::service::{NewFile, Service};
use super::updates::respond;

type Host = State<Arc<Service>>;

/// The API over `service`.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/status", get(status))
        .route("/v1/status/watch", get(watch_status))
        .route("/v1/entries", get(entries))
        .route("/v1/content", get(content).put(store))
        .route("/v1/conflicts", get(conflicts))
        .route("/v1/resolve", post(resolve))
        .route("/v1/log", get(log))
        .route("/v1/restore", post(restore))
        .route("/v1/diff", get(diff))
        .route("/v1/explain", get(explain))
        .route("/v1/peers", get(peers).put(add_peer).delete(remove_peer))
        .route("/v1/devices", get(devices).delete(revoke_device))
        .route("/v1/devices/renewal", post(renew_device))
        .route("/v1/rotation", post(rotate))
        .route("/v1/keys", get(key_slots).post(add_key).delete(remove_key))
        .route("/v1/invitations", post(invite))
        .route("/v1/sync", post(sync))
        .route("/v1/follow", post(follow))
        .route("/v1/check", post(check))
        .route("/v1/mounts", post(mount).delete(unmount))
        .route("/v1/mounts/ended", get(mount_ended))
        .route("/v1/open", post(open))
        .route("/v1/close", post(close))
        .fallback(unknown)
        .with_state(service)
}

/// A result as an answer.
struct Answer<T>(Result<T, DaemonError>);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(value) => Json(value).into_response(),
            Err(error) => refused(error),
        }
    }
}

fn refused(error: DaemonError) -> Response {
    let status = match &error {
        DaemonError::NoSuchPath { .. }
        | DaemonError::UnknownPeer { .. }
        | DaemonError::UnknownDevice { .. }
        | DaemonError::UnknownSlot { .. }
        | DaemonError::NotMounted { .. } => StatusCode::NOT_FOUND,
        DaemonError::Internal { .. } | DaemonError::Damaged { .. } | DaemonError::Full => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::CONFLICT,
    };
    (status, Json(error)).into_response()
}

async fn unknown() -> Response {
    let what = "a request that this version does not know".to_owned();
    refused(DaemonError::Internal { what, causes: Vec::new() })
}

async fn hello(State(service): Host) -> Json<Hello> {
    Json(Hello { version: VERSION, pid: std::process::id(), stays: service.stays() })
}

async fn status(State(service): Host) -> Response {
    Answer(service.status().await).into_response()
}

async fn watch_status(State(service): Host) -> Response {
    respond(|reporter| async move { service.watch_status(reporter).await })
}

async fn entries(State(service): Host, query: Query) -> Response {
    let path = query.value("path").unwrap_or_default().to_vec();
    Answer(service.entries(path).await).into_response()
}

async fn content(State(service): Host, query: Query) -> Response {
    let path = query.value("path").unwrap_or_default().to_vec();
    match service.content(path).await {
        Ok(pieces) => Body::from_stream(pieces).into_response(),
        Err(error) => refused(error),
    }
}

async fn store(State(service): Host, query: Query, body: Body) -> Response {
    let file = NewFile {
        path: query.value("path").unwrap_or_default().to_vec(),
        name: query.value("name").map(<[u8]>::to_vec),
        mode: query.number("mode"),
        mtime: query.number("mtime"),
    };
    Answer(service.store(file, body.into_data_stream()).await).into_response()
}

async fn conflicts(State(service): Host) -> Response {
    Answer(service.conflicts().await).into_response()
}

async fn resolve(State(service): Host, query: Query, Json(keep): Json<Keep>) -> Response {
    Answer(service.resolve(query.values("path"), keep).await).into_response()
}

async fn log(State(service): Host, query: Query) -> Response {
    Answer(service.log(query.value("path").map(<[u8]>::to_vec)).await).into_response()
}

async fn restore(State(service): Host, query: Query) -> Response {
    let (path, to) =
        (query.value("path").unwrap_or_default().to_vec(), query.value("to").map(<[u8]>::to_vec));
    Answer(service.restore(path, to, &query.text("at").unwrap_or_default()).await).into_response()
}

async fn diff(State(service): Host, query: Query) -> Response {
    let (from, to) = (query.text("from").unwrap_or_default(), query.text("to").unwrap_or_default());
    Answer(service.diff(&from, &to).await).into_response()
}

async fn explain(State(service): Host, query: Query) -> Response {
    Answer(service.explain(query.text("at")).await).into_response()
}

async fn peers(State(service): Host) -> Response {
    Answer(service.peers().await).into_response()
}

async fn add_peer(State(service): Host, query: Query, Json(peer): Json<PeerAddress>) -> Response {
    let alias = query.text("alias").unwrap_or_default();
    Answer(service.add_peer(&alias, &peer.address).await).into_response()
}

async fn remove_peer(State(service): Host, query: Query) -> Response {
    Answer(service.remove_peer(&query.text("alias").unwrap_or_default()).await).into_response()
}

async fn devices(State(service): Host) -> Response {
    Answer(service.devices().await).into_response()
}

async fn revoke_device(State(service): Host, query: Query) -> Response {
    Answer(service.revoke_device(&query.text("device").unwrap_or_default()).await).into_response()
}

async fn renew_device(State(service): Host, Json(request): Json<RenewalRequest>) -> Response {
    Answer(service.renew_device(request).await).into_response()
}

async fn rotate(State(service): Host, Json(request): Json<RotationRequest>) -> Response {
    Answer(service.rotate(request).await).into_response()
}

async fn key_slots(State(service): Host) -> Response {
    Answer(service.key_slots().await).into_response()
}

async fn add_key(State(service): Host, Json(key): Json<NewKey>) -> Response {
    Answer(service.add_key(key).await).into_response()
}

async fn remove_key(State(service): Host, query: Query) -> Response {
    Answer(service.remove_key(&query.text("slot").unwrap_or_default()).await).into_response()
}

async fn invite(State(service): Host, Json(request): Json<InvitationRequest>) -> Response {
    respond(|reporter| async move { service.invite(request, reporter).await })
}

async fn sync(State(service): Host, Json(peers): Json<Peers>) -> Response {
    respond(|reporter| async move { service.sync(peers, reporter).await })
}

async fn follow(State(service): Host, Json(peers): Json<Peers>) -> Response {
    respond(|reporter| async move { service.follow(peers, reporter).await })
}

async fn check(State(service): Host) -> Response {
    respond(|reporter| async move { service.check(reporter).await })
}

async fn mount(State(service): Host, Json(request): Json<MountRequest>) -> Response {
    Answer(service.mount(request).await).into_response()
}

async fn unmount(State(service): Host, query: Query) -> Response {
    Answer(service.unmount(&query.text("dir").unwrap_or_default()).await).into_response()
}

async fn mount_ended(State(service): Host, query: Query) -> Response {
    let dir = query.text("dir").unwrap_or_default();
    respond(|_: super::updates::Reporter<()>| async move { service.mount_ended(&dir).await })
}

async fn open(State(service): Host) -> Response {
    Answer(service.keep_open()).into_response()
}

async fn close(State(service): Host) -> Response {
    service.let_close();
    Answer(Ok(())).into_response()
}
