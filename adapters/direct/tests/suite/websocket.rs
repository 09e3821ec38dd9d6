//! The fixture for WebSockets: opened with the cookie, and then one exchange for each message.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{self, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use cloakroom_conformance::adapter::{
    Ability, App, Claims, Fixture, FixtureError, MessageReply, Server,
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::task::AbortOnDropHandle;

use crate::connections::{Connections, Transport};
use crate::reply;

pub(crate) struct WebSocket;

impl Fixture for WebSocket {
    const NAME: &'static str = "websocket";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let cookie = app.sessions().config().cookie_name().to_owned();
        let routes = Router::new().route("/", any(upgrade)).with_state(app);
        let (address, task) = cloakroom_servers::http::serve(routes).await?;
        Ok(Server::messages(Connections::new(Clients {
            address,
            cookie,
            _server: AbortOnDropHandle::new(task),
        })))
    }

    fn claims(claims: Claims) -> Claims {
        claims.never(
            Ability::Http,
            "only the first message of a WebSocket has headers",
        )
    }
}

async fn upgrade(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let sessions = app.sessions();
    let tokens = cloakroom::http::tokens(sessions.config(), &headers);
    let tokens: Vec<_> = tokens
        .map(|token| String::from_utf8_lossy(token).into_owned())
        .collect();
    upgrade.on_upgrade(async move |socket| serve(&app, tokens, socket).await)
}

/// Until the client goes away.
async fn serve(app: &App, mut tokens: Vec<String>, mut socket: ws::WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let ws::Message::Text(script) = message else {
            continue;
        };
        let answer = reply::exchange(app, tokens.iter().map(String::as_bytes), &script).await;
        if let MessageReply::Done(_, told) = &answer {
            tokens = reply::obey(tokens, told);
        }
        let line = reply::to_line(&answer);
        if socket.send(ws::Message::text(line)).await.is_err() {
            return;
        }
    }
}

struct Clients {
    address: SocketAddr,
    cookie: String,
    _server: AbortOnDropHandle<()>,
}

impl Transport for Clients {
    type Connection = WebSocketStream<TcpStream>;

    async fn connect(&self, tokens: &[String]) -> io::Result<Self::Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let request = format!("ws://{}/", self.address).into_client_request();
        let mut request = request.map_err(io::Error::other)?;
        let pairs = tokens
            .iter()
            .map(|token| format!("{}={token}", self.cookie));
        let line = pairs.collect::<Vec<_>>().join("; ");
        if !line.is_empty() {
            let line = HeaderValue::try_from(line).map_err(io::Error::other)?;
            request.headers_mut().insert(COOKIE, line);
        }
        let opened = tokio_tungstenite::client_async(request, stream).await;
        Ok(opened.map_err(io::Error::other)?.0)
    }

    async fn message(
        &self,
        socket: &mut Self::Connection,
        script: &str,
    ) -> io::Result<MessageReply> {
        let message = Message::text(script);
        socket.send(message).await.map_err(io::Error::other)?;
        match socket.next().await {
            Some(Ok(Message::Text(line))) => Ok(reply::of_line(&line)),
            Some(Err(error)) => Err(io::Error::other(error)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
