//! R89: what an operator and a background job see of sessions whose values are sealed.

use cloakroom::{Config, Directive, Error, LimitPolicy, Outcome, SessionError, Sessions};
use cloakroom_memory::MemoryStore;
use cloakroom_near::Near;
use cloakroom_store::Store;

fn sealing() -> Config {
    let config = Config::builder().seal_values(true);
    config.public_values(["device"]).build().expect("good")
}

fn sessions() -> Sessions<MemoryStore> {
    Sessions::new(MemoryStore::new()).with_config(sealing())
}

fn token(outcome: &Outcome) -> String {
    match &outcome.directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("no token was issued: {other:?}"),
    }
}

async fn sign_in(sessions: &Sessions<impl Store>, device: &str) -> Result<String, Error> {
    let signed_in = sessions.with(None, |session| {
        session.insert("device", device)?;
        session.insert("cart", ["tea"])?;
        session.sign_in("ada")
    });
    Ok(token(&signed_in.await?.1))
}

fn is_sealed<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("the values are sealed");
    assert!(matches!(error, Error::Session(SessionError::Sealed)));
    let text = error.to_string();
    assert!(
        text.contains("only a request with the visitor's token"),
        "{text}"
    );
    assert!(text.contains("`public_values`"), "{text}");
}

#[tokio::test]
async fn a_listing_shows_heads_and_public_values_and_names_what_is_sealed() -> Result<(), Error> {
    let sessions = sessions();
    let token = sign_in(&sessions, "laptop").await?;
    let listed = sessions.list("ada").await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].get::<String>("device")?.as_deref(),
        Some("laptop")
    );
    is_sealed(listed[0].get::<Vec<String>>("cart"));
    is_sealed(listed[0].get::<String>("unheard of"));
    let own = sessions.with(Some(&token), |session| Ok(session.id()));
    assert_eq!(own.await?.0.as_deref(), Some(listed[0].id()));
    assert!(listed[0].authenticated_at().is_some());
    Ok(())
}

#[tokio::test]
async fn background_jobs_change_nothing_and_operators_can_end_sessions() -> Result<(), Error> {
    let sessions = sessions();
    let token = sign_in(&sessions, "laptop").await?;
    sign_in(&sessions, "phone").await?;
    let change = sessions.update_each("ada", |session| session.insert("role", "editor"));
    is_sealed(change.await);
    let public = sessions.update_each("ada", |session| session.insert("device", "car"));
    is_sealed(public.await);
    let listed = sessions.list("ada").await?;
    let one = sessions.update_one("ada", listed[0].id(), |session| {
        session.remove("cart");
        Ok(())
    });
    is_sealed(one.await);
    let read = sessions.with(Some(&token), |session| session.get::<Vec<String>>("cart"));
    assert_eq!(read.await?.0.as_deref(), Some(&["tea".to_owned()][..]));
    assert!(sessions.revoke("ada", listed[0].id()).await?);
    assert_eq!(sessions.revoke_others("ada", None).await?, 1);
    let read = sessions.with(Some(&token), |session| Ok(session.is_new()));
    assert!(read.await?.0);
    Ok(())
}

#[tokio::test]
async fn a_limit_ends_sealed_sessions_as_others() -> Result<(), Error> {
    let sessions = sessions().with_limit(1, LimitPolicy::EndOldest);
    let first = sign_in(&sessions, "laptop").await?;
    let second = sign_in(&sessions, "phone").await?;
    for (token, is_new) in [(first, true), (second, false)] {
        let read = sessions.with(Some(&token), |session| Ok(session.is_new()));
        assert_eq!(read.await?.0, is_new);
    }
    Ok(())
}

#[tokio::test]
async fn a_near_cache_holds_what_is_sealed_and_serves_its_tokens() -> Result<(), Error> {
    let sessions = Sessions::new(Near::new(MemoryStore::new())).with_config(sealing());
    let first = sign_in(&sessions, "laptop").await?;
    let rotated = sessions.with(Some(&first), |session| {
        session.rotate();
        Ok(())
    });
    let second = token(&rotated.await?.1);
    for token in [&first, &second, &first, &second] {
        let count = sessions.with(Some(token), |session| {
            session.update("n", |n: Option<u8>| n.unwrap_or(0) + 1)
        });
        count.await?;
    }
    let read = sessions.with(Some(&second), |session| session.get::<u8>("n"));
    assert_eq!(read.await?.0, Some(4));
    Ok(())
}
