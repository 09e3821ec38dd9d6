//! A server for services of tower and hyper: HTTP/1.1 and HTTP/2 on one port, on loopback, without
//! TLS.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Serves a service of tower on a free port until the task is aborted.
///
/// # Errors
///
/// When no port can be bound.
pub async fn serve<S, B>(service: S) -> io::Result<(SocketAddr, JoinHandle<()>)>
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    B::Data: Send,
{
    serve_hyper(TowerToHyperService::new(service)).await
}

/// Serves a service of hyper on a free port until the task is aborted.
///
/// # Errors
///
/// When no port can be bound.
pub async fn serve_hyper<S, B>(service: S) -> io::Result<(SocketAddr, JoinHandle<()>)>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    B::Data: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        // Dropped with the task, and with it every connection.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            // HTTP/2 writes small frames; without this each waits for an acknowledgement.
            let _ = stream.set_nodelay(true);
            let service = service.clone();
            connections.spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                // An error is a client that went away, or one that does not speak HTTP.
                let _ = server
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok((address, task))
}
