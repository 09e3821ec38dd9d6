//! The fixture for sessions without a transport.

use cloakroom_conformance::adapter::{
    Ability, App, Claims, Client, Fixture, FixtureError, MessageReply, Server,
};

use crate::reply;

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
    async fn exchange(&self, tokens: &[&str], script: &str) -> MessageReply {
        let sessions = self.0.sessions();
        let ([] | [_]) = tokens else {
            // The single call takes one token. Several tokens need an open exchange.
            let tokens = tokens.iter().map(|token| token.as_bytes());
            return reply::exchange(&self.0, tokens, script).await;
        };
        let token = tokens.first().copied();
        let done = sessions.with(token, |session| self.0.perform(session, script));
        reply::answer(done.await)
    }
}
