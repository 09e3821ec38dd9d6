//! Sessions of axum_session move to Cloakroom: from Redis, SQLite, PostgreSQL and MariaDB.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use axum_session::{DatabasePool, Session, SessionConfig, SessionLayer, SessionStore};
use axum_session_auth::{AuthSession, AuthSessionLayer, Authentication};
use axum_session_redispool::SessionRedisPool;
use axum_session_sqlx::{SessionMySqlPool, SessionPgPool, SessionSqlitePool};
use cloakroom_adopting::{Adopted, Adopting};
use cloakroom_axum::{Error, Sessions};
use cloakroom_axum_session::{AxumSessions, BoundCookies, Settings};
use cloakroom_redis::RedisStore;
use cloakroom_servers::{MariaDb, Postgres};
use cloakroom_store::{Created, Key, Replaced, Store, UnixTime, Write};
use moving::{Client, Redis};
use redis_pool::RedisPool;
use serde_json::{Value, json};

/// How an id is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    /// `with_ip_and_user_agent(false)`.
    Signed,
    /// The default with a key.
    Bound,
}

const KEY: [u8; 64] = [7; 64];
const DATABASE_KEY: [u8; 64] = [9; 64];

trait Pool: DatabasePool + Clone + Debug + Send + Sync + 'static {}
impl<P: DatabasePool + Clone + Debug + Send + Sync + 'static> Pool for P {}

#[derive(Clone, Debug)]
struct User(i64);

#[async_trait]
impl Authentication<User, i64, ()> for User {
    async fn load_user(id: i64, _: Option<&()>) -> Result<User, anyhow::Error> {
        Ok(User(id))
    }

    fn is_authenticated(&self) -> bool {
        true
    }

    fn is_active(&self) -> bool {
        true
    }

    fn is_anonymous(&self) -> bool {
        false
    }
}

type Auth<P> = AuthSession<User, i64, P, ()>;

/// The application with axum_session and axum_session_auth.
async fn theirs<P: Pool>(pool: P, mode: Mode, is_encrypted: bool) -> Router {
    fn cart<P: Pool>(session: &Session<P>) -> Vec<String> {
        session.get("cart").unwrap_or_default()
    }

    let key = axum_session::Key::from;
    let config = SessionConfig::default();
    let config = match mode {
        Mode::Plain => config,
        Mode::Signed => config.with_key(key(&KEY)).with_ip_and_user_agent(false),
        Mode::Bound => config.with_key(key(&KEY)),
    };
    let config = match is_encrypted {
        true => config.with_database_key(key(&DATABASE_KEY)),
        false => config,
    };
    let store = SessionStore::<P>::new(Some(pool), config).await;
    Router::new()
        .route(
            "/login/{id}",
            get(async |auth: Auth<P>, Path(id): Path<i64>| auth.login_user(id)),
        )
        .route(
            "/remember",
            get(async |auth: Auth<P>| auth.remember_user(true)),
        )
        .route(
            "/add/{item}",
            get(async |session: Session<P>, Path(item): Path<String>| {
                let mut cart = cart(&session);
                cart.push(item);
                session.set("cart", cart);
            }),
        )
        .route(
            "/see",
            get(async |auth: Auth<P>| {
                let user = auth.current_user.as_ref().map(|user| user.0.to_string());
                Json(json!({ "user": user, "cart": cart(&auth.session) }))
            }),
        )
        .layer(AuthSessionLayer::<User, i64, P, ()>::new(Some(())))
        .layer(SessionLayer::new(store.expect("a store")))
}

/// The application with Cloakroom.
fn ours(store: impl Store + 'static, mode: Mode) -> Router {
    use cloakroom_axum::{Session, SessionLayer};

    async fn sign_out(session: Session) -> Result<(), Error> {
        session.sign_out()
    }

    async fn sign_in(session: Session) -> Result<(), Error> {
        session.sign_in("7")
    }

    async fn add(session: Session, Path(item): Path<String>) -> Result<(), Error> {
        session.update("cart", move |cart: Option<Vec<String>>| {
            let mut cart = cart.unwrap_or_default();
            cart.push(item.clone());
            cart
        })?;
        Ok(())
    }

    async fn see(session: Session) -> Result<Json<Value>, Error> {
        let cart: Option<Vec<String>> = session.get("cart")?;
        Ok(Json(
            json!({ "user": session.subject()?, "cart": cart.unwrap_or_default() }),
        ))
    }

    async fn unbind(
        State(cookies): State<BoundCookies>,
        ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>,
        mut request: Request,
        next: Next,
    ) -> Response {
        cookies.unbind(request.headers_mut(), Some(peer.ip()));
        next.run(request).await
    }

    let key = cookie::Key::from(&KEY);
    let settings = match mode {
        Mode::Plain => Settings::new(),
        Mode::Signed | Mode::Bound => Settings::new().signed(key.clone()),
    };
    let config = settings.axum_session_auth().builder().build();
    let sessions = Sessions::new(store).with_config(config.expect("these settings fit"));
    let app = Router::new()
        .route("/sign-out", get(sign_out))
        .route("/sign-in", get(sign_in))
        .route("/add/{item}", get(add))
        .route("/see", get(see))
        .layer(SessionLayer::from(sessions));
    match mode {
        Mode::Bound => app.layer(from_fn_with_state(
            BoundCookies::new("session", key),
            unbind,
        )),
        Mode::Plain | Mode::Signed => app,
    }
}

fn nothing() -> Value {
    json!({ "user": null, "cart": [] })
}

/// The whole way of visitors.
async fn check<S: Store + Clone + 'static>(
    pool: impl Pool,
    old: AxumSessions<S>,
    mode: Mode,
    is_encrypted: bool,
) {
    let redis = Redis::start_own().expect("Redis");
    let new = RedisStore::connect(&redis.url).await.expect("Redis");
    let theirs = theirs(pool.clone(), mode, is_encrypted).await;
    let with_key = |byte| old.clone().database_key(cookie::Key::from(&[byte; 64]));
    let (old, wrong) = match is_encrypted {
        true => (with_key(9), with_key(8)),
        false => (old.clone(), with_key(9)),
    };
    let adopting = Adopting::new(new.clone(), old.clone());
    let app = ours(adopting.clone(), mode);
    let there = async |client: &Client| {
        let exists = pool.exists(&client.id(), "sessions").await;
        exists.expect("an answer")
    };

    let [mut ada, mut bob] = [Client::new(), Client::new()];
    for (client, id, item) in [(&mut ada, 42, "tea"), (&mut bob, 7, "milk")] {
        client.get(&theirs, &format!("/login/{id}")).await;
        client.get(&theirs, &format!("/add/{item}")).await;
    }
    bob.get(&theirs, "/remember").await;

    // With another key nothing is read, and nothing is lost.
    let with_wrong = ours(Adopting::new(new.clone(), wrong.clone()), mode);
    let response = ada.clone().send(&with_wrong, "/see").await;
    assert!(response.status().is_server_error(), "{mode:?}");
    let key = Key::new(&bob.id()).expect("a key");
    let wrongly = Adopting::new(new.clone(), wrong).adopt(&key, None).await;
    wrongly.expect_err("not moved");
    assert!(there(&ada).await && there(&bob).await);

    // A read moves nothing. The first write does, and the cookie stays.
    let cookie = ada.cookie.clone();
    let seen = ada.get(&app, "/see").await;
    assert_eq!(seen, json!({ "user": "42", "cart": ["tea"] }), "{mode:?}");
    assert!(there(&ada).await);
    ada.get(&app, "/add/sugar").await;
    let seen = ada.get(&app, "/see").await;
    assert_eq!(seen, json!({ "user": "42", "cart": ["tea", "sugar"] }));
    assert!(!there(&ada).await, "{mode:?}: the old record is there");
    assert_eq!(ada.cookie, cookie);

    // Those that are not ada.
    if mode != Mode::Plain {
        let mut forged = ada.clone();
        forged.cookie = Some(ada.id());
        assert_eq!(forged.get(&app, "/see").await, nothing(), "{mode:?}");
        let mut stolen = ada.clone();
        let signature = bob.cookie.clone().expect("a cookie");
        let signature = &signature[..signature.len() - 36];
        stolen.cookie = Some(format!("{signature}{}", ada.id()));
        assert_eq!(stolen.get(&app, "/see").await, nothing(), "{mode:?}");
    }
    let mut elsewhere = ada.clone();
    elsewhere.address = "192.0.2.8:4711";
    let mut other = ada.clone();
    other.agent = "Browser/2.0";
    for thief in [&mut elsewhere, &mut other] {
        let is_refused = thief.get(&app, "/see").await == nothing();
        assert_eq!(is_refused, mode == Mode::Bound, "{mode:?}");
    }

    // Theirs has the session in memory, serves it after the sign-out, and writes it again.
    let mut copy = ada.clone();
    ada.get(&app, "/sign-out").await;
    assert_eq!(ada.cookie, None);
    copy.get(&theirs, "/add/salt").await;
    assert!(there(&copy).await, "{mode:?}: not written again");
    for _ in 0..2 {
        assert_eq!(copy.get(&app, "/see").await, nothing(), "{mode:?}");
        assert!(!there(&copy).await, "{mode:?}");
    }

    // Without a request, and to a new token at the sign-in. A long session stays long.
    let adopted = async || adopting.adopt(&key, None).await.expect("asked");
    assert_eq!(adopted().await, Adopted::Moved);
    assert_eq!(adopted().await, Adopted::Already);
    assert!(!there(&bob).await);
    let mut copy = bob.clone();
    bob.get(&app, "/add/flour").await;
    let found = new.load(&key).await.expect("loaded").expect("moved");
    let days = |days: u64| UnixTime::from(SystemTime::now()) + Duration::from_secs(days * 86_400);
    assert!((days(59)..=days(60)).contains(&found.expires_at));
    bob.get(&app, "/sign-in").await;
    assert_ne!(bob.cookie, copy.cookie);
    let cart = json!(["milk", "flour"]);
    let seen = bob.get(&app, "/see").await;
    assert_eq!(seen, json!({ "user": "7", "cart": cart }));
    // The old token reads the session from before the sign-in, for the grace.
    let seen = copy.get(&app, "/see").await;
    assert_eq!(seen, json!({ "user": "7", "cart": cart }));

    // The new store alone.
    let done = ours(new, mode);
    let seen = bob.get(&done, "/see").await;
    assert_eq!(seen, json!({ "user": "7", "cart": cart }));
}

/// Records that the table's own store writes can be read by axum_session, so the columns are right.
async fn check_columns(pool: impl Pool, table: &impl Store, mode: Mode) {
    let theirs = theirs(pool, mode, false).await;
    let mut client = Client::new();
    client.cookie = Some("67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned());
    let key = Key::new(&client.id()).expect("a key");
    let record = |item: &str| {
        let data = json!({ "cart": json!([item]).to_string() });
        json!({ "data": data, "longterm": false }).to_string()
    };
    let end = UnixTime::from(SystemTime::now()) + Duration::from_secs(600);
    let write = Write::new(record("caf\u{e9}"), end, None);
    let created = async || table.create(&key, &write).await.expect("asked");
    assert_eq!(created().await, Created::Stored);
    assert_eq!(created().await, Created::Taken);
    let found = table.load(&key).await.expect("loaded").expect("there");
    assert_eq!((&found.bytes, found.expires_at), (&write.bytes, end));
    let other = Write::new(record("cr\u{e8}me"), end, None);
    let replaced = table.replace(&key, &found, &other).await.expect("asked");
    assert_eq!(replaced, Replaced::Stored);
    let replaced = table.replace(&key, &found, &write).await.expect("asked");
    assert_eq!(replaced, Replaced::Changed);
    let seen = client.get(&theirs, "/see").await;
    assert_eq!(seen["cart"], json!(["cr\u{e8}me"]));
}

// R85, R86
#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_from_redis() {
    let redis = Redis::start_own().expect("Redis");
    let client = redis::Client::open(&*redis.url).expect("a URL");
    for (mode, is_encrypted) in [
        (Mode::Plain, false),
        (Mode::Signed, false),
        (Mode::Bound, true),
    ] {
        let pool = SessionRedisPool::from(RedisPool::from(client.clone()));
        let old = AxumSessions::connect_redis(&redis.url)
            .await
            .expect("Redis");
        check(pool, old, mode, is_encrypted).await;
    }
}

// R85, R86
#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_from_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!(
        "sqlite:{}?mode=rwc",
        directory.path().join("app.db").display()
    );
    let pool = sqlx::SqlitePool::connect(&url).await.expect("connected");
    let pool = SessionSqlitePool::from(pool);
    for (mode, is_encrypted) in [(Mode::Bound, true), (Mode::Plain, false)] {
        let old = AxumSessions::connect_sql(&url).await.expect("opened");
        check(pool.clone(), old, mode, is_encrypted).await;
    }
    let old = AxumSessions::connect_sql(&url).await.expect("opened");
    check_columns(pool, old.get_ref(), Mode::Plain).await;
}

// R85, R86
#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_from_postgres() {
    let server = Postgres::new().expect("PostgreSQL").0;
    let url = server.by(server.server());
    let pool = sqlx::PgPool::connect(&url).await.expect("connected");
    let pool = SessionPgPool::from(pool);
    let old = AxumSessions::connect_sql(&url).await.expect("opened");
    check(pool.clone(), old.clone(), Mode::Bound, true).await;
    check_columns(pool, old.get_ref(), Mode::Plain).await;
}

// R85, R86
#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_from_mariadb() {
    let server = MariaDb::new().expect("MariaDB").0;
    let url = server.by(server.server());
    let pool = sqlx::MySqlPool::connect(&url).await.expect("connected");
    let pool = SessionMySqlPool::from(pool);
    let old = AxumSessions::connect_sql(&url).await.expect("opened");
    check(pool.clone(), old.clone(), Mode::Bound, true).await;
    check_columns(pool, old.get_ref(), Mode::Plain).await;
}
