//! R89: sessions with known values and tokens in each real store, and a dump of it as an operator
//! or a thief makes it. With sealed values neither is in it, in any encoding. The same search finds
//! both where they are not sealed.

#[path = "dumps/search.rs"]
mod search;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cloakroom::{Config, Directive, KeyFormat, Sessions};
use cloakroom_file::FileStore;
use cloakroom_memcached::MemcachedStore;
use cloakroom_mongodb::MongoDbStore;
use cloakroom_redis::RedisStore;
use cloakroom_servers::{MariaDb, Memcached, MongoDb, Postgres, Redis};
use cloakroom_servers::{execute, program, query, say};
use cloakroom_sql::SqlStore;
use cloakroom_store::Store;
use search::{Secret, found};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const TEXT: &str = "planted: four words, one text";
const NAME: &str = "planted-name-of-a-value";
/// No byte of it is escaped in SQL.
const NUMBER: u64 = 0xC1C2_4BF0_5EA1_EDD1;
const FLASH: &str = "planted-message-for-the-next-page";

/// How long a listing of all items may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A way to plant secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Sealed,
    /// To show that the search finds what is there. The keys hold the tokens, too.
    Open,
}

impl Run {
    fn config(self) -> Config {
        let builder = Config::builder().public_values(["device"]);
        let builder = match self {
            Self::Sealed => builder.seal_values(true).key_prefix("sealed:"),
            Self::Open => builder.key_format(KeyFormat::Plain).key_prefix("open:"),
        };
        builder.build().unwrap()
    }
}

/// Makes sessions that were created, changed, rotated and signed in. Returns what no dump may hold.
async fn plant(store: impl Store, run: Run) -> Result<Vec<Secret>> {
    let sessions = Sessions::new(store).with_config(run.config());
    let mut tokens: Vec<String> = Vec::new();
    for step in 0..5 {
        let last = tokens.last().map(String::as_str);
        let work = sessions.with(last, |session| {
            match step {
                0 => session.insert(NAME, TEXT)?,
                1 => session.insert("number", NUMBER)?,
                2 => session.rotate(),
                3 => session.sign_in("ada")?,
                _ => session.flash("notice", FLASH)?,
            }
            session.insert("device", "a public laptop")
        });
        let (_, outcome) = work.await?;
        if let Directive::Issue(issued) = outcome.directive {
            tokens.push(issued.token.expose().to_owned());
        }
    }
    assert_eq!(tokens.len(), 3);
    // The last token opens it all.
    let last = tokens.last().map(String::as_str);
    let read = sessions.with(last, |session| {
        Ok((session.get::<String>(NAME)?, session.get::<u64>("number")?))
    });
    assert_eq!(read.await?.0, (Some(TEXT.to_owned()), Some(NUMBER)));

    let secret = |name, bytes: &[u8]| Secret {
        name,
        bytes: bytes.to_vec(),
    };
    let mut secrets = vec![
        secret("text", TEXT.as_bytes()),
        secret("name", NAME.as_bytes()),
        secret("number", &NUMBER.to_be_bytes()),
        secret("flash", FLASH.as_bytes()),
    ];
    for token in tokens {
        secrets.push(secret("token", token.as_bytes()));
        // The 32 bytes that its characters stand for.
        secrets.push(secret("token's bytes", &decoded(&token)));
    }
    Ok(secrets)
}

fn decoded(token: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in token.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Compares a dump of a store with sealed values, and one of a store without.
fn check(what: &str, run: Run, dump: &[u8], secrets: &[Secret]) {
    let found = found(dump, secrets);
    match run {
        Run::Sealed => assert!(found.is_empty(), "{what}, {} bytes: {found:?}", dump.len()),
        Run::Open => {
            for name in ["text", "name", "number", "flash", "token"] {
                let is_found = found.iter().any(|found| found.starts_with(name));
                assert!(is_found, "{what}, {} bytes: only {found:?}", dump.len());
            }
        }
    }
    // Public values and subjects can be read in both.
    let public = ["a public laptop", "ada"].map(|text| Secret {
        name: "public",
        bytes: text.as_bytes().to_vec(),
    });
    for public in public {
        assert!(!search::found(dump, &[public]).is_empty(), "{what}");
    }
}

/// Returns the server, or `None` if this machine has none. With `CONFORMANCE_REQUIRE` that is an
/// error.
fn started<T>(what: &str, server: io::Result<T>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let required = std::env::var("CONFORMANCE_REQUIRE");
            assert!(required.is_err(), "{what}: {error}");
            say(format_args!("skipped {what}: {error}"));
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

/// The contents of all files below this directory, and their names.
fn files(directory: &Path) -> io::Result<Vec<u8>> {
    let mut dump = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        dump.extend_from_slice(path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            dump.append(&mut files(&path)?);
        } else if path.is_file() {
            dump.append(&mut fs::read(&path)?);
        }
    }
    Ok(dump)
}

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

#[tokio::test]
async fn the_directory_of_the_file_store() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let directory = tempfile::tempdir()?;
        let secrets = plant(FileStore::open(directory.path())?, run).await?;
        check("files", run, &files(directory.path())?, &secrets);
    }
    Ok(())
}

#[tokio::test]
async fn the_database_file_of_sqlite() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let directory = tempfile::tempdir()?;
        let url = format!(
            "sqlite://{}/sessions.db?mode=rwc",
            directory.path().display()
        );
        let store = SqlStore::connect(&url).await?;
        store.migrate().await?;
        let secrets = plant(store, run).await?;
        check("sqlite", run, &files(directory.path())?, &secrets);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_and_the_log_of_redis() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let Some(redis) = started("redis", Redis::start()) else {
            return Ok(());
        };
        let admin = redis.admin();
        // Compressed, it could hide what is in it.
        execute(&admin, "CONFIG SET rdbcompression no")?;
        execute(&admin, "CONFIG SET aof-use-rdb-preamble no")?;
        execute(&admin, "CONFIG SET appendonly yes")?;
        let secrets = plant(RedisStore::connect(&admin).await?, run).await?;
        execute(&admin, "SAVE")?;
        let [_, directory]: [String; 2] = query(&admin, "CONFIG GET dir")?;
        let directory = PathBuf::from(directory);
        check("RDB", run, &fs::read(directory.join("dump.rdb"))?, &secrets);
        let [_, log]: [String; 2] = query(&admin, "CONFIG GET appenddirname")?;
        check("AOF", run, &files(&directory.join(log))?, &secrets);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_of_postgresql() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let Some(postgres) = started("postgres", Postgres::new()) else {
            return Ok(());
        };
        let url = postgres.0.by(postgres.0.server());
        let store = SqlStore::connect(&url).await?;
        store.migrate().await?;
        let secrets = plant(store, run).await?;
        let pg_dump = program("pg_dump", "^postgresql-client-[0-9]+$", &[])?;
        let dump = output(&pg_dump, &["--dbname", &url])?;
        check("pg_dump", run, &dump, &secrets);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_of_mariadb() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let Some(mariadb) = started("mariadb", MariaDb::new()) else {
            return Ok(());
        };
        let server = mariadb.0.server();
        let store = SqlStore::connect(&mariadb.0.by(server)).await?;
        store.migrate().await?;
        let secrets = plant(store, run).await?;
        let dump = program("mariadb-dump", "mariadb-client", &[])?;
        let port = format!("--port={}", server.port());
        for more in ["--hex-blob", "--skip-hex-blob"] {
            let arguments = [
                "--no-defaults",
                "--protocol=tcp",
                "--host=127.0.0.1",
                &port,
                "--user=root",
                "--skip-ssl",
                more,
                "cloakroom",
            ];
            check("mariadb-dump", run, &output(&dump, &arguments)?, &secrets);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_and_files_of_mongodb() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let Some(mongodb) = started("mongodb", MongoDb::new()) else {
            return Ok(());
        };
        let url = mongodb.by(mongodb.server());
        let builder = MongoDbStore::builder().database(mongodb.database());
        let secrets = plant(builder.connect(&url).await?, run).await?;
        let mut dump = Vec::new();
        let sessions = mongodb.collection("cloakroom_sessions").await?;
        let mut documents = sessions.find(Default::default()).await?;
        while documents.advance().await? {
            dump.extend_from_slice(documents.current().as_bytes());
        }
        // Here parts may be compressed.
        if let Some(data) = mongodb.data() {
            dump.append(&mut files(&data)?);
        }
        check("mongodb", run, &dump, &secrets);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_items_of_memcached() -> Result<()> {
    for run in [Run::Open, Run::Sealed] {
        let Some(memcached) = started("memcached", Memcached::new(&[])) else {
            return Ok(());
        };
        let server = memcached.server();
        let store = MemcachedStore::connect(&format!("memcached://{server}")).await?;
        let secrets = plant(store, run).await?;
        check("memcached", run, &items(server)?, &secrets);
    }
    Ok(())
}

/// Every key of a Memcached, and what is under it.
fn items(server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut out = TcpStream::connect(server)?;
    let mut lines = BufReader::new(out.try_clone()?);
    let (mut dump, mut keys) = (Vec::new(), BTreeSet::new());
    let started = Instant::now();
    // The crawler misses an item that the server moves to another list meanwhile.
    while keys.len() < count(&mut out, &mut lines)? {
        if started.elapsed() > PATIENCE {
            return Err(io::Error::other("the crawler does not list all items"));
        }
        out.write_all(b"lru_crawler metadump all\r\n")?;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            dump.extend_from_slice(line.as_bytes());
            // The last line is END, or says that the crawler is busy.
            let Some(rest) = line.strip_prefix("key=") else {
                break;
            };
            // Percent-encoded there.
            let key = rest.split(' ').next().unwrap_or_default();
            keys.insert(key.replace("%3A", ":"));
        }
    }
    for key in keys {
        out.write_all(format!("get {key}\r\n").as_bytes())?;
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let len = line
            .split_whitespace()
            .nth(3)
            .and_then(|len| len.parse().ok());
        let Some(len) = len else { continue };
        let mut value = vec![0; len];
        lines.read_exact(&mut value)?;
        dump.append(&mut value);
        // The end of the line, and a line of its own.
        lines.read_line(&mut String::new())?;
        lines.read_line(&mut String::new())?;
    }
    Ok(dump)
}

/// The number of the items that are there.
fn count(out: &mut TcpStream, lines: &mut BufReader<TcpStream>) -> io::Result<usize> {
    out.write_all(b"stats\r\n")?;
    let mut count = None;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if let Some(items) = line.strip_prefix("STAT curr_items ") {
            count = items.trim().parse().ok();
        }
        if line.trim() == "END" || line.is_empty() {
            return count.ok_or_else(|| io::Error::other("the server does not count its items"));
        }
    }
}
