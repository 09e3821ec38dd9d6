//! Sessions that are kept in the cookie, through the driver.

use cloakroom::{Config, Directive, Error, Fate, NoStore, Sessions};
use cloakroom_flask::{SessionType, Settings};
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
async fn without_an_envelope_a_missing_store_is_an_error_that_says_so() {
    let sessions = Sessions::new(NoStore);
    let answer = sessions.with(None, |session| session.insert("n", 1)).await;
    let Err(error @ Error::Store(_)) = answer else {
        panic!()
    };
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(format!("{error} {source:?}").contains("envelope"));
}
