//! R79, R93: saves and claims while the handler runs.

use cloakroom::adapter;
use cloakroom::{
    Config, Directive, Error, Fate, LimitPolicy, NoStore, Outcome, Session, SessionError, Sessions,
};
use cloakroom_memory::MemoryStore;
use cloakroom_sealed::{Sealed, SealingKey};

async fn commit(session: &Session, keep_changes: bool) -> Result<Outcome, Error> {
    adapter::commit(session, keep_changes).outcome().await
}

fn issued(outcome: Outcome) -> String {
    match outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token: {other:?}"),
    }
}

async fn begun(sessions: &Sessions<MemoryStore>) -> Result<String, Error> {
    let (_, outcome) = sessions
        .with(None, |session| session.insert("state", 7))
        .await?;
    Ok(issued(outcome))
}

async fn opened(sessions: &Sessions<MemoryStore>, token: &str) -> Result<Session, Error> {
    let session = sessions.session([token.as_bytes()]);
    session.load().await?;
    Ok(session)
}

#[tokio::test]
async fn a_saved_session_survives_a_failed_handler_and_its_cookie_reaches_the_response()
-> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let session: Session = sessions.session([]);
    session.load().await?;
    session.insert("saved", 1)?;
    session.save().await?;
    assert_eq!(session.get("saved")?, Some(1));
    assert!(!session.is_modified()?);
    session.insert("late", 2)?;
    // The handler fails: changes after the save are dropped.
    let token = issued(commit(&session, false).await?);
    let session = opened(&sessions, &token).await?;
    assert_eq!(
        (session.get("saved")?, session.get("late")?),
        (Some(1), None::<u32>)
    );
    // And one that does not fail: the changes of both.
    session.insert("saved", 2)?;
    session.save().await?;
    session.insert("late", 3)?;
    let outcome = commit(&session, true).await?;
    assert_eq!(
        (outcome.directive, outcome.fate),
        (Directive::Keep, Fate::Saved)
    );
    let session = opened(&sessions, &token).await?;
    assert_eq!(
        (session.get("saved")?, session.get("late")?),
        (Some(2), Some(3))
    );
    Ok(())
}

#[tokio::test]
async fn after_a_saved_sign_in_the_handler_goes_on_as_the_user() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new()).with_limit(1, LimitPolicy::EndOldest);
    let token = begun(&sessions).await?;
    let session = opened(&sessions, &token).await?;
    session.sign_in("ada")?;
    session.save().await?;
    assert_eq!(session.subject()?.as_deref(), Some("ada"));
    session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
    session.rotate()?;
    session.save().await?;
    session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
    let newest = issued(commit(&session, true).await?);
    let session = opened(&sessions, &newest).await?;
    assert_eq!(session.get("n")?, Some(2));
    assert_eq!(session.subject()?.as_deref(), Some("ada"));
    // A sign-out after a save wins over the cookie that the save issued.
    session.rotate()?;
    session.save().await?;
    session.sign_out()?;
    assert_eq!(commit(&session, true).await?.directive, Directive::Clear);
    assert!(opened(&sessions, &newest).await?.is_new()?);
    Ok(())
}

#[tokio::test]
async fn a_save_reports_success_only_after_it() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = begun(&sessions).await?;
    let session = opened(&sessions, &token).await?;
    let other = opened(&sessions, &token).await?;
    session.insert("late", 1)?;
    other.sign_out()?;
    other.save().await?;
    let error = session.save().await.expect_err("it has ended");
    assert!(
        matches!(error, Error::Session(SessionError::Ended)),
        "{error}"
    );
    // Later changes cannot be saved either, and fail with an error.
    assert!(session.insert("later", 1).is_err());
    assert_eq!(commit(&session, true).await?.directive, Directive::Keep);
    assert_eq!(commit(&other, true).await?.directive, Directive::Clear);

    let token = begun(&sessions).await?;
    let session = opened(&sessions, &token).await?;
    let other = opened(&sessions, &token).await?;
    session.insert("late", 1)?;
    other.sign_in("ada")?;
    let newer = issued(commit(&other, true).await?);
    let error = session.save().await.expect_err("a sign-in was first");
    assert!(
        matches!(error, Error::Session(SessionError::Superseded)),
        "{error}"
    );
    assert_eq!(opened(&sessions, &newer).await?.get("late")?, None::<u32>);
    Ok(())
}

#[tokio::test]
async fn a_save_without_changes_asks_no_store_and_an_untouched_session_stays_so()
-> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let session: Session = sessions.session([]);
    session.save().await?;
    assert!(!commit(&session, true).await?.accessed);
    assert!(session.save().await.is_err(), "closed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_one_gets_the_value() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = begun(&sessions).await?;
    let mut all = Vec::new();
    for n in 0..32 {
        let session = opened(&sessions, &token).await?;
        all.push(tokio::spawn(async move {
            session.insert("mine", n)?;
            let claimed: Option<u32> = session.claim("state").await?;
            assert!(claimed.is_none() || session.get::<u32>("state")?.is_none());
            commit(&session, claimed.is_some()).await?;
            Ok::<_, Error>(claimed)
        }));
    }
    let mut got = Vec::new();
    for one in all {
        got.extend(one.await.expect("no panic")?);
    }
    assert_eq!(got, [7]);
    let session = opened(&sessions, &token).await?;
    assert!(
        session.contains("mine")?,
        "the changes of the request that got it"
    );
    assert_eq!(session.claim::<u32>("state").await?, None);
    Ok(())
}

#[tokio::test]
async fn a_value_of_another_type_is_not_claimed() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = begun(&sessions).await?;
    let session = opened(&sessions, &token).await?;
    assert!(session.claim::<String>("state").await.is_err());
    assert_eq!(session.claim::<u32>("state").await?, Some(7));
    Ok(())
}

#[tokio::test]
async fn a_session_in_its_cookie_cannot_be_saved_or_claimed() -> Result<(), Error> {
    let envelope = Sealed::new(SealingKey::new([7; 32]));
    let config = Config::builder().envelope(envelope).build().expect("good");
    let sessions = Sessions::new(NoStore).with_config(config);
    let session: Session = sessions.session([]);
    session.load().await?;
    session.insert("state", 7)?;
    for error in [
        session.save().await.expect_err("no store"),
        session.claim::<u32>("state").await.expect_err("no store"),
    ] {
        assert!(
            matches!(error, Error::Session(SessionError::NeedsStore)),
            "{error}"
        );
    }
    issued(commit(&session, true).await?);
    Ok(())
}

// Bounded work: a user with very many sessions waits no longer than another.
#[tokio::test]
async fn one_sign_in_ends_sixteen_sessions_at_most_and_the_next_ones_end_the_rest()
-> Result<(), Error> {
    let store = std::sync::Arc::new(MemoryStore::new());
    let unlimited = Sessions::new(store.clone());
    for _ in 0..40 {
        unlimited
            .with(None, |session| session.sign_in("ada"))
            .await?;
    }
    let limited = Sessions::new(store).with_limit(1, LimitPolicy::EndOldest);
    for left in [25, 10, 1, 1] {
        limited.with(None, |session| session.sign_in("ada")).await?;
        assert_eq!(unlimited.list("ada").await?.len(), left);
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_all_sessions_is_no_use_of_them() -> Result<(), Error> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let began = cloakroom::UnixTime::from(std::time::SystemTime::now());
    let clock = Arc::new(AtomicU64::new(began.as_secs()));
    let now = {
        let clock = clock.clone();
        move || cloakroom::UnixTime::from_secs(clock.load(Ordering::Relaxed))
    };
    let sessions = Sessions::new(MemoryStore::new()).with_clock(now.clone());
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let (_, outcome) = sessions
            .with(None, |session| session.sign_in("ada"))
            .await?;
        tokens.push(issued(outcome));
    }
    clock.fetch_add(600, Ordering::Relaxed);
    let before = sessions.list("ada").await?;
    assert!(before.iter().all(|listed| listed.last_seen() == began));
    let changed = sessions.update_each("ada", |session| session.insert("role", "editor"));
    assert_eq!(changed.await?, 3);
    let one = before[0].id();
    let changed = sessions.update_one("ada", one, |session| session.insert("role", "owner"));
    assert!(changed.await?);
    let after = sessions.list("ada").await?;
    assert!(after.iter().all(|listed| listed.last_seen() == began));
    let mut roles: Vec<String> = Vec::new();
    for listed in &after {
        roles.extend(listed.get("role")?);
        assert_eq!(listed.expires_at(), before[0].expires_at());
    }
    roles.sort();
    assert_eq!(roles, ["editor", "editor", "owner"]);
    // A use of one is noted.
    sessions
        .with(Some(&tokens[0]), |session| session.insert("a", 1))
        .await?;
    let seen = sessions.list("ada").await?;
    let seen = seen
        .iter()
        .filter(|listed| listed.last_seen() == now())
        .count();
    assert_eq!(seen, 1);
    assert!(!sessions.update_one("ada", "none", |_| Ok(())).await?);
    Ok(())
}
