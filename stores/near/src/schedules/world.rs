//! One store, the caches of two processes before it, and everything that they did.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Stored, Touched, UnixTime, Write,
};

use super::tracked::Pipe;
use crate::Near;
use crate::mutant::Broken;

/// A tick of all clocks. The lease is two of them.
const TICK: Duration = Duration::from_millis(500);
pub(super) const LEASE: u64 = 2;

#[derive(Default)]
pub(super) struct World {
    records: BTreeMap<Key, Stored>,
    version: u64,
    /// Counts all that happens.
    pub(super) step: u64,
    /// Counts the answers.
    pub(super) answers: u64,
    /// The announcements to the first process.
    pub(super) pipe: Option<Pipe>,
    /// In ticks.
    pub(super) clock: Arc<AtomicU64>,
    /// Each change of a record: when, and its version from then on.
    changes: BTreeMap<Key, Vec<Change>>,
    /// The thread that is running, and the last effect of each thread.
    pub(super) thread: usize,
    effects: BTreeMap<usize, u64>,
    /// The last step of a key that each process was answered about: it may not read anything older.
    floors: BTreeMap<(usize, Key), u64>,
    /// How many calls of the store may still fail.
    pub(super) faults: usize,
    /// Calls that take effect later.
    late: Vec<(Key, Call)>,
    pub(super) wrong: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    step: u64,
    clock: u64,
    version: Option<u64>,
}

#[derive(Clone, Copy)]
enum Fault {
    /// It fails, and has no effect.
    Before,
    /// It takes effect, and its answer is lost.
    After,
    /// Its answer is lost, and it takes effect at some later time.
    Late,
}

#[derive(Clone)]
pub(super) enum Call {
    Load,
    /// Removes the record, whichever it is.
    Wipe,
    Create(Write),
    Replace(Stored, Write),
    Touch(UnixTime),
    Delete(Stored),
}

pub(super) enum Answer {
    Loaded(Option<Stored>),
    Created(Created, Option<u64>),
    Replaced(Replaced, Option<u64>),
    Touched(Touched),
    Deleted(Deleted),
}

impl World {
    pub(super) fn tick(&self) {
        self.clock.fetch_add(1, Ordering::Relaxed);
    }

    fn fault(&mut self) -> Option<Fault> {
        const FAULTS: [Fault; 3] = [Fault::Before, Fault::After, Fault::Late];
        let chosen = (self.faults > 0).then(|| choose(1 + FAULTS.len()))?;
        let fault = chosen.checked_sub(1).map(|at| FAULTS[at]);
        self.faults -= usize::from(fault.is_some());
        fault
    }

    pub(super) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    pub(super) fn perform_late(&mut self) {
        let (key, call) = self.late.remove(0);
        self.perform(&key, call);
    }

    /// The living records.
    pub(super) fn left(&self) -> Vec<&Stored> {
        self.records.values().collect()
    }

    pub(super) fn perform(&mut self, key: &Key, call: Call) -> Answer {
        self.step += 1;
        let current = self.records.get(key).cloned();
        let same = |old: &Stored| current.as_ref().map(|now| now.version == old.version);
        match call {
            Call::Load => Answer::Loaded(current),
            Call::Create(_) if current.is_some() => Answer::Created(Created::Taken, None),
            Call::Create(write) => Answer::Created(Created::Stored, Some(self.put(key, &write))),
            Call::Replace(old, write) => match same(&old) {
                None => Answer::Replaced(Replaced::Gone, None),
                Some(false) => Answer::Replaced(Replaced::Changed, None),
                Some(true) => Answer::Replaced(Replaced::Stored, Some(self.put(key, &write))),
            },
            Call::Wipe => Answer::Deleted(match self.records.remove(key) {
                None => Deleted::Gone,
                Some(_) => {
                    self.changed(key, None);
                    Deleted::Deleted
                }
            }),
            Call::Touch(expires_at) => Answer::Touched(match self.records.get_mut(key) {
                None => Touched::Gone,
                Some(record) => {
                    record.expires_at = expires_at;
                    self.announce(key);
                    Touched::Extended
                }
            }),
            Call::Delete(old) => Answer::Deleted(match same(&old) {
                None => Deleted::Gone,
                Some(false) => Deleted::Changed,
                Some(true) => {
                    self.records.remove(key);
                    self.changed(key, None);
                    Deleted::Deleted
                }
            }),
        }
    }

    fn put(&mut self, key: &Key, write: &Write) -> u64 {
        self.version += 1;
        let stored = Stored::new(write.bytes.clone(), write.expires_at, self.version);
        self.records.insert(key.clone(), stored);
        self.changed(key, Some(self.version));
        self.version
    }

    fn changed(&mut self, key: &Key, version: Option<u64>) {
        let (step, clock) = (self.step, self.clock.load(Ordering::Relaxed));
        let change = Change {
            step,
            clock,
            version,
        };
        self.changes.entry(key.clone()).or_default().push(change);
        self.announce(key);
    }

    fn announce(&mut self, key: &Key) {
        if let Some(pipe) = &mut self.pipe {
            pipe.announce(key, self.step, self.answers);
        }
    }

    /// The first process has heard of the changes up to this step.
    pub(super) fn knows(&mut self, step: u64) {
        let floor = self.floors.entry((0, super::key())).or_insert(0);
        *floor = step.max(*floor);
    }

    /// When the record of this version was replaced or removed.
    fn end_of(&self, key: &Key, version: u64) -> Option<Change> {
        let changes = self.changes.get(key)?;
        let at = changes
            .iter()
            .position(|change| change.version == Some(version))?;
        changes.get(at + 1).copied()
    }

    fn was_missing(&self, key: &Key, from: u64) -> bool {
        let changes = self.changes.get(key).map_or(&[][..], Vec::as_slice);
        if changes.first().is_none_or(|first| first.step > from) {
            return true;
        }
        changes.iter().enumerate().any(|(at, change)| {
            let end = changes.get(at + 1).map_or(u64::MAX, |next| next.step);
            change.version.is_none() && end > from
        })
    }

    /// Checks the answer of a load that began at this step and tick.
    fn check(&mut self, process: usize, key: &Key, began: Began, found: Option<&Stored>) {
        let floor = began.floor;
        let problem = match found {
            None if !self.was_missing(key, began.step) => "misses a record that was there",
            None => return,
            Some(found) => match self.end_of(key, found.version) {
                Some(end) if end.clock + LEASE <= began.clock => "reads what ended a lease ago",
                Some(end) if end.step <= floor => "reads what it knows has changed",
                Some(end) if began.fresh && end.step <= began.step => "has a reload from memory",
                _ => return,
            },
        };
        self.wrong
            .push(format!("process {process} {problem}: {began:?} {found:?}"));
    }
}

#[derive(Clone, Copy, Debug)]
struct Began {
    step: u64,
    clock: u64,
    floor: u64,
    fresh: bool,
}

pub(super) type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().expect("no panic under the lock")
}

/// The store, as the cache calls it. Its effect and its answer each wait for their turn.
#[derive(Clone)]
pub(super) struct Far(pub(super) Shared);

impl Far {
    async fn call(&self, key: &Key, call: Call) -> Result<Answer, StoreError> {
        Turn(false).await;
        let answer = {
            let mut world = lock(&self.0);
            match world.fault() {
                Some(Fault::Before) => None,
                Some(Fault::Late) => {
                    world.late.push((key.clone(), call));
                    None
                }
                fault => {
                    let answer = world.perform(key, call);
                    let (thread, step) = (world.thread, world.step);
                    world.effects.insert(thread, step);
                    fault.is_none().then_some(answer)
                }
            }
        };
        Turn(false).await;
        lock(&self.0).answers += 1;
        answer.ok_or_else(|| StoreError::transient("schedule", "a fault"))
    }
}

/// Waits once: the schedule decides when it goes on.
pub(super) struct Turn(pub(super) bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

macro_rules! answer {
    ($far:expr, $key:expr, $call:expr, $pattern:pat => $answer:expr) => {
        match $far.call($key, $call).await? {
            $pattern => Ok($answer),
            _ => unreachable!("each call has its answer"),
        }
    };
}

impl Store for Far {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        answer!(self, key, Call::Load, Answer::Loaded(found) => found)
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        Ok(self.create_versioned(key, write).await?.0)
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        Ok(self.replace_versioned(key, old, write).await?.0)
    }

    async fn touch(&self, key: &Key, end: UnixTime) -> Result<Touched, StoreError> {
        answer!(self, key, Call::Touch(end), Answer::Touched(answer) => answer)
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        answer!(self, key, Call::Delete(old.clone()), Answer::Deleted(answer) => answer)
    }

    async fn create_versioned(
        &self,
        key: &Key,
        write: &Write,
    ) -> Result<(Created, Option<u64>), StoreError> {
        let call = Call::Create(write.clone());
        answer!(self, key, call, Answer::Created(answer, version) => (answer, version))
    }

    async fn replace_versioned(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<(Replaced, Option<u64>), StoreError> {
        let call = Call::Replace(old.clone(), write.clone());
        answer!(self, key, call, Answer::Replaced(answer, version) => (answer, version))
    }
}

/// The store with the cache of one process, as its requests see it. Checks every load.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) near: Near<Far>,
    process: usize,
    world: Shared,
}

impl Seen {
    pub(super) fn new(world: &Shared, process: usize, broken: Option<Broken>) -> Self {
        let clock = Arc::clone(&lock(world).clock);
        // The processes' clocks have nothing in common but their speed.
        let skew = Duration::from_secs(1_000) * process as u32;
        let wall = SystemTime::now() + skew;
        let near = Near::builder(Far(Arc::clone(world)))
            // One part, which is made quickly.
            .max_bytes(64 << 10)
            .clocks(
                move || skew + TICK * clock.load(Ordering::Relaxed) as u32,
                move || wall,
            )
            .build()
            .broken(broken);
        Self {
            near,
            process,
            world: Arc::clone(world),
        }
    }

    async fn look(&self, key: &Key, fresh: bool) -> Result<Option<Stored>, StoreError> {
        let began = {
            let world = lock(&self.world);
            let floor = world.floors.get(&(self.process, key.clone())).copied();
            Began {
                step: world.step,
                clock: world.clock.load(Ordering::Relaxed),
                floor: floor.unwrap_or(0),
                fresh,
            }
        };
        let found = match fresh {
            false => self.near.load(key).await?,
            true => self.near.load_fresh(key).await?,
        };
        lock(&self.world).check(self.process, key, began, found.as_ref());
        Ok(found)
    }

    /// Notes that this process was answered, or that its call failed after its effect.
    async fn told<T>(&self, key: &Key, call: impl Future<Output = T>) -> T {
        {
            let mut world = lock(&self.world);
            let thread = world.thread;
            world.effects.remove(&thread);
        }
        let answer = call.await;
        let mut world = lock(&self.world);
        let thread = world.thread;
        if let Some(effect) = world.effects.remove(&thread) {
            let floor = world.floors.entry((self.process, key.clone())).or_insert(0);
            *floor = effect.max(*floor);
        }
        answer
    }
}

impl Store for Seen {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.look(key, false).await
    }

    async fn load_fresh(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.look(key, true).await
    }

    async fn create(&self, key: &Key, write: &Write) -> Result<Created, StoreError> {
        self.told(key, self.near.create(key, write)).await
    }

    async fn replace(
        &self,
        key: &Key,
        old: &Stored,
        write: &Write,
    ) -> Result<Replaced, StoreError> {
        self.told(key, self.near.replace(key, old, write)).await
    }

    async fn touch(&self, key: &Key, end: UnixTime) -> Result<Touched, StoreError> {
        self.told(key, self.near.touch(key, end)).await
    }

    async fn delete(&self, key: &Key, old: &Stored) -> Result<Deleted, StoreError> {
        self.told(key, self.near.delete(key, old)).await
    }
}

thread_local! {
    /// The choices of the schedule that runs now, and how many there were at each.
    static CHOICES: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
    static AT: Cell<usize> = const { Cell::new(0) };
}

/// Chooses one of `count`: as the schedule has it, or the first.
pub(super) fn choose(count: usize) -> usize {
    let at = AT.replace(AT.get() + 1);
    CHOICES.with_borrow_mut(|choices| {
        if at == choices.len() {
            choices.push((0, count));
        }
        choices[at].0
    })
}

/// Starts with the first schedule.
pub(super) fn first() {
    CHOICES.take();
    AT.set(0);
}

/// Goes on to the next schedule. False after the last one.
pub(super) fn next() -> bool {
    AT.set(0);
    CHOICES.with_borrow_mut(|choices| {
        while let Some((choice, count)) = choices.pop() {
            if choice + 1 < count {
                choices.push((choice + 1, count));
                return true;
            }
        }
        false
    })
}
