//! A small shop, to see sessions at work: `cargo demo` in a clone of this repository.
//!
//! A site without JavaScript that signs users in, keeps a cart, shows messages and lists a user's
//! devices. Its files:
//!
//! - `main.rs` opens the store, puts the layers around the routes, and serves until a signal
//!   arrives
//! - `arguments.rs` parses the command line. `store.rs` opens the store that it names.
//! - `handlers.rs` what each route does with the session: the part to read first
//! - `form.rs` forms, and the check that they are our own; `failure.rs` what can go wrong, as pages
//! - `operator.rs` the operator's page, and its parts in `operator/`
//! - `tls.rs` https, for sessions that are bound to a device
//! - `pages.rs` HTML; `shop.rs` the goods and the cart; `device.rs` a name for a browser

mod arguments;
mod device;
mod failure;
mod form;
mod handlers;
mod operator;
mod pages;
mod shop;
mod store;
mod tls;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use cloakroom_any::{Enumerator, Opened};
use cloakroom_axum::{
    Config, ConfigError, DeviceBinding, DeviceBindingLayer, Policy, RequireDevice, SessionLayer,
    Sessions, Store,
};
use tokio::net::TcpListener;

use arguments::{Arguments, Wish};
use handlers::Devices;
use operator::Peer;

/// How long open connections may continue after a shutdown began.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long another process of the shop may accept sessions after all have been ended.
const LEASE: Duration = Duration::from_secs(1);

/// No form of this site is longer.
const LONGEST_FORM: usize = 16 * 1024;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::stderr)
        .init();
    let arguments = match arguments::parse(std::env::args_os()) {
        Ok(Wish::Serve(arguments)) => arguments,
        Ok(Wish::Help) => {
            say(arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            complain(&format!("{problem}; --help says what is possible"));
            return ExitCode::from(2);
        }
    };
    match serve(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), String> {
    let (opened, place) = arguments.store.open().await?;
    let listen = &arguments.listen;
    let taken = |error| {
        format!(
            "cannot listen on {listen}: {error}; name another address with --listen ADDRESS:PORT"
        )
    };
    let listener = TcpListener::bind(listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let config = config().map_err(|error| error.to_string())?;

    if arguments.https {
        let binding = DeviceBinding::new(&config).map_err(|error| error.to_string())?;
        let (tls, pin) = tls::Tls::new(listener)?;
        say(&format!(
            "The shop is open at https://localhost:{} (sessions: {place}; Ctrl-C closes it)\n\
             Chromium trusts its certificate with --ignore-certificate-errors-spki-list={pin}",
            address.port()
        ));
        say_operator(address, "https");
        return run(tls, site(opened, config, Some(binding))).await;
    }
    say(&format!(
        "The shop is open at {} (sessions: {place}; Ctrl-C closes it)",
        url(address)
    ));
    say_operator(address, "http");
    if !(address.ip().is_loopback() || address.ip().is_unspecified()) {
        complain(
            "browsers keep the session cookie, which is Secure, only over https or on this machine",
        );
    }
    run(listener, site(opened, config, None)).await
}

/// The defaults, and all sessions can be ended at once.
fn config() -> Result<Config, ConfigError> {
    Config::builder().end_all_within(LEASE).build()
}

async fn run<L>(listener: L, site: Router) -> Result<(), String>
where
    L: Listener<Addr: std::fmt::Debug>,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let site = site.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, site).with_graceful_shutdown(asked_to_stop());
    tokio::select! {
        served = server => served.map_err(|error| format!("cannot go on serving: {error}")),
        () = async { asked_to_stop().await; tokio::time::sleep(TIMEOUT).await } => Ok(()),
    }
}

fn site(opened: Opened, config: Config, binding: Option<DeviceBinding>) -> Router {
    // The handlers list and end sessions by the `Sessions` of the layer. A store that cannot list
    // offers no list.
    match opened.directory {
        Some(directory) => {
            let sessions = Sessions::new(directory).with_config(config);
            site_on(
                &sessions,
                Some(sessions.clone()),
                opened.enumerator,
                binding,
            )
        }
        None => {
            let sessions = Sessions::new(opened.store).with_config(config);
            site_on(&sessions, None, opened.enumerator, binding)
        }
    }
}

fn site_on<S: Store>(
    sessions: &Sessions<S>,
    devices: Devices,
    enumerator: Option<Enumerator>,
    binding: Option<DeviceBinding>,
) -> Router {
    let layer = SessionLayer::from(sessions.clone()).on_commit_error(failure::not_saved);
    let mut account = get(handlers::account);
    if let Some(binding) = &binding {
        // The handler gets the status, and decides.
        account = account.layer(RequireDevice::new(binding.clone(), Policy::Observe));
    }
    let mut routes = Router::new()
        .route("/", get(handlers::shop))
        .route("/cart", get(handlers::cart))
        .route("/cart/add", post(handlers::add))
        .route("/cart/change", post(handlers::change))
        .route(
            "/sign-in",
            get(handlers::sign_in_page).post(handlers::sign_in),
        )
        .route("/account", account)
        .route("/sign-out", post(handlers::sign_out))
        .route("/sign-out/one", post(handlers::sign_out_one))
        .route("/sign-out/others", post(handlers::sign_out_others))
        // These routes take no session, so they cost no store call, whatever cookies come with the
        // request.
        .route("/style.css", get(handlers::style))
        .route("/icon.svg", get(handlers::icon))
        .merge(operator::routes(
            sessions.clone(),
            devices.clone(),
            enumerator,
        ))
        .fallback(failure::no_such_page)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(DefaultBodyLimit::max(LONGEST_FORM));
    if let Some(binding) = binding {
        routes = routes.layer(DeviceBindingLayer::new(binding));
    }
    routes
        .layer(layer)
        // Outside of the session layer, so that its answers have the headers too.
        .layer(map_response(with_security_headers))
        .with_state(devices)
}

async fn with_security_headers(mut response: Response) -> Response {
    const HEADERS: [(header::HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Same-origin rather than none, because browsers that know no better send `Origin: null`
        // with forms otherwise.
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        // Every page shows who is signed in or what is in the cart: after signing out, "back" must
        // not show it again.
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then only killing stops it.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    interrupted.await;
}

/// Where a browser of this machine finds the site, and keeps its Secure cookie although there is no
/// TLS.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

fn say_operator(address: SocketAddr, scheme: &str) {
    // A browser that reaches the shop by another address is no peer on this machine.
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        let port = address.port();
        say(&format!(
            "Its sessions, for a browser on this machine: {scheme}://localhost:{port}/operator"
        ));
    }
}

// If the standard streams are closed, there is nowhere to report to.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "demo: {text}");
}
