//! The other process: this program, started again. It performs the operations from its standard
//! input on its own handle.

mod child;
mod wire;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use cloakroom_store::{StoreError, UnixTime};
use tokio::sync::oneshot;

pub(super) use child::is_child;
pub use child::worker;

use super::Place;
use super::fixture::StoreFuture;
use super::handle::{Handle, Operations};
use super::operation::{Reply, Request};
use crate::case::Stop;
use wire::Outcome;

const NAME: &str = "CLOAKROOM_CONFORMANCE_WORKER";
const ADDRESS: &str = "CLOAKROOM_CONFORMANCE_ADDRESS";
const PLACE: &str = "CLOAKROOM_CONFORMANCE_PLACE";

/// A process that has the place open. Killed when the last handle to it is dropped.
pub(super) struct Worker(Arc<Process>);

impl Worker {
    /// Starts a process, and waits until its store is open.
    pub(super) async fn start(
        name: &'static str,
        address: &str,
        place: Place,
    ) -> Result<Self, Stop> {
        let failed = |error| Stop::Failed(format!("the other process did not start: {error}"));
        let mut child = Command::new(this_program().map_err(failed)?)
            .env(NAME, name)
            .env(ADDRESS, address)
            .env(PLACE, place.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (requests, outgoing) = mpsc::channel::<(u64, UnixTime, Request)>();
        let waiting = Arc::new(Waiting::default());
        let greeting = waiting.lock().expect_greeting();
        let process = Arc::new(Process {
            child: Mutex::new(child),
            requests,
            waiting: Arc::clone(&waiting),
            place,
        });
        // Threads of their own, because a pipe that is full blocks. Both end with the process.
        if let Some(mut stdin) = stdin {
            thread::spawn(move || {
                for (number, now, request) in outgoing {
                    if wire::send(&mut stdin, number, now, &request).is_err() {
                        break;
                    }
                }
            });
        }
        if let Some(stdout) = stdout {
            let mut stdout = BufReader::new(stdout);
            thread::spawn(move || {
                while let Ok(Some((number, _, outcome))) = wire::receive(&mut stdout) {
                    if let Some(answer) = waiting.lock().answers.remove(&number) {
                        let _ = answer.send(outcome);
                    }
                }
                waiting.lock().end();
            });
        }
        let worker = Self(process);
        match greeting.await {
            Ok(Outcome::Failed(_, text)) => Err(Stop::Failed(format!(
                "the other process could not open the store: {text}"
            ))),
            Ok(_) => Ok(worker),
            Err(_) => Err(Stop::Failed(format!(
                "the other process ended at once: `store::worker::<..>()` must stand at the top of `main`, for the fixture `{name}`"
            ))),
        }
    }

    /// The store as the other process has it open.
    pub(super) fn handle(&self) -> Handle {
        Handle::erased(Self(Arc::clone(&self.0)))
    }

    /// Kills the process at once (`SIGKILL`), and returns when it is dead. Its operations stay half
    /// done.
    pub(super) fn kill(&self) {
        self.0.kill();
    }
}

/// Returns the running program. On Linux by a link that also works when the file has been replaced
/// since by a new build.
fn this_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok("/proc/self/exe".into())
    } else {
        std::env::current_exe()
    }
}

struct Process {
    child: Mutex<Child>,
    requests: mpsc::Sender<(u64, UnixTime, Request)>,
    waiting: Arc<Waiting>,
    place: Place,
}

impl Process {
    async fn ask(&self, request: Request) -> Result<Reply, StoreError> {
        let (number, reply) = self.waiting.lock().next();
        // A process that is dead is found out below.
        let _ = self
            .requests
            .send((number, self.place.clock().now(), request));
        match reply.await {
            Ok(Outcome::Done(reply)) => Ok(reply),
            Ok(Outcome::Failed(true, text)) => Err(StoreError::transient("other process", text)),
            Ok(Outcome::Failed(_, text)) => Err(StoreError::permanent("other process", text)),
            Err(_) => Err(StoreError::transient("other process", "it has ended")),
        }
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Both fail only when it is dead already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Operations for Worker {
    fn perform(&self, request: Request) -> StoreFuture<'_, Reply> {
        Box::pin(self.0.ask(request))
    }
}

/// The callers that wait, by the number of the reply.
#[derive(Default)]
struct Waiting(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    last: u64,
    ended: bool,
    answers: BTreeMap<u64, oneshot::Sender<Outcome>>,
}

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// The frame with the number 0, which reports that the store is open.
    fn expect_greeting(&mut self) -> oneshot::Receiver<Outcome> {
        let (answer, greeting) = oneshot::channel();
        self.answers.insert(0, answer);
        greeting
    }

    /// Returns the number of the next request. If the process has ended, the receiver fails at
    /// once.
    fn next(&mut self) -> (u64, oneshot::Receiver<Outcome>) {
        let (answer, reply) = oneshot::channel();
        self.last += 1;
        if !self.ended {
            self.answers.insert(self.last, answer);
        }
        (self.last, reply)
    }

    fn end(&mut self) {
        self.ended = true;
        self.answers.clear();
    }
}
