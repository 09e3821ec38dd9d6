//! A WebSocket that stands on the session of the page around it. `cargo run -p cloakroom-axum
//! --example websocket`
//!
//! The connection opens with the session's cookie and lives long. Each message is an exchange of
//! its own, with the cookie of the handshake. So a message sees the changes of requests, and
//! requests see the changes of messages. After a sign-out anywhere, no message gets through.
//!
//! The server closes the socket when the session has ended, also if the browser sends nothing:
//! `Session::ended`. A sign-out of this process closes it at once, one of another process within
//! the lease.
//!
//! A message cannot set a cookie, so only requests sign in or rotate. When a request has replaced
//! the token of an open socket, the server closes the socket. The browser opens the next one with
//! the new cookie.
//!
//! | request | does |
//! |---|---|
//! | `POST /sign-in` | signs Ada in |
//! | `POST /sign-out` | signs her out |
//! | `POST /count` | counts, and answers with the number |
//! | `GET /socket` | opens the socket for a signed-in user |
//!
//! The message `count` does the same as the request; the message `who` is answered with the name.

use std::error::Error as StdError;
use std::io::{self, Write as _};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use cloakroom::{Fate, SessionError, adapter};
use cloakroom_axum::{Ended, Ending, Error, Session, SessionLayer, Sessions};
use cloakroom_memory::MemoryStore;
use tokio::net::TcpListener;

type Store = MemoryStore;

/// Nothing longer is read: this page's messages are words.
const LONGEST_MESSAGE: usize = 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    let sessions = Sessions::new(MemoryStore::new());
    axum::serve(listener, app(sessions)).await?;
    Ok(())
}

fn app(sessions: Sessions<Store>) -> Router {
    Router::new()
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/count", post(count))
        .route("/socket", get(open))
        .with_state(sessions.clone())
        .layer(SessionLayer::from(sessions))
}

/// Yours will ask for a password.
async fn sign_in(session: Session) -> Result<(), Error> {
    session.sign_in("ada")
}

async fn sign_out(session: Session) -> Result<(), Error> {
    session.sign_out()
}

async fn count(session: Session) -> Result<String, Error> {
    Ok(one_more(&session)?.to_string())
}

fn one_more(session: &cloakroom::Session) -> Result<u32, cloakroom::Error> {
    session.update("count", |count: Option<u32>| count.unwrap_or(0) + 1)
}

/// SameSite keeps the cookie away from sockets that other sites open. If yours is `None`, compare
/// the header `Origin` here.
async fn open(
    State(sessions): State<Sessions<Store>>,
    session: Session,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    if session.subject()?.is_none() {
        return Err(Refusal::Stranger);
    }
    let ending = session.ended();
    Ok(upgrade
        .max_message_size(LONGEST_MESSAGE)
        .on_upgrade(async move |socket| serve(&sessions, &headers, ending, socket).await))
}

/// Until the browser goes away, or the session does.
async fn serve(
    sessions: &Sessions<Store>,
    headers: &HeaderMap,
    mut ending: Ending,
    mut socket: WebSocket,
) {
    loop {
        let answer = tokio::select! {
            ended = &mut ending => farewell(&ended),
            message = socket.recv() => match message {
                Some(Ok(Message::Text(message))) => reply(sessions, headers, &message).await,
                // Pings are answered beneath this.
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        let last = matches!(answer, Message::Close(_));
        if socket.send(answer).await.is_err() || last {
            return;
        }
    }
}

fn farewell(ended: &Result<Ended, cloakroom::Error>) -> Message {
    match ended {
        Ok(Ended::Rotated { .. } | Ended::SignedIn) => {
            closing(close_code::POLICY, "open another socket")
        }
        Ok(_) => closing(close_code::POLICY, "signed out"),
        // The store is down, so nobody knows. The page tries again later.
        Err(_) => closing(close_code::AGAIN, "try again later"),
    }
}

async fn reply(sessions: &Sessions<Store>, headers: &HeaderMap, message: &str) -> Message {
    match exchange(sessions, headers, message).await {
        Ok(Answer::Text(text)) => Message::text(text),
        Ok(Answer::Close(reason)) => closing(close_code::POLICY, reason),
        // The error itself goes to the log.
        Err(_) => closing(close_code::ERROR, "not saved"),
    }
}

enum Answer {
    Text(String),
    Close(&'static str),
}

/// One message, from the cookie to the commit.
async fn exchange(
    sessions: &Sessions<Store>,
    headers: &HeaderMap,
    message: &str,
) -> Result<Answer, cloakroom::Error> {
    let session: cloakroom::Session = sessions.http_session(headers);
    session.load().await?;
    let Some(name) = session.subject()? else {
        return Ok(Answer::Close("signed out"));
    };
    let text = match message {
        "count" => one_more(&session)?.to_string(),
        "who" => name,
        _ => "there are only `count` and `who`".to_owned(),
    };
    let outcome = match adapter::commit(&session, true).outcome().await {
        // The visitor signed in again, and this socket still presents the old token.
        Err(cloakroom::Error::Session(SessionError::Superseded)) => {
            return Ok(Answer::Close("open another socket"));
        }
        outcome => outcome?,
    };
    Ok(match outcome.fate {
        Fate::Gone => Answer::Close("signed out"),
        // Also for a message that changes nothing: it read what was there before the token was
        // replaced.
        _ if outcome.superseded => Answer::Close("open another socket"),
        // Messages neither issue nor clear a token, so there is no directive to send.
        _ => Answer::Text(text),
    })
}

fn closing(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}

/// Why there is no socket.
enum Refusal {
    Stranger,
    Session(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger => (StatusCode::UNAUTHORIZED, "sign in first").into_response(),
            Self::Session(error) => error.into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::header::{COOKIE, SET_COOKIE};
    use axum::http::{HeaderValue, Request};
    use futures_util::{SinkExt as _, StreamExt as _};
    use std::net::SocketAddr;
    use tokio::net::TcpStream;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::tungstenite::{self, Message};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn messages_and_requests_see_each_others_changes() {
        let mut browser = Browser::signed_in().await;
        let mut socket = browser.socket().await.unwrap();
        assert_eq!(says(&mut socket, "count").await, "1");
        assert_eq!(browser.post("/count").await, "2");
        assert_eq!(says(&mut socket, "count").await, "3");
        assert_eq!(browser.post("/count").await, "4");
    }

    #[tokio::test]
    async fn sockets_and_requests_at_the_same_time_lose_no_count() {
        let browser = Browser::signed_in().await;
        let mut work = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let mut socket = browser.socket().await.unwrap();
            work.spawn(async move {
                for _ in 0..25 {
                    says(&mut socket, "count").await;
                }
            });
            let mut tab = browser.clone();
            work.spawn(async move {
                for _ in 0..25 {
                    tab.post("/count").await;
                }
            });
        }
        while let Some(done) = work.join_next().await {
            done.unwrap();
        }
        assert_eq!(browser.clone().post("/count").await, "201");
    }

    #[tokio::test]
    async fn an_open_socket_is_refused_after_the_sign_out() {
        let mut browser = Browser::signed_in().await;
        let mut socket = browser.socket().await.unwrap();
        assert_eq!(says(&mut socket, "who").await, "ada");
        browser.post("/sign-out").await;
        assert_eq!(hears(&mut socket).await, "closed: signed out");
        assert!(socket.next().await.is_none_or(|end| end.is_err()));
    }

    #[tokio::test]
    async fn a_sign_out_of_another_process_closes_sockets_that_send_nothing() {
        let store = MemoryStore::new();
        let mut browser = Browser::of(Sessions::new(store.clone())).await;
        browser.post("/sign-in").await;
        let mut socket = browser.socket().await.unwrap();
        // Another process: it shares nothing with this one but the store.
        let mut elsewhere = Browser::of(Sessions::new(store)).await;
        elsewhere.cookie = browser.cookie.clone();
        elsewhere.post("/sign-out").await;
        assert_eq!(hears(&mut socket).await, "closed: signed out");
    }

    #[tokio::test]
    async fn an_open_socket_whose_token_was_replaced_is_closed_and_the_next_goes_on() {
        let mut browser = Browser::signed_in().await;
        let mut socket = browser.socket().await.unwrap();
        assert_eq!(says(&mut socket, "count").await, "1");
        browser.post("/sign-in").await;
        assert_eq!(hears(&mut socket).await, "closed: open another socket");
        let mut next = browser.socket().await.unwrap();
        assert_eq!(says(&mut next, "count").await, "2");
    }

    #[tokio::test]
    async fn an_open_socket_that_only_reads_learns_that_its_token_was_replaced() {
        let mut browser = Browser::signed_in().await;
        let mut socket = browser.socket().await.unwrap();
        assert_eq!(says(&mut socket, "who").await, "ada");
        browser.post("/sign-in").await;
        assert_eq!(hears(&mut socket).await, "closed: open another socket");
    }

    #[tokio::test]
    async fn a_stranger_gets_no_socket() {
        let stranger = Browser::start().await;
        assert_eq!(
            stranger.socket().await.err(),
            Some(StatusCode::UNAUTHORIZED)
        );
    }

    /// Says something, and returns the answer.
    async fn says(socket: &mut WebSocketStream<TcpStream>, text: &str) -> String {
        socket.send(Message::text(text)).await.unwrap();
        hears(socket).await
    }

    async fn hears(socket: &mut WebSocketStream<TcpStream>) -> String {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => text.to_string(),
            Message::Close(Some(frame)) => format!("closed: {}", frame.reason),
            other => panic!("{other:?}"),
        }
    }

    #[derive(Clone)]
    struct Browser {
        app: Router,
        address: SocketAddr,
        cookie: Option<HeaderValue>,
    }

    impl Browser {
        async fn start() -> Self {
            Self::of(Sessions::new(MemoryStore::new())).await
        }

        async fn of(sessions: Sessions<Store>) -> Self {
            let app = app(sessions);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serve = axum::serve(listener, app.clone());
            tokio::spawn(async move { serve.await.unwrap() });
            Self {
                app,
                address,
                cookie: None,
            }
        }

        async fn signed_in() -> Self {
            let mut browser = Self::start().await;
            browser.post("/sign-in").await;
            browser
        }

        async fn post(&mut self, path: &str) -> String {
            let mut request = Request::post(path).body(Body::empty()).unwrap();
            if let Some(cookie) = &self.cookie {
                request.headers_mut().insert(COOKIE, cookie.clone());
            }
            let response = self.app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            if let Some(line) = response.headers().get(SET_COOKIE) {
                let pair = line.to_str().unwrap().split(';').next().unwrap();
                self.cookie = Some(pair.parse().unwrap());
            }
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        }

        async fn socket(&self) -> Result<WebSocketStream<TcpStream>, StatusCode> {
            let url = format!("ws://{}/socket", self.address);
            let mut request = url.into_client_request().unwrap();
            if let Some(cookie) = &self.cookie {
                request.headers_mut().insert(COOKIE, cookie.clone());
            }
            let stream = TcpStream::connect(self.address).await.unwrap();
            match tokio_tungstenite::client_async(request, stream).await {
                Ok((socket, _)) => Ok(socket),
                Err(tungstenite::Error::Http(response)) => Err(response.status()),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
