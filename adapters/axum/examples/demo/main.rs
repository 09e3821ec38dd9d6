//! A small shop, to see sessions at work: `cargo demo` in a clone of this repository.
//!
//! Signing in, a counter, a cart, messages, the list of one's devices: what a site that is shipped does with sessions, without
//! a line of JavaScript. How it is put together:
//!
//! - `main.rs` opens the store, puts the layers around the routes, and serves until it is told to stop
//! - `arguments.rs` what the command line says; `store.rs` opens the store that it names
//! - `handlers.rs` what each route does with the session: the part to read first
//! - `form.rs` forms, and the check that they are our own; `failure.rs` what can go wrong, as pages
//! - `pages.rs` HTML; `shop.rs` the goods and the cart; `device.rs` a name for a browser

mod arguments;
mod device;
mod failure;
mod form;
mod handlers;
mod pages;
mod shop;
mod store;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use cloakroom_any::Opened;
use cloakroom_axum::{SessionLayer, Sessions};
use tokio::net::TcpListener;

use arguments::{Arguments, Wish};
use handlers::Devices;

/// What a browser that keeps a connection open is given to end it.
const PATIENCE: Duration = Duration::from_secs(3);

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

    let server = axum::serve(listener, site(opened)).with_graceful_shutdown(asked_to_stop());
    say(&format!(
        "The shop is open at {} (sessions: {place}; Ctrl-C closes it)",
        url(address)
    ));
    if !(address.ip().is_loopback() || address.ip().is_unspecified()) {
        complain(
            "browsers keep the session cookie, which is Secure, only over https or on this machine",
        );
    }
    tokio::select! {
        served = server => served.map_err(|error| format!("cannot go on serving: {error}")),
        () = async { asked_to_stop().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    }
}

fn site(opened: Opened) -> Router {
    let layer = SessionLayer::new(opened.store).on_error(failure::not_saved);
    // The same store, by which the handlers list and end sessions; one that cannot list offers none.
    let devices: Devices = opened.directory.map(Sessions::new);
    Router::new()
        .route("/", get(handlers::shop))
        .route("/cart", get(handlers::cart))
        .route("/cart/add", post(handlers::add))
        .route("/cart/change", post(handlers::change))
        .route(
            "/sign-in",
            get(handlers::sign_in_page).post(handlers::sign_in),
        )
        .route("/account", get(handlers::account))
        .route("/sign-out", post(handlers::sign_out))
        .route("/sign-out/one", post(handlers::sign_out_one))
        .route("/sign-out/others", post(handlers::sign_out_others))
        // These take no session, and so cost no store call, whatever cookies come with the request.
        .route("/style.css", get(handlers::style))
        .route("/icon.svg", get(handlers::icon))
        .fallback(failure::no_such_page)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
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
        // Same-origin rather than none, because browsers that know no better send `Origin: null` with forms otherwise.
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        // Every page shows who is signed in or what is in the cart: after signing out, "back" must not show it again.
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

/// Where a browser of this machine finds the site, and keeps its Secure cookie although there is no TLS.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

// Nobody is there to be told if the standard streams are closed.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "demo: {text}");
}
