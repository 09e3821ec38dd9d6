//! A way to a server on which the requests are counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts how often a client sent after the server had answered. With one operation at a time that
/// is the number of round trips.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    turns: Arc<AtomicUsize>,
}

impl Way {
    pub(crate) async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let turns = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&turns);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let turns = Arc::clone(&counter);
                // An error is the end of the connection.
                tokio::spawn(async move { carry(client, server, &turns).await });
            }
        });
        Ok(Self { address, turns })
    }

    pub(crate) fn turns(&self) -> usize {
        self.turns.load(Ordering::Relaxed)
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, turns: &AtomicUsize) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut answered = true;
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                length => {
                    if answered {
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                    answered = false;
                    server.write_all(&request[..length]).await?;
                }
            },
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                length => {
                    answered = true;
                    client.write_all(&answer[..length]).await?;
                }
            },
        }
    }
}
