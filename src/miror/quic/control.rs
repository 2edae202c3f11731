//! The outgoing half of the first stream. It is shut down when the peer has all of it: until then the
//! connection must not go.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quinn::{SendStream, StoppedError, VarInt};
use tokio::io::AsyncWrite;

type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync>>;

/// See the module.
pub(super) struct Control {
    stream: SendStream,
    stopped: Option<Stopped>,
}

impl Control {
    pub(super) fn new(stream: SendStream) -> Self {
        Control { stream, stopped: None }
    }
}

impl AsyncWrite for Control {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let stopped = this.stopped.get_or_insert_with(|| {
            // Fails if the peer stopped the stream or it is finished: either shows below.
            let _ = this.stream.finish();
            Box::pin(this.stream.stopped())
        });
        let ended = ready!(stopped.as_mut().poll(cx));
        Poll::Ready(ended.map(drop).map_err(io::Error::other))
    }
}
