//! Applications, as browsers reach them: in this process, or over TCP.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// Sends a request on a connection of its own.
pub(crate) async fn send(
    address: SocketAddr,
    request: Request<Body>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// An application.
pub trait App {
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Bytes>> + Send;
}

impl App for Router {
    async fn answer(&self, request: Request<Body>) -> Response<Bytes> {
        let response = self.clone().oneshot(request).await.expect("a response");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Response::from_parts(head, body)
    }
}

/// An application behind a port. It ends with the process.
#[derive(Clone, Copy, Debug)]
pub struct Served(pub SocketAddr);

impl Served {
    /// Serves an application.
    pub async fn router(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self(address)
    }
}

impl App for Served {
    async fn answer(&self, request: Request<Body>) -> Response<Bytes> {
        send(self.0, request).await.expect("a response")
    }
}
