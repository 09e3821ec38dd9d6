use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_service::Service;

/// Serves a service until `shutdown`, over HTTP/1 with upgrades and HTTP/2. Then waits until the
/// open connections have answered. It is `warp::serve` for services.
///
/// For TLS, limits and timeouts of your own, serve the service with `hyper-util`, as this function
/// does.
///
/// # Errors
///
/// None at present. A connection that cannot be accepted is logged (`tracing`). If the process has
/// run out of files or memory, the next one is accepted after a second.
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_warp::{Layer as _, SessionLayer};
/// use tokio::net::TcpListener;
/// use warp::Filter as _;
///
/// # async fn run() -> std::io::Result<()> {
/// let routes = warp::any().map(|| "Hello");
/// let service =
///     SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
/// let listener = TcpListener::bind("127.0.0.1:3000").await?;
/// cloakroom_warp::serve(listener, service, async {
///     // Without signals it never stops.
///     let _ = tokio::signal::ctrl_c().await;
/// })
/// .await
/// # }
/// ```
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    B::Data: Send,
{
    let connections = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if lost(&error) => continue,
            Err(error) => {
                // Most likely out of files, which come back when connections end.
                tracing::error!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        // HTTP/2 writes small frames. Without this each waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(service.clone());
        let server = Builder::new(TokioExecutor::new());
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// Returns whether the error concerns only this connection.
fn lost(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
