//! A chat over TCP, line by line: sessions where there is no HTTP. `cargo run -p cloakroom
//! --example chat`, then `nc localhost 4000`.
//!
//! A client's first line is its token, or empty without one. Each later line is a message to the
//! chat, or one of these commands:
//!
//! ```text
//! /name NAME   sign in          /others   end the user's other sessions
//! /out         sign out
//! ```
//!
//! The server answers with lines. The first word is the kind:
//!
//! ```text
//! keep TOKEN      present this token from now on
//! forget          present no token any more
//! hello NAME N    the client's name, and the number of lines it has sent
//! said NAME TEXT  a line of the chat
//! ended N         N other sessions of the user were ended
//! no: TEXT        the command failed
//! bye TEXT        the last line before the server closes the connection
//! ```
//!
//! Every line is an exchange of its own. So the next line of any other connection, in any process,
//! sees what one connection did. No connection keeps the user of the moment when it was opened.
//!
//! When a signed-in session has ended, the server closes its connections, also those that only
//! listen: `Session::ended`. If the session ended in another process, this takes up to a lease.

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Directive, Ended, Ending, Fate, Outcome, Session, SessionError, Sessions};
use cloakroom_memory::MemoryStore;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

type Failure = Box<dyn Error + Send + Sync>;

/// Bytes. A longer line closes the connection, so that no client fills the memory.
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

/// Shared by all connections.
#[derive(Clone)]
struct Chat {
    sessions: Sessions<MemoryStore>,
    /// The lines of the chat.
    news: broadcast::Sender<Arc<str>>,
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
                    // Logs the error and never the line, because lines hold tokens.
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
            ending: None,
        };
        let bye = match guest.stay().await {
            Ok(Some(bye)) => bye,
            Ok(None) => return Ok(()),
            Err(error) => {
                // The client gets a sentence without internals.
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
    news: broadcast::Receiver<Arc<str>>,
    /// The token that the client presents now.
    token: Option<String>,
    /// The end of its session, if it is signed in.
    ending: Option<Ending>,
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
                ended = ended(&mut self.ending) => return Ok(Some(farewell(&ended))),
                news = self.news.recv() => match news {
                    Ok(line) => self.tell(&line).await?,
                    Err(_) => return Ok(Some("bye you read too slowly")),
                },
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
        self.ending = match &name {
            Some(_) => Some(self.ending().await?),
            None => None,
        };
        let name = name.as_deref().unwrap_or(STRANGER);
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
                let no = "no: a name has at most 1,024 bytes, and no control characters";
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
        Ok(self.tell(&format!("ended {ended}")).await?)
    }

    async fn say(&mut self, text: &str) -> Result<(), Failure> {
        let count = self.chat.sessions.with(self.token.as_deref(), |session| {
            session.update("said", |said: Option<u32>| said.unwrap_or(0) + 1)?;
            Ok(session.subject().map(str::to_owned))
        });
        let (name, outcome) = match count.await {
            // Another connection of this client has signed in, and got the new token.
            Err(cloakroom::Error::Session(SessionError::Superseded)) => {
                return Ok(self.tell("no: your token has been replaced").await?);
            }
            counted => counted?,
        };
        let fate = outcome.fate;
        self.obey(outcome).await?;
        match fate {
            Fate::Gone => Ok(self.tell("no: your session has ended").await?),
            _ => {
                let name = name.as_deref().unwrap_or(STRANGER);
                let line = format!("said {name} {text}");
                // Nobody is listening: that is no failure.
                let _ = self.chat.news.send(line.into());
                Ok(())
            }
        }
    }

    /// Returns the end of the session that the present token leads to.
    async fn ending(&self) -> Result<Ending, Failure> {
        let token = self.token.as_deref().map(str::as_bytes);
        let session: Session = self.chat.sessions.session(token);
        session.load().await?;
        Ok(session.ended())
    }

    /// Sends the directive to the client, and applies it to this connection's token.
    async fn obey(&mut self, outcome: Outcome) -> Result<(), LinesCodecError> {
        match outcome.directive {
            Directive::Issue(issued) => {
                let token = issued.token.expose();
                self.token = Some(token.to_owned());
                self.tell(&format!("keep {token}")).await?;
            }
            Directive::Clear => {
                self.token = None;
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

/// Waits for the end of the session, if there is one to lose.
async fn ended(ending: &mut Option<Ending>) -> Result<Ended, cloakroom::Error> {
    match ending {
        Some(ending) => ending.await,
        None => std::future::pending().await,
    }
}

fn farewell(ended: &Result<Ended, cloakroom::Error>) -> &'static str {
    match ended {
        // Without this, a client that only listens would lose its session when the grace ends.
        Ok(Ended::Rotated { .. } | Ended::SignedIn) => "bye your token has been replaced",
        Ok(_) => "bye your session has ended",
        // The store is down, so nobody knows.
        Err(_) => "bye try again later",
    }
}

#[cfg(test)]
#[path = "chat/tests.rs"]
mod tests;
