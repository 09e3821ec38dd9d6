//! Records as a store returns them.

use cloakroom_core::{Commit, Config, Error, Exchange, Key, Session, Stored, UnixTime};
use std::collections::BTreeMap;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// A record that is any bytes: a typed error, or a session that can be read, changed and read
/// again.
pub(crate) fn records(data: &[u8]) {
    let config = Config::default();
    let stored = Stored::new(data.to_vec(), NOW + std::time::Duration::from_secs(60), 1);
    let Some(mut exchange) = open(&config, stored) else {
        return;
    };
    let mut session = exchange.session().expect("loaded");
    let before = read(&session, data);
    if session.is_new() {
        return;
    }
    session
        .insert("fuzz", "a value that was not there")
        .expect("a good value");
    let mut wanted = before;
    wanted.insert("fuzz".to_owned(), session.get("fuzz").expect("a text"));
    let Commit::Mint(mint) = exchange.finish(NOW) else {
        // A retired record saves nothing.
        return;
    };
    let write = match mint.with([7; 64]) {
        Ok(Commit::Replace(replace)) => replace.write().clone(),
        Err(Error::TooLarge { .. }) => return,
        other => panic!("a change is saved by {other:?}"),
    };
    // A write adds only a writer's mark and its own values.
    assert!(write.bytes.len() <= data.len() + 8 + 48, "it grows");
    let stored = Stored::new(write.bytes.clone(), write.expires_at, 2);
    let mut again = open(&config, stored).expect("what was written can be read");
    let session = again.session().expect("loaded");
    assert_eq!(read(&session, &write.bytes), wanted);
}

/// The exchange that found this record, unless it cannot be read.
fn open(config: &Config, stored: Stored) -> Option<Exchange> {
    let key = Key::new("__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")?;
    let mut exchange = Exchange::open_key(config, key.clone(), NOW);
    match exchange.handle_loaded(&key, Some(stored)) {
        Ok(()) => {}
        Err(Error::Corrupt | Error::NewerRecord { .. }) => return None,
        Err(error) => panic!("{error}"),
    }
    let mut loads = 0;
    while let Some(next) = exchange.wants_load().cloned() {
        exchange
            .handle_loaded(&next, None)
            .expect("nothing was found");
        loads += 1;
        assert!(loads < 16, "it follows without end");
    }
    Some(exchange)
}

/// Everything that can be read, as every type that it may be.
fn read(session: &Session<'_>, data: &[u8]) -> BTreeMap<String, Option<String>> {
    let names: Vec<String> = session.keys().map(str::to_owned).collect();
    assert_eq!(names.len(), session.len());
    assert!(names.len() <= data.len(), "more values than bytes");
    let _ = session.subject();
    let _ = (
        session.created_at(),
        session.expires_at(),
        session.authenticated_at(),
    );
    let mut values = BTreeMap::new();
    for name in names {
        assert!(session.contains(&name));
        let _ = session.get::<u64>(&name);
        let _ = session.get::<Vec<String>>(&name);
        let _ = session.get::<BTreeMap<String, Vec<f64>>>(&name);
        let _ = session.get::<Option<(bool, char, Box<[u8]>)>>(&name);
        let text = session.get::<String>(&name).ok().flatten();
        values.insert(name, text);
    }
    let _ = session.typed::<BTreeMap<String, u64>>();
    values
}
