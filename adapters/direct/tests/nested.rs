//! An application's own code that runs under a session's lock, and uses the session.

use std::cell::RefCell;

use cloakroom::{CoreSession, Error, Session, SessionError, SessionInfo, Sessions, Typed, adapter};
use cloakroom_memory::MemoryStore;
use futures_util::FutureExt;
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

type Use = Box<dyn Fn(&Session) -> Result<(), Error>>;

thread_local! {
    /// Uses a session while the value is written or read.
    static USE: RefCell<Option<(Session, Use)>> = const { RefCell::new(None) };
    /// How often that was refused.
    static REFUSED: RefCell<usize> = const { RefCell::new(0) };
    static LISTED: RefCell<Option<SessionInfo>> = const { RefCell::new(None) };
}

/// A number whose code uses the session.
#[derive(Debug, Default, PartialEq)]
struct Nosy(u32);

fn use_it() {
    USE.with_borrow(|used| {
        let Some((session, used)) = used else { return };
        // The claimed value is read when the session is free again.
        if let Err(Error::Session(SessionError::ReentrantUpdate)) = used(session) {
            REFUSED.with_borrow_mut(|refused| *refused += 1);
        }
    });
}

impl Serialize for Nosy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use_it();
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Nosy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use_it();
        Ok(Self(u32::deserialize(deserializer)?))
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Shop {
    n: Nosy,
}

/// Everything that a handler can do with a session at once.
fn uses() -> Vec<Use> {
    vec![
        Box::new(|session| session.insert("m", 1)),
        Box::new(|session| session.get::<u32>("m").map(drop)),
        Box::new(|session| session.take::<u32>("m").map(drop)),
        Box::new(|session| session.remove("m").map(drop)),
        Box::new(|session| session.flash("m", 1)),
        Box::new(|session| session.flashed::<u32>("m").map(drop)),
        Box::new(|session| session.typed::<Shop>().map(drop)),
        Box::new(|session| {
            session
                .update("m", |m: Option<u32>| m.unwrap_or(1))
                .map(drop)
        }),
        Box::new(|session| session.keys().map(drop)),
        Box::new(Session::clear),
        Box::new(|session| session.sign_in("ada")),
        Box::new(Session::sign_out),
        Box::new(Session::rotate),
        Box::new(|session| session.csrf_token().map(drop)),
        Box::new(Session::discard_changes),
        Box::new(|session| session.save().now_or_never().unwrap()),
        Box::new(|session| session.claim::<u32>("m").now_or_never().unwrap().map(drop)),
    ]
}

/// Everything that runs a value's code.
async fn run_all(session: &Session) -> Result<(), Error> {
    let next = |n: Option<Nosy>| Nosy(n.unwrap_or_default().0 + 1);
    session.insert("n", Nosy(1))?;
    session.get::<Nosy>("n")?;
    session.get_or_reset::<Nosy>("n")?;
    session.update("n", next)?;
    session
        .try_update("n", move |n| Ok::<_, SessionError>(next(n)))?
        .ok();
    session.typed::<Shop>()?;
    session.typed_or_reset::<Shop>()?;
    session.update_typed(|shop: &mut Shop| shop.n.0 += 1)?;
    Typed::<Shop>::of(session.clone())?.update(|shop| shop.n.0 += 1)?;
    session.flash("f", Nosy(2))?;
    session.flashed::<Nosy>("f")?;
    session.take::<Nosy>("n")?;
    session.insert("n", 1)?;
    session.save().await?;
    session.claim::<Nosy>("n").await?;
    Ok(())
}

// R74: no caller's code can make a session wait for itself
#[tokio::test]
async fn a_value_whose_code_uses_the_session_is_refused_and_nothing_hangs() -> Result<(), Error> {
    for used in uses() {
        let sessions = Sessions::new(MemoryStore::new());
        let session: Session = sessions.session([]);
        session.load().await?;
        REFUSED.set(0);
        USE.set(Some((session.clone(), used)));
        run_all(&session).await?;
        USE.set(None);
        let refused = REFUSED.take();
        assert!(refused >= 17, "{refused}");
        // It can be used as before.
        session.insert("after", 1)?;
        assert!(adapter::commit(&session, true).outcome().await.is_ok());
    }
    Ok(())
}

// R74: the same where a whole subject's sessions are changed or listed
#[tokio::test]
async fn code_of_a_listed_session_s_values_does_not_hang() -> Result<(), Error> {
    #[derive(Debug)]
    struct Reader;

    impl<'de> Deserialize<'de> for Reader {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let refused = LISTED.with_borrow(|listed| listed.as_ref().unwrap().get::<u32>("n"));
            let nested = SessionError::ReentrantUpdate;
            assert!(matches!(refused, Err(Error::Session(error)) if error == nested));
            u32::deserialize(deserializer)?;
            Ok(Self)
        }
    }

    let sessions = Sessions::new(MemoryStore::new());
    let session: Session = sessions.session([]);
    session.load().await?;
    session.insert("n", 1)?;
    session.sign_in("ada")?;
    adapter::commit(&session, true).outcome().await?;

    // A session is used while another one of the same request is changed.
    let other: Session = sessions.session([]);
    other.load().await?;
    USE.set(Some((
        other.clone(),
        Box::new(|other| {
            other.insert("m", 1)?;
            Err(SessionError::ReentrantUpdate.into())
        }),
    )));
    let change = |session: &mut CoreSession<'_>| session.insert("n", Nosy(2));
    assert_eq!(sessions.update_each("ada", change).await?, 1);
    USE.set(None);
    assert_eq!(other.get::<u32>("m")?, Some(1));

    LISTED.set(sessions.list("ada").await?.pop());
    LISTED.with_borrow(|listed| {
        let listed = listed.as_ref().unwrap();
        assert!(listed.get::<Reader>("n").is_ok());
        assert_eq!(listed.get::<u32>("n").unwrap(), Some(2));
    });
    Ok(())
}

/// Panics while it is read.
struct Fragile;

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("the application's own code");
    }
}

#[tokio::test]
async fn a_listed_session_can_be_read_after_the_code_of_a_value_panicked() -> Result<(), Error> {
    let sessions = Sessions::new(MemoryStore::new());
    let signed_in = sessions.with(None, |session| {
        session.insert("n", 1)?;
        session.sign_in("ada")
    });
    signed_in.await?;
    let listed = sessions.list("ada").await?.remove(0);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(listed.get::<Fragile>("n"));
    }));
    assert!(panicked.is_err());
    assert_eq!(listed.get::<u32>("n")?, Some(1));
    Ok(())
}
