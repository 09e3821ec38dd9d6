//! Events and `tracing` output, and that neither holds a secret.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cloakroom::adapter::{self, SessionCommit};
use cloakroom::{
    Directive, Error, Event, Fate, LimitPolicy, Operation, Sessions, Store, StoreAnswer,
};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write as StoreWrite,
};
use tracing_subscriber::fmt::format::FmtSpan;

/// `tracing` caches for the whole process whether a callsite is enabled, so only one test listens
/// at a time.
static LISTENING: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// A memory store that can be out of order.
#[derive(Clone, Default)]
struct Moody {
    inner: MemoryStore,
    down: Arc<AtomicBool>,
}

impl Moody {
    fn asked(&self) -> Result<&MemoryStore, StoreError> {
        match self.down.load(Ordering::Relaxed) {
            true => Err(StoreError::transient("moody", "not today")),
            false => Ok(&self.inner),
        }
    }
}

impl Store for Moody {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.asked()?.load(key).await
    }

    async fn create(&self, key: &Key, write: &StoreWrite) -> Result<Created, StoreError> {
        self.asked()?.create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &StoreWrite,
    ) -> Result<Replaced, StoreError> {
        self.asked()?.replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.asked()?.touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.asked()?.delete(key, old).await
    }
}

/// Sessions whose observer records a word for each event.
fn observed(store: Moody) -> (Sessions<Moody>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let sessions = Sessions::new(store).with_observer(move |event| {
        ear.lock().unwrap().push(match event {
            Event::StoreCall {
                operation, answer, ..
            } => format!("{operation}: {answer}"),
            Event::Finished {
                fate,
                conflicts,
                rebases,
            } => format!("{fate:?} {conflicts} {rebases}"),
            Event::Refused => "refused".to_owned(),
            Event::Failed { error } => format!("failed: {error}"),
            other => format!("{other:?}"),
        });
    });
    (sessions, heard)
}

fn said(heard: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *heard.lock().unwrap())
}

async fn token(sessions: &Sessions<Moody>) -> String {
    let (_, outcome) = sessions
        .with(None, |session| session.insert("card", "4111-1111"))
        .await
        .unwrap();
    let Directive::Issue(issued) = outcome.directive else {
        panic!("no token was issued")
    };
    issued.token.expose().to_owned()
}

#[tokio::test]
async fn an_observer_hears_of_each_store_call_and_of_the_end() {
    let _not_alone = LISTENING.read().await;
    let (sessions, heard) = observed(Moody::default());
    let token = token(&sessions).await;
    assert_eq!(said(&heard), ["create: done", "Saved 0 0"]);
    sessions
        .with(Some(&token), |session| session.get::<String>("card"))
        .await
        .unwrap();
    assert_eq!(said(&heard), ["load: done", "Unchanged 0 0"]);
    let end = |session: &mut cloakroom_core::Session<'_>| {
        session.sign_out();
        Ok(())
    };
    sessions.with(Some(&token), end).await.unwrap();
    assert_eq!(said(&heard), ["load: done", "delete: done", "Saved 0 0"]);
    sessions.with(Some(&token), |_| Ok(())).await.unwrap();
    assert_eq!(said(&heard), ["load: gone", "Unchanged 0 0"]);
}

#[tokio::test]
async fn an_observer_hears_of_the_handle_of_adapters_too() {
    let _not_alone = LISTENING.read().await;
    let (sessions, heard) = observed(Moody::default());
    let token = token(&sessions).await;
    said(&heard);
    let session: cloakroom::Session = sessions.session([token.as_bytes()]);
    session.load().await.unwrap();
    assert!(matches!(
        adapter::commit(&session, true),
        SessionCommit::Done(_)
    ));
    assert_eq!(said(&heard), ["load: done", "Unchanged 0 0"]);
    let untouched: cloakroom::Session = sessions.session([token.as_bytes()]);
    assert!(matches!(
        adapter::commit(&untouched, true),
        SessionCommit::Untouched
    ));
    assert_eq!(said(&heard), [""; 0]);
}

#[tokio::test]
async fn an_overtaken_change_is_a_conflict_and_a_rebase_and_one_of_an_ended_session_is_gone() {
    let _not_alone = LISTENING.read().await;
    let (sessions, heard) = observed(Moody::default());
    let token = token(&sessions).await;
    let mut slow = sessions.open([token.as_bytes()]);
    sessions.load(&mut slow).await.unwrap();
    slow.session().unwrap().insert("a", 1).unwrap();
    let mut late = sessions.open([token.as_bytes()]);
    sessions.load(&mut late).await.unwrap();
    late.session().unwrap().insert("late", 1).unwrap();
    sessions
        .with(Some(&token), |session| session.insert("b", 2))
        .await
        .unwrap();
    said(&heard);
    sessions.commit(slow).await.unwrap();
    assert_eq!(
        said(&heard),
        [
            "replace: changed",
            "load: done",
            "replace: done",
            "Saved 1 1"
        ]
    );
    let end = |session: &mut cloakroom_core::Session<'_>| {
        session.sign_out();
        Ok(())
    };
    sessions.with(Some(&token), end).await.unwrap();
    said(&heard);
    let outcome = sessions.commit(late).await.unwrap();
    assert_eq!(outcome.fate, Fate::Gone);
    let told = said(&heard);
    assert!(told.last().unwrap().starts_with("Gone"), "{told:?}");
}

#[tokio::test]
async fn an_outage_is_reported_once_per_call_and_once_per_exchange() {
    let _not_alone = LISTENING.read().await;
    let store = Moody::default();
    let (sessions, heard) = observed(store.clone());
    let token = token(&sessions).await;
    said(&heard);
    store.down.store(true, Ordering::Relaxed);
    assert!(sessions.with(Some(&token), |_| Ok(())).await.is_err());
    let session: cloakroom::Session = sessions.session([token.as_bytes()]);
    assert!(session.load().await.is_err());
    let told = said(&heard);
    let (first, second) = told.split_at(4);
    for told in [first, second] {
        assert_eq!(told[..3], ["load: failed transiently"; 3]);
        assert!(told[3].starts_with("failed: "), "{told:?}");
    }
    assert!(
        sessions
            .with(None, |session| session.insert("a", 1))
            .await
            .is_err()
    );
    let told = said(&heard);
    assert_eq!(
        told.iter()
            .filter(|told| told.starts_with("failed"))
            .count(),
        1,
        "{told:?}"
    );
}

#[tokio::test]
async fn a_refused_sign_in_is_reported() {
    let _not_alone = LISTENING.read().await;
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let sessions = Sessions::new(MemoryStore::new())
        .with_limit(1, LimitPolicy::Refuse)
        .with_observer(|event| {
            if matches!(event, Event::Refused) {
                REFUSED.fetch_add(1, Ordering::Relaxed);
            }
        });
    let (_, outcome) = sessions
        .with(None, |session| session.sign_in("ada"))
        .await
        .unwrap();
    let Directive::Issue(issued) = outcome.directive else {
        panic!("no token is issued");
    };
    // From now on it is presented, and counts.
    let token = Some(issued.token.expose());
    sessions
        .with(token, |session| Ok(session.is_new()))
        .await
        .unwrap();
    let refused = sessions.with(None, |session| session.sign_in("ada")).await;
    assert!(matches!(refused, Err(Error::TooManySessions)));
    assert_eq!(REFUSED.load(Ordering::Relaxed), 1);
}

#[test]
fn operations_and_answers_have_words() {
    use Operation::{Create, Delete, Load, Replace, Touch};
    let words = [Load, Create, Replace, Touch, Delete].map(|word| word.to_string());
    assert_eq!(words, ["load", "create", "replace", "touch", "delete"]);
    use StoreAnswer::{Changed, Done, Failed, FailedTransiently, Gone, Taken};
    let words =
        [Done, Gone, Changed, Taken, Failed, FailedTransiently].map(|word| word.to_string());
    assert_eq!(
        words,
        [
            "done",
            "gone",
            "changed",
            "taken",
            "failed",
            "failed transiently"
        ]
    );
}

/// A subscriber's record of everything at every level: names, fields, values.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<Vec<u8>>>);

impl Write for Everything {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// R34
#[test]
fn a_cookie_without_secure_is_warned_of_once_where_it_is_configured() {
    let _alone = LISTENING.blocking_write();
    let everything = Everything::default();
    let writer = everything.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let insecure = || {
        let builder = cloakroom::Config::builder().cookie_name("dev-session");
        builder.insecure_for_development().build().unwrap()
    };
    let count = || {
        let all = String::from_utf8(everything.0.lock().unwrap().clone()).unwrap();
        all.matches("WARN").count()
    };
    tracing::subscriber::with_default(subscriber, || {
        let sessions = Sessions::new(MemoryStore::new()).with_config(cloakroom::Config::default());
        assert_eq!(count(), 0);
        let sessions = sessions.with_config(insecure());
        for _ in 0..3 {
            let _: cloakroom::Session = sessions.clone().session([]);
        }
        assert_eq!(count(), 1);
    });
}

// R01: randomness comes from the operating system. A generator that repeats itself, or has a
// constant part, would give far fewer.
#[tokio::test]
async fn tokens_of_two_servers_are_unique_and_every_bit_of_them_changes() {
    let _not_alone = LISTENING.read().await;
    let mut tokens = std::collections::BTreeSet::new();
    let mut letters = vec![std::collections::BTreeSet::new(); 43];
    for sessions in [
        Sessions::new(Moody::default()),
        Sessions::new(Moody::default()),
    ] {
        for _ in 0..1_000 {
            let token = token(&sessions).await;
            for (seen, letter) in letters.iter_mut().zip(token.chars()) {
                seen.insert(letter);
            }
            assert!(tokens.insert(token), "a token was minted twice");
        }
    }
    let last = letters.pop().unwrap();
    // Of 256 bits the last of 43 letters has four.
    assert_eq!(last.len(), 16);
    assert!(letters.iter().all(|seen| seen.len() == 64));
}

// R11: no token, key, value or subject in a span, in a `tracing` event or at the observer.
#[test]
fn spans_and_events_have_the_documented_fields_and_no_secret_in_any_of_them() {
    let _alone = LISTENING.blocking_write();
    let everything = Everything::default();
    let store = Moody::default();
    let (sessions, heard) = observed(store.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let writer = everything.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    let secret = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let token = token(&sessions).await;
            sessions
                .with(Some(&token), |session| session.insert("card", "5500-0000"))
                .await
                .unwrap();
            let session: cloakroom::Session = sessions.session([token.as_bytes()]);
            session.load().await.unwrap();
            session.sign_in("ada.lovelace").unwrap();
            let SessionCommit::Pending(commit) = adapter::commit(&session, true) else {
                panic!("nothing to commit")
            };
            commit.await.unwrap();
            store.down.store(true, Ordering::Relaxed);
            assert!(sessions.with(Some(&token), |_| Ok(())).await.is_err());
            token
        })
    });
    let all = String::from_utf8(everything.0.lock().unwrap().clone()).unwrap();
    for line in [
        "session.load: ",
        "session.commit{fate=\"saved\" conflicts=0}: ",
        "operation=create answer=done micros=",
        "operation=replace answer=done micros=",
        "operation=load answer=failed transiently micros=",
        "store=\"moody\"",
    ] {
        assert!(all.contains(line), "{line} is missing in {all}");
    }
    let all = all + &said(&heard).join("\n");
    for secret in [
        &secret[..],
        "4111-1111",
        "5500-0000",
        "card",
        "ada.lovelace",
        "__Host-session:",
    ] {
        assert!(!all.contains(secret), "a secret was told");
    }
}
