//! The fixture for sessions without a transport.

use cloakroom::Directive;
use cloakroom_conformance::adapter::{
    Ability, Answer, App, Claims, Client, Fixture, FixtureError, Server, Told,
};

pub(crate) struct Direct;

impl Fixture for Direct {
    const NAME: &'static str = "direct";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        Ok(Server::messages(Calls(app)))
    }

    fn claims(claims: Claims) -> Claims {
        claims.never(Ability::Http, "there is no transport")
    }
}

struct Calls(App);

impl Client for Calls {
    async fn exchange(&self, token: Option<&str>, script: &str) -> Answer {
        let sessions = self.0.sessions();
        match sessions
            .with(token, |session| self.0.perform(session, script))
            .await
        {
            Err(error) => Answer::Failed(error.to_string()),
            Ok((results, outcome)) => {
                let told = match outcome.directive {
                    Directive::Issue(issued) => Told::Keep(issued.token.expose().to_owned()),
                    Directive::Clear => Told::Forget,
                    _ => Told::Nothing,
                };
                Answer::Done(results, told)
            }
        }
    }
}
