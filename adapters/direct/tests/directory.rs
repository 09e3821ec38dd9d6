//! A subject's sessions: listed, ended, limited.

use cloakroom::{
    Config, Directive, Directory, Error, Key, KeyFormat, LimitPolicy, ManualClock, Outcome,
    SessionError, Sessions, Store, StoreError, UnixTime,
};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Replaced, Stored, Touched, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Sessions under a clock that moves on by a second with each reading, so that "longest ago" is
/// never a tie.
fn sessions() -> Sessions<MemoryStore> {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let clock = move || UnixTime::from_secs(seconds.fetch_add(1, Ordering::Relaxed));
    let store = MemoryStore::builder().clock(clock.clone()).build();
    Sessions::new(store).with_clock(clock)
}

fn token(outcome: &Outcome) -> String {
    match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token was issued: {other:?}"),
    }
}

async fn sign_in(
    sessions: &Sessions<MemoryStore>,
    subject: &str,
    device: &str,
) -> Result<String, Error> {
    let signed_in = sessions.with(None, |session| {
        session.insert("device", device)?;
        session.sign_in(subject)
    });
    Ok(token(&signed_in.await?.1))
}

async fn subject(sessions: &Sessions<MemoryStore>, token: &str) -> Option<String> {
    let read = sessions.with(Some(token), |session| {
        Ok(session.subject().map(str::to_owned))
    });
    read.await.expect("the store is there").0
}

async fn devices(sessions: &Sessions<MemoryStore>, subject: &str) -> Vec<String> {
    let listed = sessions.list(subject).await.expect("the store is there");
    listed
        .iter()
        .map(|listed| listed.get("device").unwrap().unwrap())
        .collect()
}

// R21: list a subject's sessions; revoke one, the others, all
#[tokio::test]
async fn only_the_subjects_sessions_are_listed_newest_first() -> Result<(), Error> {
    let sessions = sessions();
    sign_in(&sessions, "ada", "laptop").await?;
    sign_in(&sessions, "ada", "phone").await?;
    sign_in(&sessions, "bob", "tablet").await?;
    assert_eq!(devices(&sessions, "ada").await, ["phone", "laptop"]);
    assert_eq!(devices(&sessions, "bob").await, ["tablet"]);
    assert!(devices(&sessions, "nobody").await.is_empty());
    Ok(())
}

// R21: revoke one
#[tokio::test]
async fn one_session_is_revoked_by_its_public_name_and_only_by_its_subject() -> Result<(), Error> {
    let sessions = sessions();
    let laptop = sign_in(&sessions, "ada", "laptop").await?;
    let phone = sign_in(&sessions, "ada", "phone").await?;
    let id = sessions
        .with(Some(&laptop), |session| Ok(session.id()))
        .await?
        .0
        .expect("a living session has an id");

    assert!(!sessions.revoke("bob", &id).await?, "not bob's to end");
    assert!(sessions.revoke("ada", &id).await?);
    assert!(!sessions.revoke("ada", &id).await?, "it has ended already");
    assert_eq!(subject(&sessions, &laptop).await, None);
    assert_eq!(subject(&sessions, &phone).await.as_deref(), Some("ada"));
    Ok(())
}

// R21: revoke the others, all
#[tokio::test]
async fn the_others_end_and_this_one_stays_until_all_end() -> Result<(), Error> {
    let sessions = sessions();
    let mut tokens = Vec::new();
    for device in ["laptop", "phone", "tablet"] {
        tokens.push(sign_in(&sessions, "ada", device).await?);
    }
    let id = sessions
        .with(Some(&tokens[1]), |session| Ok(session.id()))
        .await?
        .0;
    assert_eq!(sessions.revoke_others("ada", id.as_deref()).await?, 2);
    assert_eq!(devices(&sessions, "ada").await, ["phone"]);
    assert_eq!(sessions.revoke_others("ada", None).await?, 1);
    for token in &tokens {
        assert_eq!(subject(&sessions, token).await, None);
    }
    Ok(())
}

// R21: the other sessions, without the current request's own newer one
#[tokio::test]
async fn a_just_rotated_token_does_not_end_its_successor() -> Result<(), Error> {
    let sessions = sessions();
    let phone = sign_in(&sessions, "ada", "phone").await?;
    let mut tokens = vec![sign_in(&sessions, "ada", "laptop").await?];
    for _ in 0..2 {
        let rotated = sessions.with(tokens.last().map(String::as_str), |session| {
            session.rotate();
            Ok(())
        });
        let rotated = rotated.await?.1;
        tokens.push(token(&rotated));
    }
    let listed = sessions.list("ada").await?;
    let newest = listed[0].id();
    for old in &tokens {
        let id = sessions
            .with(Some(old), |session| Ok(session.id()))
            .await?
            .0;
        assert_eq!(id.as_deref(), Some(newest));
        sign_in(&sessions, "ada", "tablet").await?;
        sessions.revoke_others("ada", id.as_deref()).await?;
        assert_eq!(devices(&sessions, "ada").await, ["laptop"]);
    }
    assert_eq!(subject(&sessions, &phone).await, None);
    assert_eq!(subject(&sessions, &tokens[2]).await.as_deref(), Some("ada"));
    Ok(())
}

// R20, R21: a revocation beats a rotation that is in flight, at whichever of its steps
#[tokio::test]
async fn a_session_that_is_being_rotated_is_revoked_all_the_same() -> Result<(), Error> {
    let sessions = sessions();
    let old = sign_in(&sessions, "ada", "laptop").await?;
    let listed_before = sessions
        .with(Some(&old), |session| Ok(session.id()))
        .await?
        .0
        .expect("an id");
    let new = token(
        &sessions
            .with(Some(&old), |session| {
                session.rotate();
                Ok(())
            })
            .await?
            .1,
    );

    // Listed is the new one alone; the retired one is the same session.
    assert_eq!(devices(&sessions, "ada").await, ["laptop"]);
    assert!(
        !sessions.revoke("ada", &listed_before).await?,
        "the old name leads nowhere"
    );
    assert_eq!(sessions.revoke_others("ada", None).await?, 1);
    assert_eq!(subject(&sessions, &new).await, None);
    assert_eq!(
        subject(&sessions, &old).await,
        None,
        "the retired token does not read what was revoked"
    );
    Ok(())
}

// R23: a limit on a subject's concurrent sessions: refuse
#[tokio::test]
async fn a_sign_in_over_the_limit_is_refused_and_changes_nothing() -> Result<(), Error> {
    let sessions = sessions().with_limit(2, LimitPolicy::Refuse);
    let laptop = sign_in(&sessions, "ada", "laptop").await?;
    let phone = sign_in(&sessions, "ada", "phone").await?;
    for token in [&laptop, &phone] {
        assert_eq!(subject(&sessions, token).await.as_deref(), Some("ada"));
    }
    let refused = sign_in(&sessions, "ada", "tablet").await;
    assert!(matches!(refused, Err(Error::TooManySessions)));
    assert_eq!(devices(&sessions, "ada").await, ["phone", "laptop"]);
    sign_in(&sessions, "bob", "tablet").await?;

    // Signing in again on the same session does not count twice; signing out makes room.
    let again = sessions
        .with(Some(&phone), |session| session.sign_in("ada"))
        .await?
        .1;
    sessions
        .with(Some(&token(&again)), |session| {
            session.sign_out();
            Ok(())
        })
        .await?;
    sign_in(&sessions, "ada", "tablet").await?;
    assert_eq!(devices(&sessions, "ada").await, ["tablet", "laptop"]);
    Ok(())
}

// R23, R74: a sign-in whose response was lost leaves a session that nobody has
#[tokio::test]
async fn sessions_that_nobody_presented_refuse_no_sign_in() -> Result<(), Error> {
    for idle in [1, 2, 4, 60, 30 * 60, 12 * 60 * 60] {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.reader()).build();
        let config = Config::builder().idle_timeout(Duration::from_secs(idle));
        let sessions = Sessions::new(store)
            .with_config(config.build().unwrap())
            .with_clock(clock.reader())
            .with_limit(3, LimitPolicy::Refuse);
        let here = sign_in(&sessions, "ada", "here").await?;
        subject(&sessions, &here).await;
        let marked = idle >= 4;
        for lost in 0..100 {
            let signed_in = sign_in(&sessions, "ada", "lost").await;
            assert_eq!(signed_in.is_err(), !marked && lost >= 2, "{idle} {lost}");
        }
        let mut listed = devices(&sessions, "ada").await;
        listed.sort();
        assert_eq!(listed, ["here", "lost", "lost"]);
        if !marked {
            continue;
        }
        // One that comes back counts from then on, and lives as long as any.
        let phone = sign_in(&sessions, "ada", "phone").await?;
        subject(&sessions, &phone).await;
        sign_in(&sessions, "ada", "lost").await?;
        clock.advance(Duration::from_secs(idle - 1));
        assert_eq!(subject(&sessions, &phone).await.as_deref(), Some("ada"));
        assert_eq!(subject(&sessions, &here).await.as_deref(), Some("ada"));
        assert_eq!(devices(&sessions, "ada").await.len(), 2, "{idle}");
        let tablet = sign_in(&sessions, "ada", "tablet").await?;
        subject(&sessions, &tablet).await;
        let refused = sign_in(&sessions, "ada", "watch").await;
        assert!(matches!(refused, Err(Error::TooManySessions)), "{idle}");
    }
    Ok(())
}

// R23: a limit on a subject's concurrent sessions: evict the oldest
#[tokio::test]
async fn a_sign_in_over_the_limit_ends_the_session_that_signed_in_longest_ago() -> Result<(), Error>
{
    let sessions = sessions().with_limit(2, LimitPolicy::EndOldest);
    let laptop = sign_in(&sessions, "ada", "laptop").await?;
    sign_in(&sessions, "ada", "phone").await?;
    let tablet = sign_in(&sessions, "ada", "tablet").await?;
    assert_eq!(devices(&sessions, "ada").await, ["tablet", "phone"]);
    assert_eq!(subject(&sessions, &laptop).await, None);
    assert_eq!(subject(&sessions, &tablet).await.as_deref(), Some("ada"));
    Ok(())
}

// R23: the clocks of sessions have whole seconds
#[tokio::test]
async fn of_sign_ins_within_one_second_the_last_is_not_ended() -> Result<(), Error> {
    let clock = || UnixTime::from_secs(1_700_000_000);
    for _ in 0..16 {
        let store = MemoryStore::builder().clock(clock).build();
        let sessions = Sessions::new(store).with_clock(clock);
        let sessions = sessions.with_limit(1, LimitPolicy::EndOldest);
        let laptop = sign_in(&sessions, "ada", "laptop").await?;
        let phone = sign_in(&sessions, "ada", "phone").await?;
        assert_eq!(subject(&sessions, &laptop).await, None);
        assert_eq!(subject(&sessions, &phone).await.as_deref(), Some("ada"));

        let again = sessions.with(Some(&phone), |session| session.sign_in("ada"));
        let again = token(&again.await?.1);
        assert_eq!(subject(&sessions, &again).await.as_deref(), Some("ada"));
    }
    Ok(())
}

// R23: a second click makes one session more
#[tokio::test]
async fn a_double_click_on_sign_in_stays_within_the_limit() -> Result<(), Error> {
    for excess in [LimitPolicy::EndOldest, LimitPolicy::Refuse] {
        let sessions = sessions().with_limit(1, excess);
        let visitor = sessions.with(None, |session| session.insert("device", "laptop"));
        let visitor = token(&visitor.await?.1);
        for click in 0..2 {
            let signed_in = sessions.with(Some(&visitor), |session| session.sign_in("ada"));
            assert!(signed_in.await.is_ok(), "{click}: {excess:?}");
            assert_eq!(devices(&sessions, "ada").await, ["laptop"]);
        }
    }
    Ok(())
}

// R23, R66: sessions that this request ends make room
#[tokio::test]
async fn a_sign_out_and_sign_in_in_one_request_stays_within_the_limit() -> Result<(), Error> {
    for rotated in [false, true] {
        let sessions = sessions().with_limit(1, LimitPolicy::Refuse);
        let first = sign_in(&sessions, "ada", "laptop").await?;
        if rotated {
            let rotate = sessions.with(Some(&first), |session| {
                session.rotate();
                Ok(())
            });
            rotate.await?;
        }
        let again = sessions.with(Some(&first), |session| {
            session.sign_out();
            session.insert("device", "phone")?;
            session.sign_in("ada")
        });
        again.await?;
        assert_eq!(devices(&sessions, "ada").await, ["phone"]);
    }
    Ok(())
}

// R67 / R21 / R23: two cookies, one store
#[tokio::test]
async fn listing_ending_and_limiting_leave_the_sessions_of_another_cookie_alone()
-> Result<(), Error> {
    let store = MemoryStore::new();
    let named = |name: &str| {
        let config = Config::builder().cookie_name(name).build().unwrap();
        Sessions::new(store.clone()).with_config(config)
    };
    let shop = named("__Host-shop").with_limit(1, LimitPolicy::Refuse);
    let staff = named("__Host-staff").with_limit(1, LimitPolicy::EndOldest);
    let customer = sign_in(&shop, "17", "laptop").await?;
    let clerk = sign_in(&staff, "17", "till").await?;
    assert_eq!(devices(&shop, "17").await, ["laptop"]);
    assert_eq!(devices(&staff, "17").await, ["till"]);
    assert_eq!(subject(&shop, &customer).await.as_deref(), Some("17"));

    let id = shop.list("17").await?[0].id().to_owned();
    assert!(!staff.revoke("17", &id).await?, "not theirs to end");
    assert_eq!(shop.revoke_others("17", None).await?, 1);
    assert_eq!(subject(&shop, &customer).await, None);
    assert_eq!(subject(&staff, &clerk).await.as_deref(), Some("17"));
    Ok(())
}

// R67: one prefix may begin like another
#[tokio::test]
async fn a_prefix_that_continues_another_is_another() -> Result<(), Error> {
    let store = MemoryStore::new();
    for format in [KeyFormat::Sha256, KeyFormat::Plain] {
        let prefixed = |prefix: &str| {
            let config = Config::builder().key_prefix(prefix).key_format(format);
            Sessions::new(store.clone()).with_config(config.build().unwrap())
        };
        let (short, long) = (prefixed("a:"), prefixed("a:b:"));
        sign_in(&long, "ada", "laptop").await?;
        assert!(devices(&short, "ada").await.is_empty());
        assert_eq!(long.revoke_others("ada", None).await?, 1);
    }
    Ok(())
}

// I3 / R53: the handle's clones are one session, and 64 tasks on one session lose no increment
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_increment_one_counter() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let first = sessions
        .with(None, |session| session.insert("n", 0))
        .await?
        .1;
    let token = Arc::new(token(&first));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (sessions, token) = (sessions.clone(), token.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    sessions
                        .with(Some(&token), |session| {
                            session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
                        })
                        .await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic")?;
    }
    let (n, _) = sessions
        .with(Some(&token), |session| session.get::<u32>("n"))
        .await?;
    assert_eq!(n, Some(640));
    Ok(())
}

// R21: ending all sessions of a locked account reports a session that lives on.
#[tokio::test]
async fn ending_all_sessions_reports_an_unreadable_record() -> Result<(), Error> {
    let sessions = sessions();
    let phone = sign_in(&sessions, "ada", "phone").await?;
    let key =
        Key::new("__Host-session:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").expect("a key");
    let strange = Write::new(b"strange".to_vec(), UnixTime::MAX, Some("ada".into()));
    sessions.store().create(&key, &strange).await?;

    assert_eq!(devices(&sessions, "ada").await, ["phone"]);
    let unread = |answer| matches!(answer, Err(Error::Session(SessionError::Corrupt)));
    assert!(unread(
        sessions.revoke("ada", "another").await.map(usize::from)
    ));
    assert!(unread(sessions.revoke_others("ada", None).await));
    assert_eq!(
        subject(&sessions, &phone).await,
        None,
        "the others are ended"
    );

    let laptop = sign_in(&sessions, "ada", "laptop").await?;
    let id = sessions.list("ada").await?[0].id().to_owned();
    assert!(sessions.revoke("ada", &id).await?, "it was found");
    assert_eq!(subject(&sessions, &laptop).await, None);
    Ok(())
}

/// Counts calls, and records that were listed.
#[derive(Clone)]
struct Counted {
    store: MemoryStore,
    calls: Arc<AtomicUsize>,
    listed: Arc<AtomicUsize>,
}

impl Counted {
    fn call(&self) -> &MemoryStore {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.store
    }
}

impl Store for Counted {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.call().load(key).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.call().create(key, write).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.call().replace(key, old, write).await
    }

    async fn touch(&self, key: &Key, expires_at: UnixTime) -> Result<Touched, StoreError> {
        self.call().touch(key, expires_at).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.call().delete(key, old).await
    }
}

impl Directory for Counted {
    async fn list(&self, subject: &str) -> Result<Vec<(Key, Stored)>, StoreError> {
        self.list_some(subject, usize::MAX).await
    }

    async fn list_some(
        &self,
        subject: &str,
        limit: usize,
    ) -> Result<Vec<(Key, Stored)>, StoreError> {
        let listed = self.call().list_some(subject, limit).await?;
        self.listed.fetch_add(listed.len(), Ordering::Relaxed);
        Ok(listed)
    }
}

/// Sessions on a store with this many of Ada's, and three of Bob's.
async fn crowd(many: usize) -> Result<(Sessions<Counted>, Counted), Error> {
    let store = Counted {
        store: MemoryStore::new(),
        calls: Arc::default(),
        listed: Arc::default(),
    };
    let sessions = Sessions::new(store.clone());
    for n in 0..many + 3 {
        let subject = if n < many { "ada" } else { "bob" };
        sessions
            .with(None, |session| session.sign_in(subject))
            .await?;
    }
    store.calls.store(0, Ordering::Relaxed);
    Ok((sessions, store))
}

// R94: whatever a subject has gathered, no sign-in of its pays for it.
#[tokio::test]
async fn the_work_of_a_sign_in_under_a_limit_is_bounded() -> Result<(), Error> {
    for policy in [LimitPolicy::EndOldest, LimitPolicy::Refuse] {
        let (sessions, store) = crowd(3_000).await?;
        let sessions = sessions.with_limit(2, policy);
        let signed_in = sessions.with(None, |session| session.sign_in("ada")).await;
        assert_eq!(signed_in.is_ok(), policy == LimitPolicy::EndOldest);
        let (calls, listed) = [&store.calls, &store.listed]
            .map(|count| count.load(Ordering::Relaxed))
            .into();
        assert!(listed <= 1_000, "{policy:?} listed {listed} records");
        assert!(calls <= 40, "{policy:?} made {calls} calls");
    }
    Ok(())
}

// R94
#[tokio::test]
async fn very_many_sessions_are_listed_and_ended_in_bounded_parts() -> Result<(), Error> {
    let (sessions, store) = crowd(1_000).await?;
    assert_eq!(sessions.list_some("ada", 10).await?.len(), 10);
    assert_eq!(sessions.list_some("bob", 10).await?.len(), 3);
    assert_eq!(store.listed.load(Ordering::Relaxed), 13);
    let kept = sessions.list("ada").await?[999].id().to_owned();
    let mut parts = Vec::new();
    loop {
        store.calls.store(0, Ordering::Relaxed);
        store.listed.store(0, Ordering::Relaxed);
        let ended = sessions.revoke_some("ada", Some(&kept), 300).await?;
        assert!(store.calls.load(Ordering::Relaxed) <= 3 * 300);
        assert!(store.listed.load(Ordering::Relaxed) <= 300 + 16);
        parts.push(ended);
        if ended < 300 {
            break;
        }
    }
    assert_eq!(parts, [300, 300, 300, 99]);
    let left = sessions.list("ada").await?;
    assert!(left.len() == 1 && left[0].id() == kept);
    assert_eq!(sessions.list("bob").await?.len(), 3);
    // The records of another cookie are on the store's list too.
    let config = Config::builder().cookie_name("__Host-other").build();
    let other = Sessions::new(store.clone()).with_config(config.expect("good"));
    for _ in 0..100 {
        other.with(None, |session| session.sign_in("bob")).await?;
    }
    assert_eq!(sessions.revoke_some("bob", None, 5).await?, 3);
    assert_eq!(sessions.revoke_some("bob", None, 5).await?, 0);
    assert_eq!(other.list("bob").await?.len(), 100);
    Ok(())
}
