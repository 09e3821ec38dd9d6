//! Server-sent events for signed-in users. `cargo run -p cloakroom-axum --example sse`
//!
//! A stream stays open for hours and its browser sends nothing meanwhile. So the server itself
//! notices that the session has ended, and closes the stream: `Session::ended`. One task of the
//! process looks at all of their sessions. A sign-out of this process closes them at once, one of
//! another process within the lease.
//!
//! | request | does |
//! |---|---|
//! | `POST /sign-in` | signs Ada in |
//! | `POST /sign-out` | signs her out |
//! | `POST /say` | sends the body to all streams |
//! | `GET /news` | the stream, for a signed-in user |
//!
//! The last event of a stream is `ended`. After `signed out` the page shows the sign-in form. After
//! `reconnect` the browser has a newer cookie, or the store is down, and `EventSource` connects
//! again by itself. A stream without `ended` was lost on the way.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io::{self, Write as _};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cloakroom_axum::{Ended, Ending, Error, Session, SessionLayer, Sessions};
use cloakroom_memory::MemoryStore;
use futures_util::stream::{self, Stream};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};

/// How many events a slow reader may be behind.
const BEHIND: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    let sessions = Sessions::new(MemoryStore::new());
    axum::serve(listener, app(sessions)).await?;
    Ok(())
}

type News = broadcast::Sender<Arc<str>>;

fn app(sessions: Sessions<MemoryStore>) -> Router {
    Router::new()
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/say", post(say))
        .route("/news", get(news))
        .with_state(News::new(BEHIND))
        .layer(SessionLayer::from(sessions))
}

/// Yours will ask for a password.
async fn sign_in(session: Session) -> Result<(), Error> {
    session.sign_in("ada")
}

async fn sign_out(session: Session) -> Result<(), Error> {
    session.sign_out()
}

async fn say(State(news): State<News>, text: String) {
    // Nobody is listening: that is no failure.
    _ = news.send(text.into());
}

async fn news(State(news): State<News>, session: Session) -> Result<Response, Error> {
    if session.subject()?.is_none() {
        // `EventSource` then tries no more.
        return Ok((StatusCode::UNAUTHORIZED, "sign in first").into_response());
    }
    let reader = Reader {
        ending: session.ended(),
        news: news.subscribe(),
    };
    let stream = Sse::new(reader.stream()).keep_alive(KeepAlive::default());
    Ok(stream.into_response())
}

/// An open stream.
struct Reader {
    ending: Ending,
    news: broadcast::Receiver<Arc<str>>,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(Some(self), async |reader| {
            let mut reader = reader?;
            Some(match reader.next().await {
                Next::Said(text) => (Ok(Event::default().data(text)), Some(reader)),
                Next::Last(why) => (Ok(Event::default().event("ended").data(why)), None),
            })
        })
    }

    async fn next(&mut self) -> Next {
        tokio::select! {
            // Nothing more is said to a session that has ended.
            biased;
            ended = &mut self.ending => Next::Last(match ended {
                // `EventSource` takes the newer cookie along. If the store is down, it tries again.
                Ok(Ended::Rotated { .. } | Ended::SignedIn) | Err(_) => "reconnect",
                Ok(_) => "signed out",
            }),
            said = self.news.recv() => match said {
                Ok(text) => Next::Said(text),
                Err(RecvError::Lagged(_) | RecvError::Closed) => Next::Last("reconnect"),
            },
        }
    }
}

enum Next {
    Said(Arc<str>),
    Last(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::{COOKIE, SET_COOKIE};
    use cloakroom_axum::Event as Counted;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpStream;
    use tokio::task::JoinSet;
    use tower::ServiceExt as _;

    const STREAMS: usize = 1_000;

    // R80, R82.
    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_thousand_streams_those_close_whose_sessions_another_process_ended() {
        let store = MemoryStore::new();
        let looks = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&looks);
        let here = Sessions::new(store.clone()).with_observer(move |event| {
            let is_call = matches!(event, Counted::StoreCall { .. });
            count.fetch_add(usize::from(is_call), Ordering::Relaxed);
        });
        let here = app(here);
        let address = serve(here.clone()).await;
        // It shares nothing with the other process but the store.
        let there = app(Sessions::new(store));

        let (mut doomed, mut others, mut cookies) = (JoinSet::new(), Vec::new(), Vec::new());
        for number in 0..STREAMS {
            let cookie = signed_in(&here).await;
            let mut stream = Client::connect(address, &cookie).await;
            match number % 2 {
                0 => {
                    doomed.spawn(async move { stream.next().await });
                    cookies.push(cookie);
                }
                _ => others.push(stream),
            }
        }
        for cookie in &cookies {
            post(&there, "/sign-out", Some(cookie)).await;
        }
        let before = looks.load(Ordering::Relaxed);
        while let Some(closed) = doomed.join_next().await {
            assert_eq!(closed.unwrap(), "ended: signed out");
        }
        // Within a lease each session is looked at twice at most, and 64 looks were under way.
        let made = looks.load(Ordering::Relaxed) - before;
        assert!(made <= 2 * STREAMS + 64, "{made} looks");

        // None closes without a reason.
        post_text(&here, "still here?").await;
        for stream in &mut others {
            assert_eq!(stream.next().await, "still here?");
        }
    }

    #[tokio::test]
    async fn a_stream_whose_token_was_replaced_asks_the_browser_to_reconnect() {
        let app = app(Sessions::new(MemoryStore::new()));
        let address = serve(app.clone()).await;
        let cookie = signed_in(&app).await;
        let mut stream = Client::connect(address, &cookie).await;
        let newer = post(&app, "/sign-in", Some(&cookie)).await.unwrap();
        assert_eq!(stream.next().await, "ended: reconnect");
        let mut again = Client::connect(address, &newer).await;
        post_text(&app, "hello").await;
        assert_eq!(again.next().await, "hello");
    }

    #[tokio::test]
    async fn a_stranger_gets_no_stream() {
        let app = app(Sessions::new(MemoryStore::new()));
        let request = Request::get("/news").body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }

    async fn serve(app: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    async fn signed_in(app: &Router) -> String {
        post(app, "/sign-in", None).await.unwrap()
    }

    /// Returns the cookie of the response.
    async fn post(app: &Router, path: &str, cookie: Option<&str>) -> Option<String> {
        let mut request = Request::post(path);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let line = response.headers().get(SET_COOKIE)?.to_str().unwrap();
        Some(line.split(';').next().unwrap().to_owned())
    }

    async fn post_text(app: &Router, text: &'static str) {
        let request = Request::post("/say").body(Body::from(text)).unwrap();
        app.clone().oneshot(request).await.unwrap();
    }

    struct Client(BufReader<TcpStream>);

    impl Client {
        /// Returns when the head of the response is there.
        async fn connect(address: SocketAddr, cookie: &str) -> Self {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /news HTTP/1.1\r\nHost: test\r\nCookie: {cookie}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut client = Self(BufReader::new(stream));
            assert_eq!(client.line().await, "HTTP/1.1 200 OK");
            while !client.line().await.is_empty() {}
            client
        }

        async fn line(&mut self) -> String {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).await.unwrap();
            assert!(read > 0, "the stream ended without a word");
            line.trim_end().to_owned()
        }

        /// The next event.
        async fn next(&mut self) -> String {
            let mut kind = String::new();
            loop {
                let line = self.line().await;
                if let Some(name) = line.strip_prefix("event: ") {
                    kind = format!("{name}: ");
                } else if let Some(data) = line.strip_prefix("data: ") {
                    return kind + data;
                }
            }
        }
    }
}
