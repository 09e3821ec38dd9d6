//! A site of this process over https, whose sessions are bound to devices. It records what the
//! browser sends, and fails on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloakroom_axum::{
    Config, DeviceBinding, DeviceBindingLayer, DeviceStatus, Error, Policy, RequireDevice, Session,
    SessionLayer, Sessions,
};
use cloakroom_memory::MemoryStore;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::program::{Failure, fail};

/// The shortest life that a bound cookie can have.
const SHORTEST: Duration = Duration::from_secs(10);
/// Browsers refresh a cookie with every page if it is about to expire. This one is not.
const LONG: Duration = Duration::from_secs(1_800);
const CHALLENGE_LIFE: Duration = Duration::from_secs(3_600);
/// A page without a session. Its icon spares a request that could need a refresh.
const STATIC: &str = "<!doctype html><title>static</title><link rel=icon href=data:,>";
/// How long an awaited request may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const REGISTER: &str = "/dbsc/register";
pub(super) const REFRESH: &str = "/dbsc/refresh";
pub(super) const OFFER: &str = "secure-session-registration";
pub(super) const BOUND: &str = "__Host-session-bound";

/// A request that was answered, or was not.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    /// The names of its cookies.
    pub(super) cookies: Vec<String>,
    /// None if the client got no answer.
    pub(super) status: Option<StatusCode>,
    pub(super) answer: HeaderMap,
}

impl Seen {
    pub(super) fn is(&self, path: &str, status: u16) -> bool {
        self.path == path && self.status.is_some_and(|got| got == status)
    }

    pub(super) fn has_cookie(&self, name: &str) -> bool {
        self.cookies.iter().any(|cookie| cookie == name)
    }
}

/// A mishap of one request of a path.
#[derive(Clone)]
pub(super) enum Fault {
    /// The request is not handled, and gets this status.
    Status(StatusCode),
    /// The request is not handled, and its connection ends.
    DropRequest,
    /// The request is handled, and its connection ends without an answer.
    DropAnswer,
    /// The request waits for a permit before it is handled.
    Hold(Arc<Semaphore>),
    /// The request is handled, and its commit waits for a permit.
    HoldCommit(Arc<Semaphore>),
    /// The request is handled, and its answer waits for a permit.
    HoldAnswer(Arc<Semaphore>),
    /// The request is handled twice, and the second answer is sent.
    Double,
    /// The answer has this offer, too.
    Offer(HeaderValue),
}

/// Where a request's commit waits.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

#[derive(Default)]
struct Wire {
    seen: Mutex<Vec<Seen>>,
    /// The paths of the requests that wait.
    held: Mutex<Vec<String>>,
    faults: Mutex<Vec<(String, VecDeque<Fault>)>>,
    changed: watch::Sender<usize>,
}

pub(super) struct Site {
    wire: Arc<Wire>,
    url: String,
    pin: String,
    server: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Site {
    /// Opens it on a free port.
    pub(super) async fn open() -> Result<Self, Failure> {
        Self::open_with(LONG).await
    }

    /// Opens it with bound cookies that soon expire.
    pub(super) async fn open_briefly() -> Result<Self, Failure> {
        Self::open_with(SHORTEST).await
    }

    async fn open_with(life: Duration) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let public = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
        let wire = Arc::new(Wire::default());
        let router = router(wire.clone(), life)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let tls = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            wire,
            url,
            pin: STANDARD.encode(Sha256::digest(public)),
            server: tokio::spawn(serve(listener, tls, router)),
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The SHA-256 of the server's public key, as Chromium's option takes it.
    pub(super) fn pin(&self) -> &str {
        &self.pin
    }

    /// Lets the next requests of this path fail so, in turn.
    pub(super) fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().collect();
        lock(&self.wire.faults).push((path.to_owned(), faults));
    }

    /// Ends all faults.
    pub(super) fn mend(&self) {
        lock(&self.wire.faults).clear();
    }

    /// Forgets the requests until now.
    pub(super) fn forget(&self) {
        lock(&self.wire.seen).clear();
        lock(&self.wire.held).clear();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.wire.seen).clone()
    }

    /// Waits for a request that has this path and was answered with this status.
    pub(super) async fn answered(&self, path: &str, status: u16) -> Result<Seen, Failure> {
        let what = format!("no answer {status} to {path}");
        let find = || {
            let seen = lock(&self.wire.seen);
            seen.iter().find(|seen| seen.is(path, status)).cloned()
        };
        self.wait(&what, find).await
    }

    /// Waits until as many requests of this path are held.
    pub(super) async fn held(&self, path: &str, wanted: usize) -> Result<(), Failure> {
        let what = format!("not {wanted} requests of {path}");
        let find = || {
            let held = lock(&self.wire.held);
            let count = held.iter().filter(|held| *held == path).count();
            (count >= wanted).then_some(())
        };
        self.wait(&what, find).await
    }

    async fn wait<T>(&self, what: &str, find: impl Fn() -> Option<T>) -> Result<T, Failure> {
        let mut changed = self.wire.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = find() {
                    return found;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(found) => Ok(found),
            Err(_) => fail(format!("{what} within {PATIENCE:?}: {:#?}", self.seen())),
        }
    }
}

fn router(wire: Arc<Wire>, life: Duration) -> Result<Router, Failure> {
    // Its cookie outlasts a restart of the browser.
    let config = Config::builder().persistent(true).build()?;
    let binding = DeviceBinding::new(&config)?.with_lives(life, CHALLENGE_LIFE)?;
    let guard = |policy| RequireDevice::new(binding.clone(), policy);
    Ok(Router::new()
        .route("/guarded", get(status).layer(guard(Policy::Refuse)))
        .route("/", get(page).layer(guard(Policy::Observe)))
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/static", get(Html(STATIC)))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/rotate", post(rotate))
        .layer(DeviceBindingLayer::new(binding.clone()))
        // The requests that it holds back have loaded the session, and have not saved it.
        .layer(from_fn_with_state(wire.clone(), hold_commit))
        .layer(SessionLayer::from(
            Sessions::new(MemoryStore::new()).with_config(config),
        ))
        .layer(from_fn_with_state(wire, record)))
}

async fn page(
    Extension(status): Extension<DeviceStatus>,
    session: Session,
) -> Result<Html<String>, Error> {
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(Html(format!(
        "<!doctype html><title>bound</title><link rel=icon href=data:,><h1>{name}</h1><p>{status:?}</p>\
         <form method=post action=/sign-in><button>in</button></form>\
         <form method=post action=/sign-out><button>out</button></form>"
    )))
}

async fn status(
    Extension(status): Extension<DeviceStatus>,
    session: Session,
) -> Result<String, Error> {
    let name = session.subject()?;
    Ok(format!(
        "{status:?} {}",
        name.as_deref().unwrap_or("nobody")
    ))
}

async fn visit(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string())
}

async fn visits(session: Session) -> Result<String, Error> {
    Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
}

async fn sign_in(session: Session) -> Result<Redirect, Error> {
    session.sign_in("ada")?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session) -> Result<Redirect, Error> {
    session.sign_out()?;
    Ok(Redirect::to("/"))
}

async fn rotate(session: Session) -> Result<&'static str, Error> {
    session.rotate()?;
    Ok("rotated")
}

async fn record(
    State(wire): State<Arc<Wire>>,
    Extension(connection): Extension<Arc<Notify>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let fault = {
        let mut faults = lock(&wire.faults);
        let mut faults = faults
            .iter_mut()
            .filter(|(of, left)| *of == path && !left.is_empty());
        faults.next().and_then(|(_, left)| left.pop_front())
    };
    let note = |response: Option<&Response>| {
        let cookies = headers.get_all("cookie").iter();
        let cookies = cookies.flat_map(|line| line.to_str().unwrap_or_default().split("; "));
        let names = cookies.filter_map(|cookie| cookie.split('=').next());
        lock(&wire.seen).push(Seen {
            path: path.clone(),
            cookies: names.map(str::to_owned).collect(),
            status: response.map(Response::status),
            answer: response.map_or_else(HeaderMap::new, |response| response.headers().clone()),
        });
        wire.changed.send_modify(|n| *n += 1);
    };
    let handled = match fault {
        None => Ok(next.run(request).await),
        Some(Fault::Status(status)) => Ok(status.into_response()),
        Some(Fault::DropRequest) => Err(()),
        Some(Fault::DropAnswer) => {
            next.run(request).await;
            Err(())
        }
        Some(Fault::Hold(gate)) => {
            wire.hold(&path, &gate).await;
            Ok(next.run(request).await)
        }
        Some(Fault::HoldCommit(gate)) => {
            request.extensions_mut().insert(Gate(gate));
            Ok(next.run(request).await)
        }
        Some(Fault::HoldAnswer(gate)) => {
            let response = next.run(request).await;
            wire.hold(&path, &gate).await;
            Ok(response)
        }
        Some(Fault::Double) => {
            let mut double = Request::default();
            *double.method_mut() = request.method().clone();
            *double.uri_mut() = request.uri().clone();
            *double.headers_mut() = request.headers().clone();
            next.clone().run(double).await;
            Ok(next.run(request).await)
        }
        Some(Fault::Offer(offer)) => {
            let mut response = next.run(request).await;
            response.headers_mut().insert(OFFER, offer);
            Ok(response)
        }
    };
    note(handled.as_ref().ok());
    match handled {
        Ok(response) => response,
        Err(()) => {
            connection.notify_one();
            std::future::pending().await
        }
    }
}

async fn hold_commit(State(wire): State<Arc<Wire>>, request: Request, next: Next) -> Response {
    let gate: Option<Gate> = request.extensions().get().cloned();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if let Some(Gate(gate)) = gate {
        wire.hold(&path, &gate).await;
    }
    response
}

impl Wire {
    async fn hold(&self, path: &str, gate: &Semaphore) {
        lock(&self.held).push(path.to_owned());
        self.changed.send_modify(|n| *n += 1);
        // An error is a gate that is closed for good, which lets all pass.
        if let Ok(permit) = gate.acquire().await {
            permit.forget();
        }
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    // Dropped with the task, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, cut) = (tls.clone(), Arc::new(Notify::new()));
        let service = TowerToHyperService::new(router.clone().layer(Extension(cut.clone())));
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let server = Builder::new(TokioExecutor::new());
            let serving = server.serve_connection(TokioIo::new(stream), service);
            // An error is a client that went away.
            tokio::select! {
                _ = serving => {}
                () = cut.notified() => {}
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
