//! Clients that go away while their handler runs: on HTTP/1 with both settings, and on HTTP/2.
//!
//! The handler waits until the test lets it go on. If it has ended before, actix-web cancelled it.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use cloakroom_actix::{Error, Session, SessionMiddleware};
use cloakroom_memory::MemoryStore;
use tokio::sync::{Notify, oneshot};

/// The version of HTTP, and how the client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// It closes the connection.
    Http1Closed,
    /// The connection breaks.
    Http1Broken,
    /// It resets the stream, and keeps the connection.
    Http2Stream,
    Http2Closed,
    Http2Broken,
}

/// The fate of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    Cancelled,
    RunsToItsEnd,
}

// R64: the table of the crate's documentation.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_cancelled_on_http1_alone() {
    use Handler::{Cancelled, RunsToItsEnd};

    for (leaves, by_default, without_half_closed) in [
        (Leaves::Http1Closed, RunsToItsEnd, Cancelled),
        (Leaves::Http1Broken, Cancelled, Cancelled),
        (Leaves::Http2Stream, RunsToItsEnd, RunsToItsEnd),
        (Leaves::Http2Closed, RunsToItsEnd, RunsToItsEnd),
        (Leaves::Http2Broken, RunsToItsEnd, RunsToItsEnd),
    ] {
        for (half_closed, expected) in [(true, by_default), (false, without_half_closed)] {
            let what = format!("{leaves:?}, h1_allow_half_closed({half_closed})");
            let server = Server::start(half_closed);
            let cookie = server.visit().await;
            assert_eq!(server.leave(&cookie, leaves).await, expected, "{what}");
            match expected {
                Cancelled => assert_eq!(server.get("/read", &cookie).await, "1", "{what}"),
                RunsToItsEnd => server.saves("2", &cookie, &what).await,
            }
        }
    }
}

/// The means of the handler that waits.
#[derive(Default)]
struct Stage {
    reached: Notify,
    go_on: Notify,
    /// Receives whether the handler came to its end.
    over: Mutex<Option<oneshot::Sender<bool>>>,
}

/// Reports the end of a handler.
struct Over(Option<oneshot::Sender<bool>>, bool);

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(over) = self.0.take() {
            let _ = over.send(self.1);
        }
    }
}

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

async fn read(session: Session) -> Result<String, Error> {
    Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
}

async fn wait(session: Session, stage: Data<Stage>) -> Result<String, Error> {
    let sender = stage.over.lock().expect("free").take();
    let mut over = Over(sender, false);
    let visits = count(session).await?;
    stage.reached.notify_one();
    stage.go_on.notified().await;
    over.1 = true;
    Ok(visits)
}

struct Server {
    address: SocketAddr,
    stage: Data<Stage>,
    client: reqwest::Client,
    handle: actix_web::dev::ServerHandle,
}

impl Server {
    /// With one worker, so that it sees events in their order.
    fn start(half_closed: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let stage = Data::from(Arc::new(Stage::default()));
        let (data, sessions) = (stage.clone(), SessionMiddleware::new(MemoryStore::new()));
        let factory = move || {
            App::new()
                .app_data(data.clone())
                .wrap(sessions.clone())
                .route("/count", web::get().to(count))
                .route("/read", web::get().to(read))
                .route("/wait", web::get().to(wait))
        };
        let server = HttpServer::new(factory)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .h1_allow_half_closed(half_closed)
            .listen_auto_h2c(listener)
            .expect("a server")
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        Self {
            address,
            stage,
            client: client.build().expect("a client"),
            handle,
        }
    }

    async fn response(&self, path: &str, cookie: &str) -> reqwest::Response {
        let url = format!("http://{}{path}", self.address);
        let request = self.client.get(url).header("cookie", cookie);
        let response = request.send().await.expect("a response");
        assert_eq!(response.status(), 200, "{path}");
        response
    }

    /// Returns the body of the response.
    async fn get(&self, path: &str, cookie: &str) -> String {
        self.response(path, cookie)
            .await
            .text()
            .await
            .expect("a body")
    }

    /// Returns the cookie of a new session.
    async fn visit(&self) -> String {
        let response = self.response("/count", "").await;
        let line = response.headers()["set-cookie"].to_str().expect("text");
        line.split(';').next().unwrap_or_default().to_owned()
    }

    /// Waits until the session has this value.
    async fn saves(&self, visits: &str, cookie: &str, what: &str) {
        let saved = async { while self.get("/read", cookie).await != visits {} };
        let saved = tokio::time::timeout(Duration::from_secs(10), saved).await;
        assert!(saved.is_ok(), "{what}: nothing is saved");
    }

    /// Starts a request that waits, and leaves. Returns the fate of the handler.
    async fn leave(&self, cookie: &str, leaves: Leaves) -> Handler {
        let (sender, mut over) = oneshot::channel();
        *self.stage.over.lock().expect("free") = Some(sender);
        let client = Client::ask(self.address, cookie, leaves).expect("sent");
        self.stage.reached.notified().await;
        let _kept = client.leave(leaves).expect("left");
        // The worker has noticed it when it answers these, which came later.
        for _ in 0..8 {
            self.get("/read", cookie).await;
        }
        if over.try_recv().is_ok() {
            return Handler::Cancelled;
        }
        self.stage.go_on.notify_one();
        match over.await.expect("a report") {
            true => Handler::RunsToItsEnd,
            false => Handler::Cancelled,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The order is given at once. Its future only waits for the end.
        drop(self.handle.stop(false));
    }
}

/// The connection of a client that writes every byte itself.
struct Client(TcpStream);

impl Client {
    /// Sends the request, and waits for nothing.
    fn ask(server: SocketAddr, cookie: &str, leaves: Leaves) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let request = match leaves {
            Leaves::Http1Closed | Leaves::Http1Broken => {
                let head = format!("GET /wait HTTP/1.1\r\nhost: test\r\ncookie: {cookie}\r\n\r\n");
                head.into_bytes()
            }
            Leaves::Http2Stream | Leaves::Http2Closed | Leaves::Http2Broken => {
                // The preface and empty settings (RFC 9113, section 3.4), and the request, whose
                // flags are END_STREAM and END_HEADERS.
                let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
                bytes.extend(frame(4, 0, 0, &[]));
                bytes.extend(frame(1, 5, 1, &fields(cookie)));
                bytes
            }
        };
        stream.write_all(&request)?;
        Ok(Self(stream))
    }

    /// Goes away. Returns the connection if it stays.
    fn leave(mut self, leaves: Leaves) -> io::Result<Option<Self>> {
        match leaves {
            Leaves::Http1Closed | Leaves::Http2Closed => Ok(None),
            Leaves::Http1Broken | Leaves::Http2Broken => {
                // The kernel sends RST instead of FIN then.
                self.0.set_nonblocking(true)?;
                let stream = tokio::net::TcpStream::from_std(self.0)?;
                stream.set_zero_linger()?;
                Ok(None)
            }
            Leaves::Http2Stream => {
                const CANCEL: [u8; 4] = [0, 0, 0, 8];
                self.0.write_all(&frame(3, 0, 1, &CANCEL))?;
                Ok(Some(self))
            }
        }
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The fields of the request: from the static table, and literals that no table keeps (RFC 7541,
/// section 6.2.2).
fn fields(cookie: &str) -> Vec<u8> {
    let literal = |index: &[u8], value: &str| {
        let length = u8::try_from(value.len())
            .ok()
            .filter(|length| *length < 127);
        let length = length.expect("a length of one byte");
        [index, &[length], value.as_bytes()].concat()
    };
    // `:method: GET`, `:scheme: http`, then `:path`, `:authority` and `cookie` by their numbers.
    [
        vec![0x82, 0x86],
        literal(&[0x04], "/wait"),
        literal(&[0x01], "test"),
        literal(&[0x0f, 32 - 15], cookie),
    ]
    .concat()
}
