//! Sessions that are kept in the cookie, through the driver.

use cloakroom::adapter::Kinds;
use cloakroom::{Config, Directive, Error, Fate, NoStore, Sessions, SharedStore};
use cloakroom_flask::{SessionType, Settings};
use cloakroom_memory::MemoryStore;
use cloakroom_sealed::{Sealed, SealingKey};

fn token(directive: &Directive) -> String {
    match directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_travels_in_the_cookie() -> Result<(), Box<dyn std::error::Error>> {
    let sealed = Sealed::new(SealingKey::new([7; 32]));
    let mut flask = Settings::new(SessionType::Cookie);
    flask.secret_key = Some("dev-secret-key".to_owned().into());
    let configs = [Config::builder().envelope(sealed).build()?, flask.config()?];
    for config in configs {
        let sessions = Sessions::new(NoStore).with_config(config);
        let (_, outcome) = sessions
            .with(None, |session| session.insert("n", 1))
            .await?;
        let first = token(&outcome.directive);
        let (n, outcome) = sessions
            .with(Some(&first), |session| {
                session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            })
            .await?;
        assert_eq!((n, outcome.fate), (2, Fate::Saved));
        let (n, outcome) = sessions
            .with(Some(&token(&outcome.directive)), |session| {
                session.get::<u64>("n")
            })
            .await?;
        assert_eq!((n, outcome.directive), (Some(2), Directive::Keep));
        let (_, outcome) = sessions
            .with(Some(&first), |session| {
                session.sign_out();
                Ok(())
            })
            .await?;
        assert_eq!(outcome.directive, Directive::Clear);
    }
    Ok(())
}

#[tokio::test]
async fn without_an_envelope_a_missing_store_is_an_error_with_the_remedy() {
    let sessions = Sessions::new(NoStore);
    let answer = sessions.with(None, |session| session.insert("n", 1)).await;
    let Err(error @ Error::NotSetUp(_)) = answer else {
        panic!()
    };
    assert!(error.to_string().contains("envelope"), "{error}");
}

#[tokio::test]
async fn a_store_beside_an_envelope_is_an_error_with_the_remedy() {
    let sealed = || Config::builder().envelope(Sealed::new(SealingKey::new([7; 32])));
    let config = sealed().build().expect("good");
    let sessions = Sessions::new(MemoryStore::new()).with_config(config.clone());
    let loaded = sessions.with(None, |session| session.insert("n", 1)).await;
    let committed = sessions.commit(sessions.open([])).await;
    let checked = Kinds::check::<(), _>(&sessions);
    for error in [loaded.err(), committed.err(), checked.err()] {
        let error = error.expect("nothing would ever call the store");
        assert!(error.to_string().contains("NoStore"), "{error}");
    }
    // A test that proves it, and a store that an application's settings name.
    let shared = Sessions::new(SharedStore::new(MemoryStore::new())).with_config(config);
    assert!(Kinds::check::<(), _>(&sessions.with_unused_store()).is_ok());
    assert!(Kinds::check::<(), _>(&shared).is_ok());
}
