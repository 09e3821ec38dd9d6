//! R11, over every store that is opened by a URL: whatever option a secret stands in, known or not,
//! neither the error nor the log at any level has it.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_flask_stores as flask;
use cloakroom_memcached::MemcachedStore;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_redis::RedisStore;
use cloakroom_sql::SqlStore;
use cloakroom_store::StoreError;
use tokio::task::LocalSet;

const SECRET: &str = "hunter2";

/// Nothing listens there.
const PLACE: &str = "127.0.0.1:1";

const LIMIT: Duration = Duration::from_millis(200);

/// Options of the clients below, in any of their URLs, and some that none of them has.
const OPTIONS: &[&str] = &[
    "application_name",
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "cache",
    "channel_binding",
    "charset",
    "collation",
    "compressors",
    "connect_timeout",
    "connectTimeoutMS",
    "db",
    "dbname",
    "directConnection",
    "driver",
    "heartbeatFrequencyMS",
    "host",
    "hostaddr",
    "immutable",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "mode",
    "options",
    "options[role]",
    "pass",
    "passfile",
    "passwd",
    "password",
    "port",
    "protocol",
    "proxyHost",
    "proxyPassword",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "secret",
    "serverSelectionTimeoutMS",
    "service",
    "socket",
    "socket_timeout",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl_ca",
    "ssl_ca_certs",
    "ssl_ca_data",
    "ssl_cert",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_key",
    "ssl_keyfile",
    "ssl_password",
    "ssl_verify_cert",
    "sslca",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "statement-cache-capacity",
    "time-zone",
    "timeoutMS",
    "timezone",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsCertificateKeyFilePassword",
    "tlsInsecure",
    "unix_socket",
    "user",
    "username",
    "uuidRepresentation",
    "vfs",
    "w",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
];

/// The secret alone, and where a parser may stop in the middle of it.
const VALUES: &[&str] = &[
    "hunter2",
    "9hunter2",
    "/hunter2.pem",
    "a:hunter2,b",
    "hunter2%zz",
];

/// The beginnings of URLs, behind which options stand.
const URLS: &[&str] = &[
    "sqlite:x.db",
    "postgres://u:hunter2@PLACE/x",
    "postgres:///x",
    "mysql://u:hunter2@PLACE/x",
    "mariadb://PLACE/x",
    "redis://u:hunter2@PLACE/1",
    "redis+unix:///nowhere",
    "rediss://PLACE",
    "redis+cluster://u:hunter2@PLACE",
    "redis+sentinel://u:hunter2@PLACE/m/1",
    "memcached://PLACE",
    "memcached+unix:///nowhere",
    "mongodb://u:hunter2@PLACE/x",
    "flask+redis://u:hunter2@PLACE/1",
    "flask+rediss://PLACE/1",
    "flask+PLACE",
    "flask+mongodb://u:hunter2@PLACE/x",
    "flask+postgresql+psycopg2://u:hunter2@PLACE/x",
    "flask+mysql+pymysql://u:hunter2@PLACE/x",
    "flask+sqlite:///x.db",
];

async fn open(url: &str) -> Result<(), StoreError> {
    let of = |schemes: &[&str]| schemes.iter().any(|scheme| url.starts_with(scheme));
    if let Some(url) = url.strip_prefix("flask+") {
        return match url {
            _ if url.starts_with("redis") => {
                let builder = flask::RedisStore::builder(url).timeout(LIMIT);
                builder.connect().await.map(drop)
            }
            _ if url.starts_with("mongodb") => flask::MongoDbStore::connect(url).await.map(drop),
            _ if url.starts_with("127") => flask::MemcachedStore::connect(url).await.map(drop),
            _ => {
                let builder = flask::SqlAlchemyStore::builder(url).timeout(LIMIT);
                builder.connect().await.map(drop)
            }
        };
    }
    if of(&["redis"]) {
        let builder = RedisStore::builder(url).timeout(LIMIT);
        return builder.connect().await.map(drop);
    }
    if of(&["memcached"]) {
        let builder = MemcachedStore::builder(url).timeout(LIMIT);
        return builder.connect().await.map(drop);
    }
    if of(&["mongodb"]) {
        let builder = MongoDbStore::builder().timeout(LIMIT);
        return builder.connect(url).await.map(drop);
    }
    let builder = SqlStore::builder().timeout(LIMIT);
    builder.connect(url).await.map(drop)
}

/// All that an error shows.
fn told(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_option_of_a_url_gets_into_an_error_or_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // The tasks of the clients run on this thread too, so that their events are in the log.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut opened = 0;
    runtime.block_on(LocalSet::new().run_until(async {
        for beginning in URLS {
            let place = directory.path().join("x.db");
            let beginning = beginning.replace("PLACE", PLACE);
            let beginning = beginning.replace("x.db", &place.to_string_lossy());
            let tasks = OPTIONS.iter().flat_map(|option| {
                let beginning = &beginning;
                VALUES.iter().flat_map(move |value| {
                    // Alone, and behind one that is known.
                    let known = match beginning.trim_start_matches("flask+") {
                        url if url.starts_with("redis") => Some("protocol=resp3&"),
                        url if url.starts_with("sqlite") => Some("mode=rwc&"),
                        _ => None,
                    };
                    let firsts = [Some(""), known].into_iter().flatten();
                    firsts.map(move |first| format!("{beginning}?{first}{option}={value}"))
                })
            });
            let tasks =
                tasks.map(|url| tokio::task::spawn_local(async move { (open(&url).await, url) }));
            for task in tasks.collect::<Vec<_>>() {
                let (outcome, url) = task.await.unwrap();
                match outcome {
                    // An SQLite file, with an option whose value is nobody's secret.
                    Ok(()) => opened += 1,
                    Err(error) => {
                        let told = told(&error);
                        assert!(!told.contains(SECRET), "{url}: {told}");
                    }
                }
            }
        }
    }));
    assert!(opened < OPTIONS.len(), "{opened} of the URLs were taken");
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let told = log.lines().find(|line| line.contains(SECRET));
    assert!(told.is_none(), "{told:?}");
}
