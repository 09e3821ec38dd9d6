//! A proxy between a client and its server that can misbehave.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The proxy's behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything arrives.
    Pass,
    /// Connections that exist break, and new ones break at once.
    Cut,
    /// Connections stay and new ones are accepted, but no byte passes any more.
    Hang,
    /// On existing connections the next answer arrives, and then nothing more, as if the peer had
    /// vanished. New connections work.
    Strand,
    /// Requests arrive. The connection breaks when its next answer comes.
    LoseAnswers,
    /// Nothing comes on connections whose client has asked for announcements (`CLIENT TRACKING`).
    /// They break when this ends. The others work.
    Mute,
    /// A connection is closed if it was idle for so long and no answer is due.
    CloseIdle(Duration),
}

/// A port that leads to a server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    lost: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
    open: Open,
    accepting: AbortHandle,
}

/// The connections that there are: their numbers, counted from the first that was made, and when
/// the last bytes passed.
#[derive(Clone, Debug, Default)]
struct Open(Arc<Mutex<BTreeMap<usize, Instant>>>);

/// One of them, until it is dropped.
struct Listed(Open, usize);

impl Proxy {
    /// Listens on a free port, and leads each connection to `server`.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let [lost, peak, made] = [0; 3].map(|zero| Arc::new(AtomicUsize::new(zero)));
        let counters = [&lost, &peak, &made].map(Arc::clone);
        let (mode, watched) = watch::channel(Mode::Pass);
        let others = mode.clone();
        let open = Open::default();
        let list = open.clone();
        let accept = async move {
            // Nothing but a lack of descriptors makes accepting fail; then the case fails too.
            while let Ok((client, _)) = listener.accept().await {
                let [lost, peak, made] = &counters;
                let (mode, lost) = (watched.clone(), Arc::clone(lost));
                // Each connection listens to the mode, and so does this task.
                peak.fetch_max(others.receiver_count() - 1, Ordering::Relaxed);
                let listed = list.add(made.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(async move {
                    // An error is the end of the connection, which is what either side sees.
                    let _ = carry(client, server, mode, &lost, &listed).await;
                });
            }
        };
        Ok(Self {
            address,
            mode,
            lost,
            peak,
            made,
            open,
            accepting: tokio::spawn(accept).abort_handle(),
        })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many answers it has lost, or connections with answers under way.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// How many connections it had at the same time, at most.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// How many connections were made, even if they were closed at once.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Breaks all connections that there are. New ones are sound.
    pub async fn cut(&self) {
        self.set(Mode::Cut);
        while self.mode.receiver_count() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.set(Mode::Pass);
    }

    /// Waits until each of the connections that there are now is closed, or was used after this
    /// call.
    pub async fn closed(&self) {
        let (made, begin) = (self.made(), Instant::now());
        let is_idle = || {
            let connections = self.open.connections();
            connections.range(..made).any(|(_, last)| *last < begin)
        };
        while is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Changes what happens to every connection from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Open {
    fn add(&self, number: usize) -> Listed {
        self.connections().insert(number, Instant::now());
        Listed(self.clone(), number)
    }

    fn connections(&self) -> MutexGuard<'_, BTreeMap<usize, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    fn used(&self) {
        self.0.connections().insert(self.1, Instant::now());
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.connections().remove(&self.1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections end by themselves: the last sender of the mode goes with it.
        self.accepting.abort();
    }
}

/// The command by which a client asks for announcements.
const TRACKING: &[u8] = b"TRACKING";

async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    lost: &AtomicUsize,
    listed: &Listed,
) -> io::Result<()> {
    let first = *mode.borrow_and_update();
    if first == Mode::Cut {
        return Ok(());
    }
    let mut is_new = first == Mode::Strand;
    let mut is_due = false;
    let (mut announces, mut is_mute) = (false, false);
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return Ok(()),
            Mode::Hang => {
                // A connection that hung never continues: its client has abandoned it.
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
            Mode::Mute => {}
            // A part of an answer may be lost.
            _ if is_mute => return Ok(()),
            Mode::Pass | Mode::Strand | Mode::LoseAnswers | Mode::CloseIdle(_) => {}
        }
        is_new &= now == Mode::Strand;
        let patience = match now {
            Mode::CloseIdle(patience) if !is_due => Some(patience),
            _ => None,
        };
        tokio::select! {
            biased;
            changed = mode.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                length => {
                    is_due = true;
                    listed.used();
                    announces |= request[..length]
                        .windows(TRACKING.len())
                        .any(|text| text == TRACKING);
                    server.write_all(&request[..length]).await?;
                }
            },
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {
                return Ok(());
            }
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                _ if now == Mode::LoseAnswers => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                _ if now == Mode::Mute && announces => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    is_mute = true;
                }
                length => {
                    is_due = false;
                    listed.used();
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
