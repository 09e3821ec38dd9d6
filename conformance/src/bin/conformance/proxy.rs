//! What stands between a client and its server, and can misbehave.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything arrives.
    Pass,
    /// Connections that exist break, and new ones break at once.
    Cut,
    /// Connections stay, new ones are accepted, and nothing is heard any more.
    Hang,
    /// Of connections that exist the next answer arrives, and then they are heard of no more, as if what is at their other end
    /// had gone without a word. New ones are sound.
    Strand,
    /// Requests arrive. The connection breaks when its next answer comes.
    LoseAnswers,
}

/// A port that leads to a server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    lost: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let [lost, peak, made] = [0; 3].map(|zero| Arc::new(AtomicUsize::new(zero)));
        let counters = [&lost, &peak, &made].map(Arc::clone);
        let (mode, watched) = watch::channel(Mode::Pass);
        let others = mode.clone();
        let accept = async move {
            // Nothing but a lack of descriptors makes accepting fail; then the case fails too.
            while let Ok((client, _)) = listener.accept().await {
                let [lost, peak, made] = &counters;
                let (mode, lost) = (watched.clone(), Arc::clone(lost));
                // Each connection listens to the mode, and so does this task.
                peak.fetch_max(others.receiver_count() - 1, Ordering::Relaxed);
                made.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    // An error is the end of the connection, which is what either side sees.
                    let _ = carry(client, server, mode, &lost).await;
                });
            }
        };
        Ok(Self {
            address,
            mode,
            lost,
            peak,
            made,
            accepting: tokio::spawn(accept).abort_handle(),
        })
    }

    /// Where clients find it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many answers it has lost, or connections with answers under way.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// How many connections it had at the same time, at most.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// How many connections were made, even if they were closed at once.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Breaks all connections that there are. New ones are sound.
    pub(crate) async fn cut(&self) {
        self.set(Mode::Cut);
        while self.mode.receiver_count() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.set(Mode::Pass);
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections end by themselves: the last sender of the mode goes with it.
        self.accepting.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    lost: &AtomicUsize,
) -> io::Result<()> {
    let first = *mode.borrow_and_update();
    if first == Mode::Cut {
        return Ok(());
    }
    let mut is_new = first == Mode::Strand;
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return Ok(()),
            Mode::Hang => {
                // What hung once never goes on: its client gives it up.
                let end = async {
                    while client
                        .read(&mut request)
                        .await
                        .is_ok_and(|length| length > 0)
                    {}
                };
                tokio::select! {
                    _ = mode.wait_for(|mode| *mode != Mode::Hang) => {}
                    () = end => {}
                }
                return Ok(());
            }
            Mode::Pass | Mode::Strand | Mode::LoseAnswers => {}
        }
        is_new &= now == Mode::Strand;
        tokio::select! {
            biased;
            changed = mode.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                length => server.write_all(&request[..length]).await?,
            },
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                _ if now == Mode::LoseAnswers => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                length => {
                    client.write_all(&answer[..length]).await?;
                    if now == Mode::Strand && !is_new {
                        while client.read(&mut request).await? > 0 {}
                        return Ok(());
                    }
                }
            },
        }
    }
}
