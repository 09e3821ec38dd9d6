//! A chat over TCP, line by line: sessions where there is no HTTP. `cargo run -p cloakroom --example chat`, then `nc localhost 4000`.
//!
//! A client's first line is its token; it is empty if it has none. After that a line is what one says, or one of
//!
//! ```text
//! /name NAME   sign in          /others   end one's other sessions
//! /out         sign out
//! ```
//!
//! The server answers with lines, of which the first word says what they are:
//!
//! ```text
//! keep TOKEN   present this one from now on      hello NAME N   who one is, and how many lines one has said
//! forget       present none any more             said NAME TEXT what somebody said
//! ended        one's number of other sessions    no: TEXT       that did not work
//! bye TEXT     the last line before the connection is closed
//! ```
//!
//! Every line is an exchange of its own. So what one connection does is there for the next line of any other, in whatever
//! process; a connection notices that its session has ended before anything more is told to it; and none holds on to who
//! somebody was when it was opened.

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Directive, Fate, Outcome, SessionError, Sessions};
use cloakroom_memory::MemoryStore;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

type Failure = Box<dyn Error + Send + Sync>;

/// Nothing longer is read: nobody fills the memory with one line.
const LONGEST_LINE: usize = 4096;

/// How many lines a slow reader may be behind.
const BEHIND: usize = 64;

const STRANGER: &str = "stranger";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:4000").await?;
    writeln!(io::stdout(), "chat on {}", listener.local_addr()?)?;
    Chat::new(Sessions::new(MemoryStore::new()))
        .serve(listener)
        .await;
    Ok(())
}

/// What all connections share.
#[derive(Clone)]
struct Chat {
    sessions: Sessions<MemoryStore>,
    news: broadcast::Sender<News>,
}

#[derive(Clone)]
enum News {
    Said(Arc<str>),
    /// Some session has ended: look whether it was yours.
    Ended,
}

impl Chat {
    fn new(sessions: Sessions<MemoryStore>) -> Self {
        let news = broadcast::Sender::new(BEHIND);
        Self { sessions, news }
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let stream = accept(&listener).await;
            let chat = self.clone();
            tokio::spawn(async move {
                if let Err(error) = chat.welcome(stream).await {
                    // What is wrong, never what was said: lines hold tokens.
                    let _ = writeln!(io::stderr(), "a connection ended: {error}");
                }
            });
        }
    }

    /// A connection, from the token in its first line to its end.
    async fn welcome(self, stream: TcpStream) -> Result<(), Failure> {
        // Lines are short, and people wait for them.
        stream.set_nodelay(true)?;
        let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE));
        let Some(token) = lines.next().await.transpose()? else {
            return Ok(());
        };
        let mut guest = Guest {
            news: self.news.subscribe(),
            chat: self,
            lines,
            token: Some(token).filter(|token| !token.is_empty()),
            name: None,
        };
        let bye = match guest.stay().await {
            Ok(Some(bye)) => bye,
            Ok(None) => return Ok(()),
            Err(error) => {
                // The client hears of it, without what is nobody's business.
                guest.tell("bye something went wrong here").await?;
                return Err(error);
            }
        };
        Ok(guest.tell(bye).await?)
    }
}

/// The next connection. One that is lost before it is accepted is no reason to keep the others out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of files, most likely: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// One connection.
struct Guest {
    chat: Chat,
    lines: Framed<TcpStream, LinesCodec>,
    news: broadcast::Receiver<News>,
    /// What the client presents by now.
    token: Option<String>,
    /// Who it was in the last exchange. Nothing is decided by it but whether there is something to lose.
    name: Option<String>,
}

impl Guest {
    /// Until it leaves, or for the reason that is returned.
    async fn stay(&mut self) -> Result<Option<&'static str>, Failure> {
        self.hello().await?;
        loop {
            tokio::select! {
                line = self.lines.next() => match line.transpose() {
                    Ok(Some(line)) => self.hear(&line).await?,
                    Ok(None) => return Ok(None),
                    Err(LinesCodecError::MaxLineLengthExceeded) => return Ok(Some("bye that line is too long")),
                    Err(LinesCodecError::Io(error)) => return Err(error.into()),
                },
                news = self.news.recv() => {
                    // Before anything is told to somebody, this: is it still who it was?
                    if let Some(bye) = self.farewell().await? {
                        return Ok(Some(bye));
                    }
                    match news {
                        Ok(News::Said(line)) => self.tell(&line).await?,
                        Ok(News::Ended) => {}
                        Err(_) => return Ok(Some("bye you read too slowly")),
                    }
                }
            }
        }
    }

    async fn hello(&mut self) -> Result<(), Failure> {
        let read = self.chat.sessions.with(self.token.as_deref(), |session| {
            let name = session.subject().map(str::to_owned);
            Ok((name, session.get::<u32>("said")?.unwrap_or(0)))
        });
        let ((name, said), outcome) = read.await?;
        self.obey(outcome).await?;
        self.name = name;
        let name = self.name.as_deref().unwrap_or(STRANGER);
        let hello = format!("hello {name} {said}");
        Ok(self.tell(&hello).await?)
    }

    async fn hear(&mut self, line: &str) -> Result<(), Failure> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("/name", name) if !name.is_empty() => self.sign_in(name).await,
            ("/out", _) => self.sign_out().await,
            ("/others", _) => self.end_others().await,
            (word, _) if word.starts_with('/') => Ok(self.tell("no such command").await?),
            // They would act on the others' terminals.
            _ if line.contains(char::is_control) => Ok(self
                .tell("no: control characters are not passed on")
                .await?),
            _ => self.say(line).await,
        }
    }

    /// Here anybody is who they say they are. Yours will ask for more.
    async fn sign_in(&mut self, name: &str) -> Result<(), Failure> {
        let sign_in = self
            .chat
            .sessions
            .with(self.token.as_deref(), |session| session.sign_in(name));
        let outcome = match sign_in.await {
            Ok(((), outcome)) => outcome,
            Err(cloakroom::Error::Session(SessionError::InvalidSubject)) => {
                let no = "no: a name has at most 255 bytes, and no control characters";
                return Ok(self.tell(no).await?);
            }
            Err(error) => return Err(error.into()),
        };
        self.obey(outcome).await?;
        self.hello().await
    }

    async fn sign_out(&mut self) -> Result<(), Failure> {
        let sign_out = self.chat.sessions.with(self.token.as_deref(), |session| {
            session.sign_out();
            Ok(())
        });
        let ((), outcome) = sign_out.await?;
        self.obey(outcome).await?;
        // The client's other connections presented the same token.
        let _ = self.chat.news.send(News::Ended);
        self.hello().await
    }

    async fn end_others(&mut self) -> Result<(), Failure> {
        let sessions = &self.chat.sessions;
        let who = sessions.with(self.token.as_deref(), |session| {
            Ok(session.subject().map(str::to_owned).zip(session.id()))
        });
        let (Some((name, id)), _) = who.await? else {
            return Ok(self.tell("no: sign in first").await?);
        };
        let ended = sessions.revoke_others(&name, Some(&id)).await?;
        let _ = self.chat.news.send(News::Ended);
        Ok(self.tell(&format!("ended {ended}")).await?)
    }

    async fn say(&mut self, text: &str) -> Result<(), Failure> {
        let count = self.chat.sessions.with(self.token.as_deref(), |session| {
            session.update("said", |said: Option<u32>| said.unwrap_or(0) + 1)?;
            Ok(session.subject().map(str::to_owned))
        });
        let (name, outcome) = count.await?;
        let fate = outcome.fate;
        self.obey(outcome).await?;
        match fate {
            // Another connection of this client has signed in, and was told the new token.
            Fate::Superseded => Ok(self.tell("no: your token has been replaced").await?),
            Fate::Gone => Ok(self.tell("no: your session has ended").await?),
            _ => {
                let name = name.as_deref().unwrap_or(STRANGER);
                // Nobody is listening: that is no failure.
                let _ = self
                    .chat
                    .news
                    .send(News::Said(format!("said {name} {text}").into()));
                Ok(())
            }
        }
    }

    /// Why somebody who was signed in is to go, if there is a reason.
    async fn farewell(&mut self) -> Result<Option<&'static str>, Failure> {
        let read = self.chat.sessions.with(self.token.as_deref(), |session| {
            Ok(session.subject().map(str::to_owned))
        });
        let (name, outcome) = read.await?;
        let superseded = outcome.superseded;
        self.obey(outcome).await?;
        Ok(match self.name {
            None => None,
            // Who only listens would be a stranger when the grace is over.
            Some(_) if superseded => Some("bye your token has been replaced"),
            Some(_) if name != self.name => Some("bye your session has ended"),
            Some(_) => None,
        })
    }

    /// Passes on what the client must do with its token, and does it likewise.
    async fn obey(&mut self, outcome: Outcome) -> Result<(), LinesCodecError> {
        match outcome.directive {
            Directive::Issue(issued) => {
                let token = issued.token.expose();
                self.token = Some(token.to_owned());
                self.tell(&format!("keep {token}")).await?;
            }
            Directive::Clear => {
                self.token = None;
                self.name = None;
                self.tell("forget").await?;
            }
            // There is nothing to do.
            _ => {}
        }
        Ok(())
    }

    async fn tell(&mut self, line: &str) -> Result<(), LinesCodecError> {
        self.lines.send(line).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[tokio::test]
    async fn a_client_that_comes_back_with_its_token_is_known() {
        let server = Server::start().await;
        let mut client = server.client("").await;
        client.hears("hello stranger 0").await;
        let token = client.says_first("good morning").await;
        client.hears("said stranger good morning").await;
        drop(client);

        let mut again = server.client(&token).await;
        again.hears("hello stranger 1").await;
        again.send("still here").await;
        // Told nothing of tokens: it keeps the one that it has.
        again.hears("said stranger still here").await;
    }

    #[tokio::test]
    async fn signing_in_replaces_the_token_and_keeps_the_data() {
        let server = Server::start().await;
        let mut client = server.client("").await;
        client.hears("hello stranger 0").await;
        let before = client.says_first("hm").await;
        client.hears("said stranger hm").await;
        let after = client.signs_in("ada").await;
        client.hears("hello ada 1").await;
        assert_ne!(before, after);

        server.client(&after).await.hears("hello ada 1").await;
        // Within the grace the old token still leads to what it always led to, and to nothing more.
        let mut old = server.client(&before).await;
        old.hears("hello stranger 1").await;
        old.send("me too").await;
        old.hears("no: your token has been replaced").await;
    }

    #[tokio::test]
    async fn a_sign_in_while_another_connection_speaks_loses_nothing_that_was_said() {
        for _ in 0..50 {
            let server = Server::start().await;
            let mut one = server.client("").await;
            one.hears("hello stranger 0").await;
            let token = one.says_first("one").await;
            one.hears("said stranger one").await;
            let mut other = server.client(&token).await;
            other.hears("hello stranger 1").await;

            // Which of the two comes first is different from time to time; both are right.
            let (signed_in, ()) = tokio::join!(one.signs_in("ada"), other.send("two"));
            let was_said = match other.next().await.as_str() {
                "said stranger two" => true,
                "no: your token has been replaced" => false,
                line => panic!("{line}"),
            };
            let hello = format!("hello ada {}", 1 + u32::from(was_said));
            server.client(&signed_in).await.hears(&hello).await;
        }
    }

    #[tokio::test]
    async fn a_revoked_session_is_cut_off() {
        let server = Server::start().await;
        let mut lost = server.client("").await;
        lost.hears("hello stranger 0").await;
        lost.signs_in("ada").await;
        lost.hears("hello ada 0").await;
        let mut stranger = server.client("").await;
        stranger.hears("hello stranger 0").await;
        let mut owner = server.client("").await;
        owner.hears("hello stranger 0").await;
        owner.signs_in("ada").await;
        owner.hears("hello ada 0").await;

        owner.send("/others").await;
        owner.hears("ended 1").await;
        lost.hears("bye your session has ended").await;
        lost.is_closed().await;
        owner.send("just me").await;
        owner.hears("said ada just me").await;
        stranger.hears("said ada just me").await;
    }

    #[tokio::test]
    async fn signing_out_ends_the_clients_other_connections_and_no_others() {
        let server = Server::start().await;
        let mut one = server.client("").await;
        one.hears("hello stranger 0").await;
        let token = one.signs_in("ada").await;
        one.hears("hello ada 0").await;
        let mut other = server.client(&token).await;
        other.hears("hello ada 0").await;
        let mut stranger = server.client("").await;
        stranger.hears("hello stranger 0").await;

        one.send("/out").await;
        one.hears("forget").await;
        one.hears("hello stranger 0").await;
        other.hears("bye your session has ended").await;
        other.is_closed().await;
        server.client(&token).await.hears("hello stranger 0").await;
        stranger.send("who was that?").await;
        stranger.keeps().await;
        stranger.hears("said stranger who was that?").await;
    }

    #[tokio::test]
    async fn a_connection_that_only_listens_learns_that_its_token_was_replaced() {
        let server = Server::start().await;
        let mut one = server.client("").await;
        one.hears("hello stranger 0").await;
        let token = one.signs_in("ada").await;
        one.hears("hello ada 0").await;
        let mut listener = server.client(&token).await;
        listener.hears("hello ada 0").await;

        one.signs_in("ada").await;
        one.hears("hello ada 0").await;
        one.send("anybody there?").await;
        one.hears("said ada anybody there?").await;
        listener.hears("bye your token has been replaced").await;
        listener.is_closed().await;
    }

    #[tokio::test]
    async fn a_token_that_nobody_issued_is_not_adopted() {
        let server = Server::start().await;
        for made_up in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let mut client = server.client(made_up).await;
            client.hears("hello stranger 0").await;
            assert_ne!(client.says_first("hi").await, made_up);
        }
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_refused_and_the_connection_stays() {
        let server = Server::start().await;
        let mut client = server.client("").await;
        client.hears("hello stranger 0").await;
        for name in ["a\u{7}da", "\u{1b}[2J", &"a".repeat(256)] {
            client.send(&format!("/name {name}")).await;
            let no = "no: a name has at most 255 bytes, and no control characters";
            client.hears(no).await;
        }
        client.signs_in("ada").await;
        client.hears("hello ada 0").await;
        client.send("\u{1b}[2J").await;
        client
            .hears("no: control characters are not passed on")
            .await;
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_collected() {
        let server = Server::start().await;
        let mut client = server.client("").await;
        client.hears("hello stranger 0").await;
        client.send(&"a".repeat(LONGEST_LINE + 1)).await;
        client.hears("bye that line is too long").await;
    }

    struct Server(SocketAddr);

    impl Server {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let chat = Chat::new(Sessions::new(MemoryStore::new()));
            tokio::spawn(chat.serve(listener));
            Self(address)
        }

        async fn client(&self, token: &str) -> Client {
            let stream = TcpStream::connect(self.0).await.unwrap();
            let mut client = Client(Framed::new(stream, LinesCodec::new()));
            client.send(token).await;
            client
        }
    }

    struct Client(Framed<TcpStream, LinesCodec>);

    impl Client {
        async fn send(&mut self, line: &str) {
            self.0.send(line).await.unwrap();
        }

        async fn next(&mut self) -> String {
            self.0.next().await.unwrap().unwrap()
        }

        async fn hears(&mut self, line: &str) {
            assert_eq!(self.next().await, line);
        }

        /// The token that it is told to keep, whatever others say before.
        async fn keeps(&mut self) -> String {
            loop {
                let line = self.next().await;
                match line.split_once(' ').unwrap() {
                    ("keep", token) => return token.to_owned(),
                    (word, _) => assert_eq!(word, "said"),
                }
            }
        }

        async fn says_first(&mut self, line: &str) -> String {
            self.send(line).await;
            self.keeps().await
        }

        async fn signs_in(&mut self, name: &str) -> String {
            self.send(&format!("/name {name}")).await;
            self.keeps().await
        }

        async fn is_closed(&mut self) {
            assert!(self.0.next().await.is_none());
        }
    }
}
