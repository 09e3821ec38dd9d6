//! The fixture for a line protocol over TCP.
//!
//! The client's first line has its tokens, with tabs between them, if it has any. Every further
//! line is a message, and has one line for an answer.

use std::io;
use std::net::SocketAddr;

use cloakroom_conformance::adapter::{
    Ability, App, Claims, Fixture, FixtureError, MessageReply, Server,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use tokio_util::task::AbortOnDropHandle;

use crate::connections::{Connections, Transport};
use crate::reply;

/// Longer than any script of the suite.
const LONGEST_LINE: usize = 1 << 22;

type Lines = Framed<TcpStream, LinesCodec>;

pub(crate) struct Tcp;

impl Fixture for Tcp {
    const NAME: &'static str = "tcp";

    async fn start(&self, app: App) -> Result<Server, FixtureError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Dropped with the task, and with it every connection.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let app = app.clone();
                connections.spawn(async move {
                    // An error is a client that went away.
                    let _ = serve(&app, lines(stream)).await;
                });
            }
        });
        Ok(Server::messages(Connections::new(Clients {
            address,
            _server: AbortOnDropHandle::new(task),
        })))
    }

    fn claims(claims: Claims) -> Claims {
        claims.never(Ability::Http, "lines over TCP have no headers")
    }
}

async fn serve(app: &App, mut lines: Lines) -> Result<(), LinesCodecError> {
    let Some(first) = lines.next().await.transpose()? else {
        return Ok(());
    };
    let tokens = first.split('\t').filter(|token| !token.is_empty());
    let mut tokens: Vec<_> = tokens.map(str::to_owned).collect();
    while let Some(script) = lines.next().await.transpose()? {
        let answer = reply::exchange(app, tokens.iter().map(String::as_bytes), &script).await;
        if let MessageReply::Done(_, told) = &answer {
            tokens = reply::obey(tokens, told);
        }
        lines.send(reply::to_line(&answer)).await?;
    }
    Ok(())
}

struct Clients {
    address: SocketAddr,
    _server: AbortOnDropHandle<()>,
}

impl Transport for Clients {
    type Connection = Lines;

    async fn connect(&self, tokens: &[String]) -> io::Result<Lines> {
        let mut lines = lines(TcpStream::connect(self.address).await?);
        let first = tokens.join("\t");
        lines.send(first).await.map_err(io::Error::other)?;
        Ok(lines)
    }

    async fn message(&self, lines: &mut Lines, script: &str) -> io::Result<MessageReply> {
        lines.send(script).await.map_err(io::Error::other)?;
        match lines.next().await {
            Some(Ok(line)) => Ok(reply::of_line(&line)),
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn lines(stream: TcpStream) -> Lines {
    // Lines are questions or answers, so they are sent at once.
    let _ = stream.set_nodelay(true);
    Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE))
}
