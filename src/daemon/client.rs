//! How a command speaks to the vault: over the socket of its owner, or over a pipe inside its own process.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::UnixStream;

use super::api::Hello;
use super::error::DaemonError;
use super::lease::Leases;
use super::socket::{Stop, serve_connection};
use super::updates::{self, Update};

/// An answer that is not streamed is no larger: a directory of a million entries.
const MAX_ANSWER_BYTES: usize = 512 << 20;
/// What the pipe inside a process holds.
const PIPE_BYTES: usize = 1 << 20;

/// A vault to speak to.
pub struct Client {
    connector: Connector,
    store: String,
    /// Keeps the owner there between requests.
    _first: SendRequest<Body>,
    /// Who answers.
    pub hello: Hello,
}

/// Where connections come from.
#[derive(Clone)]
pub enum Connector {
    /// The socket of an owner.
    Socket(PathBuf),
    /// A service in this process.
    Inside {
        /// The service.
        router: Router,
        /// Its leases.
        leases: Arc<Leases>,
        /// When it ends.
        stop: Stop,
    },
}

/// A request before it is sent.
pub struct Call {
    method: Method,
    target: String,
    body: Body,
    json: bool,
}

impl Call {
    /// A request to `path` with the parameters `query`.
    pub fn new(method: Method, path: &str, query: &[(&str, &[u8])]) -> Self {
        let mut target = path.to_owned();
        for (index, (key, value)) in query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(key);
            target.push('=');
            target.push_str(&percent_encoded(value));
        }
        Call { method, target, body: Body::empty(), json: false }
    }

    /// A question.
    pub fn get(path: &str, query: &[(&str, &[u8])]) -> Self {
        Self::new(Method::GET, path, query)
    }

    /// An action.
    pub fn post<T: Serialize>(path: &str, body: &T) -> Result<Self, DaemonError> {
        Self::new(Method::POST, path, &[]).with(body)
    }

    /// With a JSON body.
    pub fn with<T: Serialize>(mut self, body: &T) -> Result<Self, DaemonError> {
        let bytes = serde_json::to_vec(body).map_err(|e| DaemonError::internal("making a request", &e))?;
        self.body = Body::from(bytes);
        self.json = true;
        Ok(self)
    }

    /// With a body that is sent as it is made.
    pub fn streaming(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

impl Client {
    /// Connects, and learns who answers.
    pub async fn connect(connector: Connector, store: String) -> Result<Self, DaemonError> {
        let gone = || DaemonError::OwnerGone { store: store.clone() };
        let mut first = connector.connect().await.ok_or_else(gone)?;
        let answer = exchange(&mut first, Call::get("/v1/hello", &[])).await.ok_or_else(gone)?;
        let hello = json_of(answer, &store).await?;
        Ok(Client { connector, store, _first: first, hello })
    }

    /// Asks and takes the whole answer.
    pub async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, DaemonError> {
        json_of(self.send(call).await?, &self.store).await
    }

    /// Begins a long action. Dropping the stream ends it. It yields progress until a result or an error;
    /// [`DaemonError::OwnerGone`] if the owner ends in between.
    pub async fn follow<P, D>(
        &self,
        call: Call,
    ) -> Result<impl Stream<Item = Update<P, D>> + Unpin + Send + use<P, D>, DaemonError>
    where
        P: DeserializeOwned + Send + 'static,
        D: DeserializeOwned + Send + 'static,
    {
        let answer = self.send(call).await?;
        let gone = DaemonError::OwnerGone { store: self.store.clone() };
        let updates =
            updates::read(answer.into_body()).chain(futures_util::stream::iter([Update::Failed(gone)]));
        Ok(Box::pin(updates))
    }

    /// Does a long action to its end, with what it reports on the way.
    pub async fn complete<P: DeserializeOwned + Send + 'static, D: DeserializeOwned + Send + 'static>(
        &self,
        call: Call,
        mut progress: impl FnMut(P),
    ) -> Result<D, DaemonError> {
        let mut updates = self.follow(call).await?;
        loop {
            match updates.next().await {
                Some(Update::Progress(report)) => progress(report),
                Some(Update::Done(result)) => return Ok(result),
                Some(Update::Failed(error)) => return Err(error),
                None => return Err(DaemonError::OwnerGone { store: self.store.clone() }),
            }
        }
    }

    /// Asks for bytes, which come as they are read.
    pub async fn bytes(
        &self,
        call: Call,
    ) -> Result<impl Stream<Item = Result<Bytes, DaemonError>>, DaemonError> {
        let answer = self.send(call).await?;
        let store = self.store.clone();
        let data = answer.into_body().into_data_stream();
        Ok(data.map(move |piece| piece.map_err(|_| DaemonError::Broken { store: store.clone() })))
    }

    /// Sends a request on a connection of its own; an answer that is an error becomes one.
    async fn send(&self, call: Call) -> Result<Response<Incoming>, DaemonError> {
        let gone = || DaemonError::OwnerGone { store: self.store.clone() };
        let mut connection = self.connector.connect().await.ok_or_else(gone)?;
        let answer = exchange(&mut connection, call).await.ok_or_else(gone)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let refused =
            |_| DaemonError::Internal { what: "the request".into(), causes: vec![status.to_string()] };
        let body = collect(answer.into_body()).await.ok_or_else(gone)?;
        Err(serde_json::from_slice(&body).unwrap_or_else(refused))
    }
}

impl Connector {
    async fn connect(&self) -> Option<SendRequest<Body>> {
        match self {
            Connector::Socket(path) => handshake(UnixStream::connect(path).await.ok()?).await,
            Connector::Inside { router, leases, stop } => {
                let (ours, theirs): (DuplexStream, DuplexStream) = tokio::io::duplex(PIPE_BYTES);
                tokio::spawn(serve_connection(theirs, router.clone(), leases.clone(), stop.clone()));
                handshake(ours).await
            }
        }
    }
}

async fn handshake<S>(stream: S) -> Option<SendRequest<Body>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It ends with the sender or the other side; either is seen where the sender is used.
    tokio::spawn(connection);
    Some(sender)
}

async fn exchange(connection: &mut SendRequest<Body>, call: Call) -> Option<Response<Incoming>> {
    let mut request = Request::builder().method(call.method).uri(call.target.parse::<Uri>().ok()?);
    request = request.header(hyper::header::HOST, "bosr");
    if call.json {
        request = request.header(hyper::header::CONTENT_TYPE, "application/json");
    }
    connection.send_request(request.body(call.body).ok()?).await.ok()
}

async fn collect(body: Incoming) -> Option<Bytes> {
    Limited::new(body, MAX_ANSWER_BYTES).collect().await.ok().map(|whole| whole.to_bytes())
}

async fn json_of<T: DeserializeOwned>(answer: Response<Incoming>, store: &str) -> Result<T, DaemonError> {
    let body = collect(answer.into_body()).await;
    let body = body.ok_or_else(|| DaemonError::OwnerGone { store: store.to_owned() })?;
    serde_json::from_slice(&body).map_err(|error| DaemonError::internal("reading the owner's answer", &error))
}

/// For the query of a URI: everything but letters, digits and `-._~/` as `%XX`.
fn percent_encoded(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::lease::{FIRST_LEASE_WAIT, LeaseKind};
    use crate::daemon::socket::ControlSocket;
    use axum::Json;
    use axum::routing::{get, post};

    fn router() -> Router {
        let hello = || async { Json(Hello { version: 1, pid: 7, stays: true }) };
        let refuse = || async {
            let error = DaemonError::NoSuchPath { path: "/a".into() };
            (hyper::StatusCode::NOT_FOUND, Json(error))
        };
        let count = || async {
            updates::respond(|reporter: updates::Reporter<u32>| async move {
                reporter.report(1).await;
                Ok::<_, DaemonError>("end".to_owned())
            })
        };
        Router::new()
            .route("/v1/hello", get(hello))
            .route("/refuse", get(refuse))
            .route("/count", post(count))
    }

    async fn inside() -> (Client, Arc<Leases>) {
        let leases = Arc::new(Leases::new(FIRST_LEASE_WAIT));
        let connector = Connector::Inside { router: router(), leases: leases.clone(), stop: Stop::new() };
        (Client::connect(connector, "/s".into()).await.unwrap(), leases)
    }

    #[tokio::test]
    async fn answers_and_errors_arrive_as_they_were_made() {
        let (client, leases) = inside().await;
        assert_eq!(client.hello.pid, 7);
        assert_eq!(leases.count(LeaseKind::Connection), 1);
        let refused = client.ask::<Hello>(Call::get("/refuse", &[])).await;
        assert_eq!(refused.unwrap_err(), DaemonError::NoSuchPath { path: "/a".into() });
        let mut seen = Vec::new();
        let call = Call::post("/count", &()).unwrap();
        let done: String = client.complete(call, |n: u32| seen.push(n)).await.unwrap();
        assert_eq!((seen, done.as_str()), (vec![1], "end"));
    }

    #[tokio::test]
    async fn the_socket_serves_the_same_and_its_file_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let (leases, stop) = (Arc::new(Leases::new(FIRST_LEASE_WAIT)), Stop::new());
        let socket = ControlSocket::bind(&path).unwrap();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { socket.serve(&router(), &leases, &stop).await }
        });
        let client = Client::connect(Connector::Socket(path.clone()), "/s".into()).await.unwrap();
        assert_eq!(client.hello.pid, 7);
        stop.stop();
        serving.await.unwrap();
        assert!(!path.exists());
        let gone = client.ask::<Hello>(Call::get("/v1/hello", &[])).await.unwrap_err();
        assert_eq!(gone, DaemonError::OwnerGone { store: "/s".into() });
    }

    #[test]
    fn any_bytes_can_stand_in_a_query() {
        let call = Call::get("/x", &[("path", b"/a b&\xff"), ("m", b"1")]);
        assert_eq!(call.target, "/x?path=/a%20b%26%FF&m=1");
    }
}
