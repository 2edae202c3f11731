//! Long actions over HTTP: a stream of server-sent events, each one JSON, that ends with a result or an error.
//!
//! The connection is the lease: whoever stops reading stops the action.

use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::error::DaemonError;

/// Updates waiting for a slow reader; beyond, the action waits.
const QUEUED_UPDATES: usize = 64;
/// No event is larger; a stream with more before its end of line is not from an owner.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// One event of a long action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update<P, D> {
    /// How far it is.
    Progress(P),
    /// It is over, with this result.
    Done(D),
    /// It failed.
    Failed(DaemonError),
}

/// Where a long action reports.
#[derive(Debug)]
pub struct Reporter<P> {
    updates: mpsc::Sender<P>,
}

impl<P> Clone for Reporter<P> {
    fn clone(&self) -> Self {
        Reporter { updates: self.updates.clone() }
    }
}

impl<P> Reporter<P> {
    /// A reporter and where its reports come out.
    pub fn channel() -> (Self, mpsc::Receiver<P>) {
        let (updates, reports) = mpsc::channel(QUEUED_UPDATES);
        (Reporter { updates }, reports)
    }

    /// Reports; waits for a slow reader. Nobody reading is not an error: the action is about to be dropped.
    pub async fn report(&self, progress: P) {
        let _ = self.updates.send(progress).await;
    }

    /// Reports if the reader keeps up.
    pub fn report_now(&self, progress: P) {
        let _ = self.updates.try_send(progress);
    }

    /// Returns once nobody reads any more.
    pub async fn abandoned(&self) {
        self.updates.closed().await;
    }
}

/// Answers a request with the updates of `action`, which is dropped when the client goes.
pub fn respond<P, D, F>(action: impl FnOnce(Reporter<P>) -> F) -> Response
where
    P: Serialize + Send + 'static,
    D: Serialize + Send + 'static,
    F: Future<Output = Result<D, DaemonError>> + Send + 'static,
{
    let (reporter, reports) = Reporter::channel();
    let running = Running { action: Some(Box::pin(action(reporter))), reports, last: None };
    let events = unfold(running, |mut running| async move {
        let update = running.next().await?;
        let event = Event::default().json_data(&update).unwrap_or_default();
        Some((Ok::<_, Infallible>(event), running))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

struct Running<P, D, F> {
    action: Option<std::pin::Pin<Box<F>>>,
    reports: mpsc::Receiver<P>,
    last: Option<Result<D, DaemonError>>,
}

impl<P, D, F: Future<Output = Result<D, DaemonError>>> Running<P, D, F> {
    /// The next update: all reports first, then the result, then nothing.
    async fn next(&mut self) -> Option<Update<P, D>> {
        if let Some(action) = &mut self.action {
            tokio::select! {
                biased;
                Some(progress) = self.reports.recv() => return Some(Update::Progress(progress)),
                result = action => {
                    self.action = None;
                    self.last = Some(result);
                }
            }
        }
        if let Ok(progress) = self.reports.try_recv() {
            return Some(Update::Progress(progress));
        }
        self.last.take().map(|result| result.map_or_else(Update::Failed, Update::Done))
    }
}

/// Reads the updates out of the body of an answer. Ends with the body; a body that breaks off or is not of
/// this form gives `None` early.
pub fn read<P, D, B>(body: B) -> impl Stream<Item = Update<P, D>>
where
    P: DeserializeOwned,
    D: DeserializeOwned,
    B: http_body_util::BodyExt + hyper::body::Body<Data = Bytes> + Unpin,
{
    unfold((body, Vec::new()), |(mut body, mut buffer)| async move {
        loop {
            if let Some(event) = take_event(&mut buffer) {
                match data_of(&event).map(|data| serde_json::from_slice(&data)) {
                    Some(Ok(update)) => return Some((update, (body, buffer))),
                    Some(Err(_)) => return None,
                    None => continue,
                }
            }
            let frame = body.frame().await?.ok()?;
            buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
            if buffer.len() > MAX_EVENT_BYTES {
                return None;
            }
        }
    })
}

/// Takes the first whole event, up to its empty line, out of the buffer.
fn take_event(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    let rest = buffer.split_off(end + 2);
    Some(std::mem::replace(buffer, rest))
}

/// The data of an event; none in a keep-alive comment.
fn data_of(event: &[u8]) -> Option<Vec<u8>> {
    let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let data: Vec<&[u8]> = lines.map(|line| line.strip_prefix(b" ").unwrap_or(line)).collect();
    if data.is_empty() { None } else { Some(data.join(&b'\n')) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    async fn updates_of(response: Response) -> Vec<Update<u32, String>> {
        Box::pin(read(response.into_body())).collect().await
    }

    #[tokio::test]
    async fn reports_come_in_order_and_the_result_last() {
        let response = respond(|reporter: Reporter<u32>| async move {
            reporter.report(1).await;
            reporter.report(2).await;
            Ok("end\nof it".to_owned())
        });
        let expected = [Update::Progress(1), Update::Progress(2), Update::Done("end\nof it".to_owned())];
        assert_eq!(updates_of(response).await, expected);
    }

    #[tokio::test]
    async fn a_failure_is_the_last_update() {
        let response = respond(|_: Reporter<u32>| async { Err::<String, _>(DaemonError::Full) });
        assert_eq!(updates_of(response).await, [Update::Failed(DaemonError::Full)]);
    }

    #[tokio::test]
    async fn bytes_that_are_no_events_end_the_stream() {
        for nonsense in ["data: {\n\n", "data: []\n\n", "no line end", "\n\n\n\n"] {
            let body = axum::body::Body::from(nonsense);
            let updates: Vec<Update<u32, String>> = Box::pin(read(body)).collect().await;
            assert!(updates.is_empty(), "{nonsense:?}");
        }
    }
}
