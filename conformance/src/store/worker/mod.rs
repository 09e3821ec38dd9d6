//! The other process: this program, started again, doing on its own handle what it is told over its standard input.

mod child;
mod wire;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};
use tokio::sync::oneshot;

pub(super) use child::is_child;
pub use child::worker;

use super::Place;
use super::claims::Answer;
use super::handle::{Handle, Operations};
use crate::case::Stop;
use wire::{Body, Reply, Request};

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
                    if wire::send(&mut stdin, number, now, |frame| frame.request(&request)).is_err()
                    {
                        break;
                    }
                }
            });
        }
        if let Some(stdout) = stdout {
            let mut stdout = BufReader::new(stdout);
            thread::spawn(move || {
                while let Ok(Some((number, _, reply))) = wire::receive(&mut stdout, Body::reply) {
                    if let Some(answer) = waiting.lock().answers.remove(&number) {
                        let _ = answer.send(reply);
                    }
                }
                waiting.lock().end();
            });
        }
        let worker = Self(process);
        match greeting.await {
            Ok(Reply::Failed { text, .. }) => Err(Stop::Failed(format!(
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

    /// Kills the process at once (`SIGKILL`), and returns when it is dead. What it was doing stays half done.
    pub(super) fn kill(&self) {
        self.0.kill();
    }
}

/// The running program. On Linux by a link that also works when the file has been replaced since by a new build.
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
            Ok(Reply::Failed {
                transient: true,
                text,
            }) => Err(StoreError::transient("other process", text)),
            Ok(Reply::Failed { text, .. }) => Err(StoreError::permanent("other process", text)),
            Ok(reply) => Ok(reply),
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

/// Asks the other process, and takes the one kind of reply that answers the question.
macro_rules! ask {
    ($worker:ident, $request:expr, $reply:ident) => {
        Box::pin(async move {
            match $worker.0.ask($request).await? {
                Reply::$reply(answer) => Ok(answer),
                _ => Err(StoreError::permanent("other process", "another reply")),
            }
        })
    };
}

impl Operations for Worker {
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        ask!(self, Request::Load(key.clone()), Loaded)
    }

    fn create<'a>(&'a self, key: &'a Key, write: &'a Write) -> Answer<'a, Created> {
        ask!(self, Request::Create(key.clone(), write.clone()), Created)
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        old: &'a Stored,
        write: &'a Write,
    ) -> Answer<'a, Replaced> {
        let request = Request::Replace(key.clone(), old.clone(), write.clone());
        ask!(self, request, Replaced)
    }

    fn touch<'a>(&'a self, key: &'a Key, expires_at: UnixTime) -> Answer<'a, Touched> {
        ask!(self, Request::Touch(key.clone(), expires_at), Touched)
    }

    fn delete<'a>(&'a self, key: &'a Key, old: &'a Stored) -> Answer<'a, Deleted> {
        ask!(self, Request::Delete(key.clone(), old.clone()), Deleted)
    }

    fn list<'a>(&'a self, subject: &'a str) -> Answer<'a, Vec<(Key, Stored)>> {
        ask!(self, Request::List(subject.to_owned()), Listed)
    }

    fn sweep(&self, limit: usize) -> Answer<'_, usize> {
        ask!(self, Request::Sweep(limit), Swept)
    }
}

/// Who waits for which reply.
#[derive(Default)]
struct Waiting(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    last: u64,
    ended: bool,
    answers: BTreeMap<u64, oneshot::Sender<Reply>>,
}

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// The frame with the number 0, which says that the store is open.
    fn expect_greeting(&mut self) -> oneshot::Receiver<Reply> {
        let (answer, greeting) = oneshot::channel();
        self.answers.insert(0, answer);
        greeting
    }

    /// The number of the next request. If the process has ended, nobody will answer it, and the receiver says so at once.
    fn next(&mut self) -> (u64, oneshot::Receiver<Reply>) {
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
