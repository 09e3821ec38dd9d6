//! The handle that a handler and its adapter share.

use cloakroom::adapter::{self, SessionCommit};
use cloakroom::{Directive, Error, Outcome, Session, Sessions, Typed};
use cloakroom_memory::MemoryStore;

async fn commit(session: &Session) -> Result<Outcome, Error> {
    adapter::commit(session, true).outcome().await
}

/// The token of a session in which `kept` is 1.
async fn token(sessions: &Sessions<MemoryStore>) -> Result<String, Error> {
    let (_, outcome) = sessions
        .with(None, |session| session.insert("kept", 1))
        .await?;
    match outcome.directive {
        Directive::Issue(issued) => Ok(issued.token.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn changes_that_are_discarded_are_not_saved_and_those_after_them_are() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = token(&sessions).await?;
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await?;
    session.update("kept", |n: Option<u32>| n.unwrap_or(0) + 1)?;
    session.insert("half", "done")?;
    session.sign_in("eve")?;
    session.discard_changes()?;
    assert_eq!(
        (session.keys()?, session.subject()?),
        (vec!["kept".to_owned()], None)
    );
    session.insert("after", true)?;
    let outcome = commit(&session).await?;
    assert_eq!(
        (outcome.directive, outcome.accessed),
        (Directive::Keep, true)
    );
    let (seen, _) = sessions
        .with(Some(&token), |session| {
            let keys = session.keys().map(str::to_owned).collect::<Vec<_>>();
            Ok((keys, session.get::<u32>("kept")?))
        })
        .await?;
    assert_eq!(seen, (vec!["after".to_owned(), "kept".to_owned()], Some(1)));
    Ok(())
}

#[tokio::test]
async fn a_sign_out_that_is_discarded_has_not_happened() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = token(&sessions).await?;
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await?;
    session.sign_out()?;
    session.discard_changes()?;
    assert_eq!(session.get("kept")?, Some(1));
    let outcome = commit(&session).await?;
    assert_eq!(
        (outcome.directive, outcome.accessed),
        (Directive::Keep, true)
    );
    assert!(sessions.store().entries() == 1);
    Ok(())
}

#[tokio::test]
async fn discarding_touches_no_session_and_fails_on_a_closed_one() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let request = http::Request::new(());
    let session: Session = sessions.http_session(request.headers());
    session.discard_changes()?;
    assert!(matches!(
        adapter::commit(&session, true),
        SessionCommit::Untouched
    ));
    assert!(session.discard_changes().is_err());
    Ok(())
}

#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Shop {
    kept: u32,
    cart: Vec<String>,
}

#[tokio::test]
async fn a_typed_session_reads_and_writes_fields() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let token = token(&sessions).await?;
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await?;
    let mut shop: Typed<Shop> = Typed::of(session)?;
    shop.update(|shop| shop.cart.push("tea".to_owned()))?;
    assert_eq!((shop.kept, shop.cart.len()), (1, 1));
    assert_eq!(format!("{shop:?}"), "Typed(..)");
    commit(shop.session()).await?;
    assert!(shop.update(|shop| shop.kept = 2).is_err());
    let (cart, _) = sessions
        .with(Some(&token), |session| session.get::<Vec<String>>("cart"))
        .await?;
    assert_eq!(cart, Some(vec!["tea".to_owned()]));
    Ok(())
}

#[tokio::test]
async fn an_update_function_that_uses_its_session_gets_an_error_at_once() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let session: Session = sessions.session([]);
    session.load().await?;
    let (same, told) = (session.clone(), std::sync::mpsc::channel());
    let tell = told.0;
    session.update("n", move |n: Option<u32>| {
        let _ = tell.send((same.insert("m", 1), same.get::<u32>("n").map(drop)));
        n.unwrap_or(0) + 1
    })?;
    let (inserted, got) = told.1.recv().unwrap();
    for result in [inserted, got] {
        let nested = cloakroom::SessionError::ReentrantUpdate;
        assert!(matches!(result, Err(Error::Session(error)) if error == nested));
    }
    // Afterwards it is as before, also for other threads, which wait.
    session.insert("m", 2)?;
    let same = session.clone();
    let other = std::thread::spawn(move || same.update("n", |n: Option<u32>| n.unwrap_or(0) + 1));
    assert!(matches!(other.join(), Ok(Ok(2))));
    assert_eq!(session.get::<u32>("n")?, Some(2));
    Ok(())
}
