//! The price of sealed values: a record of ten values is read, changed and rotated with and without
//! them. Processor time of the machine alone, without a store and without the system's generator.

#![allow(missing_docs, clippy::print_stdout)]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::Instant;

use cloakroom_core::{
    Commit, Config, Created, Directive, Exchange, Key, Replaced, Session, Stored, UnixTime,
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
/// Few, so that most windows lie within one time slice on a busy machine.
const ROUNDS: usize = 40;
const WINDOWS: usize = 2_001;

type Handler = fn(&mut Session<'_>);

struct Subject {
    config: Config,
    token: String,
    key: Key,
    stored: Stored,
    entropy: u64,
}

impl Subject {
    fn new(seals: bool) -> Self {
        let config = Config::builder().seal_values(seals).build().unwrap();
        let mut exchange = Exchange::open(&config, [], NOW);
        let mut session = exchange.session().unwrap();
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            session.insert(name, "x".repeat(100)).unwrap();
        }
        session.insert("n", 0).unwrap();
        let Commit::Mint(mint) = exchange.finish(NOW) else {
            panic!("it is new")
        };
        let Ok(Commit::Create(create)) = mint.with([7; 64]) else {
            panic!("it is new")
        };
        let (key, write) = (create.key().clone(), create.write());
        let stored = Stored::new(write.bytes.clone(), write.expires_at, 1);
        let Ok(Commit::Done(outcome)) = create.then(Created::Stored, NOW) else {
            panic!("it is stored")
        };
        let Directive::Issue(issued) = outcome.directive else {
            panic!("it has a token")
        };
        Self {
            config,
            token: issued.token.expose().to_owned(),
            key,
            stored,
            entropy: 0,
        }
    }

    fn open(&self) -> Exchange {
        let mut exchange = Exchange::open(&self.config, [self.token.as_bytes()], NOW);
        let loaded = exchange.handle_loaded(&self.key, Some(self.stored.clone()));
        loaded.unwrap();
        exchange
    }

    fn request(&mut self, handler: Handler) -> usize {
        let mut exchange = self.open();
        handler(&mut exchange.session().unwrap());
        let (mut commit, mut bytes) = (exchange.finish(NOW), 0);
        loop {
            commit = match commit {
                Commit::Done(_) => return bytes,
                Commit::Mint(mint) => {
                    self.entropy += 1;
                    let mut entropy = [7; 64];
                    entropy[..8].copy_from_slice(&self.entropy.to_le_bytes());
                    mint.with(entropy).unwrap()
                }
                Commit::Create(create) => {
                    bytes += create.write().bytes.len();
                    create.then(Created::Stored, NOW).unwrap()
                }
                Commit::Replace(replace) => {
                    bytes += replace.write().bytes.len();
                    replace.then(Replaced::Stored, NOW).unwrap()
                }
                other => panic!("nothing asks for {other:?}"),
            };
        }
    }

    /// Nanoseconds for each request of a window.
    fn window(&mut self, handler: Handler) -> u64 {
        let begin = Instant::now();
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            bytes += std::hint::black_box(self.request(handler));
        }
        std::hint::black_box(bytes);
        begin.elapsed().as_nanos() as u64 / ROUNDS as u64
    }
}

fn read(session: &mut Session<'_>) {
    assert!(session.get::<u64>("n").unwrap().is_some());
}

fn count(session: &mut Session<'_>) {
    let count = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1);
    assert!(count.is_ok());
}

fn rotate(session: &mut Session<'_>) {
    session.rotate();
}

fn main() {
    let (mut open, mut sealed) = (Subject::new(false), Subject::new(true));
    let (plain, cipher) = (open.stored.bytes.len(), sealed.stored.bytes.len());
    println!("a record of {plain} bytes, and of {cipher} with sealed values");
    println!("{:<8} {:>8} {:>8} {:>8}", "", "open, ns", "sealed", "more");
    let requests: [(&str, Handler); 3] = [("read", read), ("save", count), ("rotate", rotate)];
    for (name, handler) in requests {
        // In turns, and the median: other work on the machine disturbs both.
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..WINDOWS {
            times[0].push(open.window(handler));
            times[1].push(sealed.window(handler));
        }
        let [open, sealed] = times.map(|mut times| {
            times.sort_unstable();
            times[WINDOWS / 2]
        });
        println!(
            "{name:<8} {open:>8} {sealed:>8} {:>8}",
            sealed.saturating_sub(open)
        );
    }
}
