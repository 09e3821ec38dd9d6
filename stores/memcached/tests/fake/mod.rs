//! A server that reads whole requests and sends scripted answers.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use cloakroom_memcached::MemcachedStore;
use cloakroom_store::StoreError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Fake {
    url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    /// An answer that is empty, or is none, ends the connection.
    answers: VecDeque<String>,
    heard: Vec<String>,
    connections: usize,
}

impl Fake {
    pub(crate) async fn start(answers: &[&str]) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0", answers).await
    }

    pub(crate) async fn start_at(address: &str, answers: &[&str]) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("memcached://{}", listener.local_addr()?);
        let script = Arc::new(Mutex::new(Script {
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            heard: Vec::new(),
            connections: 0,
        }));
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { url, script })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on these are the answers.
    pub(crate) fn say(&self, answer: &str) {
        self.script.lock().unwrap().answers = VecDeque::from([answer.to_owned()]);
    }

    /// How many connections have been made to it.
    pub(crate) fn connections(&self) -> usize {
        self.script.lock().unwrap().connections
    }

    /// The lines of all requests, without the values.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.script.lock().unwrap().heard.clone()
    }
}

pub(crate) async fn connect(fake: &Fake) -> Result<MemcachedStore, StoreError> {
    MemcachedStore::connect(&fake.url()).await
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["add" | "cas", _, _, _, length, ..] = words[..] {
            let length: usize = length.parse().map_err(io::Error::other)?;
            stream.read_exact(&mut vec![0; length + 2]).await?;
        }
        let answer = {
            let mut script = script.lock().unwrap();
            script.heard.push(line.trim_end().to_owned());
            script.answers.pop_front().unwrap_or_default()
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        // A partial answer stays partial.
        if !answer.ends_with("\r\n") {
            return Ok(());
        }
    }
}
