//! The Rust application: the guide's, once for each configuration, with a few routes more that look
//! into sessions.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use cloakroom_axum::{Error, Session};
use cloakroom_core::Expiry;
use cloakroom_flask::{Integer, Object, Settings, TimeDelta, Value};
use serde::Deserialize;
use serde_json::Map;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::client::Dump;
use super::plan::Setup;
use super::repr::repr;
use crate::program::{Failure, fail};

#[allow(dead_code, reason = "its `main` is for who runs it as a program")]
#[path = "../../../../stores/flask/examples/shop/main.rs"]
mod shop;

/// Serves an application for each configuration, under its name.
pub(super) async fn serve(
    setups: Vec<(Setup, Map<String, serde_json::Value>)>,
) -> Result<(SocketAddr, AbortHandle), Failure> {
    let mut all = Router::new();
    for (setup, keys) in setups {
        let name = setup.name();
        match app(&setup, keys).await {
            Ok(app) => all = all.nest(&format!("/{name}"), app),
            Err(error) => return fail(format!("the Rust application for {name}: {error}")),
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move { axum::serve(listener, all).await });
    Ok((address, serving.abort_handle()))
}

async fn app(
    setup: &Setup,
    keys: Map<String, serde_json::Value>,
) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let probes = Router::new()
        .route("/probe/write", post(write))
        .route("/probe/read", get(read))
        .route("/probe/set", post(put))
        .route("/probe/drop", post(drop_one))
        .route("/probe/count", post(count))
        .route("/probe/untouched", get(untouched))
        .route("/probe/new", get(is_new))
        .route("/probe/refused", post(refused))
        .route("/probe/clear", post(clear))
        .route("/probe/hold", post(hold))
        .route("/probe/release", post(release))
        .route("/probe/go", post(go))
        .with_state(Arc::new(Gate::default()));
    let settings: Settings = match keys.get("SNIPPET") {
        Some(place) if setup.is_snippet() => {
            let mut settings = Settings::redis_snippet();
            settings.session_redis = place.as_str().map(str::to_owned);
            settings
        }
        _ => serde_json::from_value(keys.into())?,
    };
    let store = cloakroom_flask_stores::open(&settings).await?;
    shop::with_sessions(shop::routes().merge(probes), store, &settings)
}

#[derive(Deserialize)]
struct Wanted {
    permanent: Option<u8>,
    types: Option<String>,
}

/// The values PLAIN and TYPED of `serve.py`, as Rust types where possible.
async fn write(session: Session, Query(wanted): Query<Wanted>) -> Result<StatusCode, Error> {
    if let Some(permanent) = wanted.permanent {
        let expiry = Expiry::new();
        session.set_expiry(match permanent {
            1 => expiry.persistent(),
            _ => expiry.session_cookie(),
        })?;
    }
    session.insert("answer", 42)?;
    session.insert("below", -7)?;
    session.insert("large", 1_u64 << 40)?;
    session.insert("name", "Zo\u{eb} \u{2603} \u{1f36a}")?;
    session.insert("empty", "")?;
    session.insert("yes", true)?;
    session.insert("no", false)?;
    session.insert("nothing", None::<bool>)?;
    session.insert("half", 0.5)?;
    session.insert("list", (1, "two", None::<bool>, [3.25]))?;
    let nested = serde_json::json!({"a": {"b": [true, {}]}, "c": "d"});
    session.insert("nested", nested)?;
    for name in wanted.types.iter().flat_map(|types| types.split(',')) {
        if let Some((key, value)) = typed(name) {
            session.insert(key, value)?;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// 2 to the power of 200.
const HUGE: &str = "1606938044258990275541962092341162602522202993782792835301376";

fn typed(name: &str) -> Option<(&'static str, Value)> {
    Some(match name {
        "bytes" => ("raw", Value::Bytes(b"\x00\xff\x80 bytes".to_vec())),
        "tuple" => {
            let inner = Value::Tuple(vec![3.into()]);
            ("pair", Value::Tuple(vec![1.into(), "two".into(), inner]))
        }
        "set" => ("group", Value::Set(vec![1.into()])),
        "huge" => {
            let huge: Integer = HUGE.parse().ok()?;
            ("huge", Value::from(huge))
        }
        "uuid" => (
            "uuid",
            Value::Uuid([
                0x2f, 0x1c, 0x1f, 0x0e, 0x7a, 0x3b, 0x4c, 0x55, 0x9c, 0x3e, 0x8f, 0x6f, 0x3a, 0x0d,
                0x9b, 0x11,
            ]),
        ),
        "markup" => ("markup", Value::Markup("<b>&amp;</b>".into())),
        "date" => {
            let date = "2026-11-21T06:30:01+00:00".parse().ok()?;
            ("date", Value::DateTime(date))
        }
        "frozen" => ("frozen", Value::FrozenSet(vec![1.into()])),
        "uuid1" => (
            "uuid1",
            Value::Uuid(0xf4f1_e69a_e596_11f1_ae20_02fc_0000_0001_u128.to_be_bytes()),
        ),
        "day" => ("day", Value::Date("2026-11-21".parse().ok()?)),
        "span" => ("span", Value::TimeDelta(TimeDelta::new(-1, 2, 3)?)),
        "money" => ("money", Value::Decimal("1.50".into())),
        "time" => {
            let hour = Value::TimeDelta(TimeDelta::new(0, 3_600, 0)?);
            let zone = object("datetime.timezone", [hour, "CET".into()])?;
            let state = Value::Bytes(vec![1, 2, 3, 0, 0, 4]);
            ("time", object("datetime.time", [state, zone])?)
        }
        "zoned" => {
            let zone = object("zoneinfo.ZoneInfo", ["Europe/Berlin".into()])?;
            ("zoned", object("datetime.datetime", [july(12), zone])?)
        }
        "pytz" => {
            let zone = object("pytz.UTC", [])?;
            ("pytz", object("datetime.datetime", [july(0), zone])?)
        }
        "local" => {
            let zone = [
                "Europe/Berlin".into(),
                7_200.into(),
                3_600.into(),
                "CEST".into(),
            ];
            let zone = object("pytz.timezone", zone)?;
            ("local", object("datetime.datetime", [july(0), zone])?)
        }
        "array" => (
            "array",
            object("bytearray", [Value::Bytes(b"a\xff".to_vec())])?,
        ),
        "complex" => ("complex", object("complex", [1.5.into(), 2.0.into()])?),
        "file" => {
            let bytes = b"caf\xed\xb3\xa9 \xe2\x98\x83".to_vec();
            ("file", object("str", [Value::Bytes(bytes)])?)
        }
        "infinite" => ("infinite", f64::NEG_INFINITY.into()),
        "tagged" => (
            "tagged",
            Value::Dict(vec![(" t".into(), Value::List(vec![1.into()]))]),
        ),
        _ => return None,
    })
}

fn object<const N: usize>(class: &str, arguments: [Value; N]) -> Option<Value> {
    Object::new(class, arguments).map(Value::Object)
}

/// 2026-07-01 at this hour, as `datetime` has it in a pickle.
fn july(hour: u8) -> Value {
    Value::Bytes(vec![0x07, 0xea, 7, 1, hour, 0, 0, 0, 0, 0])
}

/// Any value, as Python prints it.
async fn read(session: Session) -> Result<Json<Dump>, Error> {
    let mut dump = Dump::new();
    for name in session.keys()? {
        if let Some(value) = session.get::<Value>(&name)? {
            dump.insert(name, repr(&value));
        }
    }
    Ok(Json(dump))
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    #[serde(default)]
    value: String,
}

async fn put(session: Session, Query(entry): Query<Entry>) -> Result<StatusCode, Error> {
    session.insert(&entry.key, entry.value)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn drop_one(session: Session, Query(entry): Query<Entry>) -> Result<StatusCode, Error> {
    session.remove(&entry.key)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn count(session: Session) -> Result<StatusCode, Error> {
    session.update("count", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn untouched() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn is_new(session: Session) -> Result<Json<bool>, Error> {
    Ok(Json(session.is_new()?))
}

/// Why a write is refused.
async fn refused(session: Session) -> Result<String, StatusCode> {
    match session.insert("a", 1) {
        Err(error) => Ok(error.to_string()),
        Ok(()) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// As in Flask: not a sign-out, but a session that is left empty.
async fn clear(session: Session) -> Result<StatusCode, Error> {
    session.clear()?;
    Ok(StatusCode::NO_CONTENT)
}

/// For a request that loads its session, and stays until another one lets it go on.
#[derive(Default)]
struct Gate {
    held: Notify,
    go: Notify,
}

async fn hold(session: Session, State(gate): State<Arc<Gate>>) -> Result<StatusCode, Error> {
    session.insert("held", "by rust")?;
    gate.held.notify_one();
    Ok(told(&gate.go).await)
}

/// As in `serve.py`: not for ever, should the other request have failed.
async fn told(signal: &Notify) -> StatusCode {
    match timeout(Duration::from_secs(20), signal.notified()).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn release(State(gate): State<Arc<Gate>>) -> StatusCode {
    told(&gate.held).await
}

async fn go(State(gate): State<Arc<Gate>>) -> StatusCode {
    gate.go.notify_one();
    StatusCode::NO_CONTENT
}
