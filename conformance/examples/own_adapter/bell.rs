//! A minimal HTTP framework on hyper, without sessions: one trait and one function.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers requests.
pub(crate) trait Handler<B>: Clone + Send + Sync + 'static {
    /// Returns the response. If the client disconnects first, the server drops the future.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<B>> + Send;
}

impl<F, A, B> Handler<B> for F
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send,
{
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<B>> + Send {
        self(request)
    }
}

/// Serves HTTP/1.1 and HTTP/2 until its future is dropped.
pub(crate) async fn serve<B>(listener: TcpListener, handler: impl Handler<B>)
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let stream = accept(&listener).await;
        // HTTP/2 writes small frames; without this each waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        connections.spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            let service = service_fn(move |request| {
                let handler = handler.clone();
                async move { Ok::<_, Infallible>(handler.answer(request).await) }
            });
            // An error is a client that went away.
            let _ = server
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Returns the next connection, and skips those that fail before they are accepted.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely out of file descriptors, which closing connections give back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
