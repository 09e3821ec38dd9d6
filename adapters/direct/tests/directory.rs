//! A subject's sessions: listed and ended.

mod subjects;

use cloakroom::{
    Config, Error, Key, KeyFormat, LimitPolicy, SessionError, Sessions, Store, UnixTime,
};
use cloakroom_memory::MemoryStore;
use cloakroom_store::Write;
use std::sync::Arc;
use subjects::{devices, sessions, sign_in, subject, token};

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
