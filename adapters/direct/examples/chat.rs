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
#[path = "chat/tests.rs"]
mod tests;
