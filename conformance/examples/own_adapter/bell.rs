//! A framework as small as one can be: what rings is a request, and who hears it answers. It knows nothing of sessions.

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

/// Who answers requests.
pub(crate) trait Handler<B>: Clone + Send + Sync + 'static {
    /// Dropped, if the client goes away before the end.
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

/// Serves HTTP/1.1 and HTTP/2, until it is dropped.
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

/// The next connection. One that is lost before it is accepted is no reason to keep the others out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of files, most likely: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
