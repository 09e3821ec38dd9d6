//! A subject's sessions: how many there may be, and how much work very many are.

mod subjects;

use cloakroom::{
    Config, Directory, Error, Key, LimitPolicy, ManualClock, Sessions, Store, StoreError, UnixTime,
};
use cloakroom_memory::MemoryStore;
use cloakroom_store::{Created, Deleted, Replaced, Stored, Touched, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use subjects::{devices, sessions, sign_in, subject, token};

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
