//! Both sides take many short turns and alternate in beginning, so that the machine's other work
//! affects both. Prints medians, and the quartiles of the ratio of neighbouring turns, which show
//! how reliable one run is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_store::{Created, Deleted, Key, Replaced, Store, Touched, UnixTime, Write};
use tokio::task::JoinSet;

use crate::Failure;
use crate::direct::{Direct, ENDS, next};
use crate::way::Way;

const TURN: Duration = Duration::from_millis(40);
const TURNS: usize = 40;
/// Turns that only warm up.
const WARM: usize = 4;
/// The counter for round trips.
const COUNTED: u32 = 50;
/// A record with a few values has about this length.
const VALUE: usize = 400;

#[derive(Clone, Copy)]
enum Work {
    Load,
    Touch,
    LoadReplace,
    CreateLoadDelete,
}

pub(crate) async fn all<S: Store, D: Direct>(
    name: &str,
    url: &str,
    open: impl AsyncFn(String) -> Result<S, Failure>,
    direct: D,
) -> Result<(), Failure> {
    let store = Arc::new(open(url.to_owned()).await?);
    for (work, what) in [
        (Work::Load, "load"),
        (Work::Touch, "touch"),
        (Work::LoadReplace, "load, replace"),
        (Work::CreateLoadDelete, "create, load, delete"),
    ] {
        let trips = match round_trips(url, &open, work).await? {
            Some(trips) => format!("{trips:.2}"),
            None => "-".to_owned(),
        };
        for at_once in [1, 64] {
            let by_store = Side::new(By::<S, D>::Store(Arc::clone(&store)), work, at_once).await?;
            let by_hand = Side::new(By::<S, D>::Hand(direct.clone()), work, at_once).await?;
            let (mut stores, mut directs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for turn in 0..WARM + TURNS {
                let (store, hand) = match turn % 2 {
                    0 => {
                        let store = by_store.rate().await?;
                        (store, by_hand.rate().await?)
                    }
                    _ => {
                        let hand = by_hand.rate().await?;
                        (by_store.rate().await?, hand)
                    }
                };
                if turn >= WARM {
                    stores.push(store);
                    directs.push(hand);
                    ratios.push(store / hand);
                }
            }
            let [lower, ratio, upper] = quartiles(ratios);
            let goal = if ratio < 0.9 { "  below 0.9" } else { "" };
            println!(
                "{name:<9} {what:<21} {at_once:>3} at once {trips:>6} round trips {:>9.0}/s {:>9.0}/s directly  \
                 ratio {ratio:.2} ({lower:.2} to {upper:.2}){goal}",
                quartiles(stores)[1],
                quartiles(directs)[1],
            );
        }
    }
    Ok(())
}

enum By<S, D> {
    Store(Arc<S>),
    Hand(D),
}

impl<S, D: Clone> Clone for By<S, D> {
    fn clone(&self) -> Self {
        match self {
            Self::Store(store) => Self::Store(Arc::clone(store)),
            Self::Hand(direct) => Self::Hand(direct.clone()),
        }
    }
}

/// One of the two, and each worker's record.
struct Side<S, D> {
    by: By<S, D>,
    work: Work,
    names: Vec<String>,
}

impl<S: Store, D: Direct> Side<S, D> {
    async fn new(by: By<S, D>, work: Work, at_once: usize) -> Result<Self, Failure> {
        let mut names = Vec::new();
        for worker in 0..at_once {
            let name = format!("{}-{worker}", next());
            if !matches!(work, Work::CreateLoadDelete) {
                create(&by, &name).await?;
            }
            names.push(name);
        }
        Ok(Self { by, work, names })
    }

    /// Operations a second, in one turn.
    async fn rate(&self) -> Result<f64, Failure> {
        let begin = Instant::now();
        let mut workers = JoinSet::<Result<u32, Failure>>::new();
        for name in &self.names {
            let (by, name, work) = (self.by.clone(), name.clone(), self.work);
            workers.spawn(async move {
                let mut done = 0;
                while begin.elapsed() < TURN {
                    once(&by, &name, work).await?;
                    done += 1;
                }
                Ok(done)
            });
        }
        let mut done = 0;
        while let Some(outcome) = workers.join_next().await {
            done += outcome??;
        }
        Ok(f64::from(done) / begin.elapsed().as_secs_f64())
    }
}

async fn once<S: Store, D: Direct>(by: &By<S, D>, name: &str, work: Work) -> Result<(), Failure> {
    match by {
        By::Store(store) => by_store(&**store, name, work).await,
        By::Hand(direct) => by_hand(direct, name, work).await,
    }
}

async fn create<S: Store, D: Direct>(by: &By<S, D>, name: &str) -> Result<(), Failure> {
    match by {
        By::Store(store) => {
            store.create(&key(name)?, &write()).await?;
            Ok(())
        }
        By::Hand(direct) => direct.create(name, &[7; VALUE]).await,
    }
}

async fn by_store(store: &impl Store, name: &str, work: Work) -> Result<(), Failure> {
    let key = key(name)?;
    let done = match work {
        Work::Load => store.load(&key).await?.is_some(),
        Work::Touch => {
            let ends = UnixTime::from_secs(ENDS + next() % 1000);
            store.touch(&key, ends).await? == Touched::Extended
        }
        Work::LoadReplace => match store.load(&key).await? {
            Some(old) => store.replace(&key, &old, &write()).await? == Replaced::Stored,
            None => false,
        },
        Work::CreateLoadDelete => {
            let created = store.create(&key, &write()).await? == Created::Stored;
            match store.load(&key).await? {
                Some(old) => created && store.delete(&key, &old).await? == Deleted::Deleted,
                None => false,
            }
        }
    };
    match done {
        true => Ok(()),
        false => Err("the store did not do what it was asked".into()),
    }
}

async fn by_hand(direct: &impl Direct, name: &str, work: Work) -> Result<(), Failure> {
    match work {
        Work::Load => direct.load(name).await.map(drop),
        Work::Touch => direct.touch(name).await,
        Work::LoadReplace => {
            let old = direct.load(name).await?;
            direct.replace(name, old, &[7; VALUE]).await
        }
        Work::CreateLoadDelete => {
            direct.create(name, &[7; VALUE]).await?;
            let old = direct.load(name).await?;
            direct.delete(name, old).await
        }
    }
}

/// How many round trips the work takes, on a connection that is there. None if the store is in this
/// process.
async fn round_trips<S: Store>(
    url: &str,
    open: impl AsyncFn(String) -> Result<S, Failure>,
    work: Work,
) -> Result<Option<f64>, Failure> {
    let Some((_, rest)) = url.split_once("://") else {
        return Ok(None);
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let way = Way::to(host.parse()?).await?;
    let store = open(url.replacen(host, &way.address.to_string(), 1)).await?;
    let name = format!("{}-counted", next());
    if !matches!(work, Work::CreateLoadDelete) {
        store.create(&key(&name)?, &write()).await?;
    }
    by_store(&store, &name, work).await?;
    let before = way.turns();
    for _ in 0..COUNTED {
        by_store(&store, &name, work).await?;
    }
    let turns = u32::try_from(way.turns() - before)?;
    Ok(Some(f64::from(turns) / f64::from(COUNTED)))
}

fn key(name: &str) -> Result<Key, Failure> {
    Ok(Key::new(name).ok_or("not a key")?)
}

fn write() -> Write {
    Write::new(vec![7; VALUE], UnixTime::from_secs(ENDS), None)
}

/// The lower one, the median and the upper one.
fn quartiles(mut numbers: Vec<f64>) -> [f64; 3] {
    numbers.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| numbers[quarter * (numbers.len() - 1) / 4])
}
