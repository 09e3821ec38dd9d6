//! A browser's connections to the processes of the demo, which stay open.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a browser waits for a page.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Browser {
    processes: Vec<(String, Option<TcpStream>)>,
}

pub(super) struct Page {
    pub(super) status: u16,
    /// The token of a new session.
    pub(super) token: Option<String>,
    text: String,
}

impl Browser {
    /// Of processes at these addresses.
    pub(super) fn new(addresses: &[String]) -> Self {
        let processes = addresses.iter().map(|address| (address.clone(), None));
        Self {
            processes: processes.collect(),
        }
    }

    /// Asks one of the processes for a page, with a form if there is one.
    pub(super) async fn ask(
        &mut self,
        process: usize,
        path: &str,
        token: &str,
        form: Option<&str>,
    ) -> io::Result<Page> {
        let (address, stream) = &mut self.processes[process];
        let cookie = match token {
            "" => String::new(),
            token => format!("cookie: __Host-session={token}\r\n"),
        };
        let request = match form {
            None => format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{cookie}\r\n"),
            Some(form) => format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\n{cookie}content-length: {}\r\n\
                 content-type: application/x-www-form-urlencoded\r\n\r\n{form}",
                form.len()
            ),
        };
        let exchange = async {
            let mut open = match stream.take() {
                Some(open) => open,
                None => {
                    let open = TcpStream::connect(address.as_str()).await?;
                    open.set_nodelay(true)?;
                    open
                }
            };
            open.write_all(request.as_bytes()).await?;
            let page = read(&mut open).await?;
            // Only a connection without a rest of an answer is used again.
            *stream = Some(open);
            Ok(page)
        };
        match timeout(PATIENCE, exchange).await {
            Ok(done) => done,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Page> {
    let broken = |why: &str| io::Error::other(why.to_owned());
    let mut bytes = Vec::with_capacity(8192);
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = field(&head, "content-length").and_then(|text| text.parse().ok());
            break (head, end + 4 + length.unwrap_or(0_usize));
        }
    };
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let token = field(&head, "set-cookie").and_then(|line| {
        let (name, rest) = line.split_once('=')?;
        let (token, _) = rest.split_once(';')?;
        (name == "__Host-session" && !token.is_empty()).then(|| token.to_owned())
    });
    Ok(Page {
        status: status.ok_or_else(|| broken("an answer without a status"))?,
        token,
        text: String::from_utf8_lossy(&bytes[head.len() + 4..]).into_owned(),
    })
}

fn field<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(wanted).then_some(value)
    })
}

impl Page {
    /// The token that forms of this page have.
    pub(super) fn csrf(&self) -> Option<&str> {
        between(&self.text, "name=\"csrf\" value=\"", "\"")
    }

    /// Whether it is the first page, which counts visits.
    pub(super) fn counts_visits(&self) -> bool {
        self.status == 200 && self.text.contains("<p class=\"visits\">")
    }

    /// The number of things in the cart, which each page shows.
    pub(super) fn in_cart(&self) -> u64 {
        let shown = between(&self.text, "<span class=\"badge\">", "<");
        shown
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }

    /// Whether the visitor is signed in.
    pub(super) fn is_signed_in(&self) -> bool {
        self.text.contains("class=\"me\"")
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}
