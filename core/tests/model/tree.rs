//! The real machine, unfolded. An exchange's next question depends only on the answers so far. So
//! each sequence of answers is played once and remembered.

use cloakroom_core::{
    Commit, Config, Created, Deleted, Directive, Error, Exchange, Key, Replaced, Stored, Touched,
    UnixTime, Write,
};
use rustc_hash::FxHashMap;

use super::player::{Live, Player, entropy, seen};
use super::request::{BEGIN, CREATED, Input, NodeId, Pending, RecordId, Request, Seen, Slot, Told};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) request: Request,
    parent: Option<(NodeId, Input)>,
    pub(crate) pending: Pending,
    pub(crate) seen: Option<Seen>,
    /// Whether it has claimed the value.
    pub(crate) claimed: bool,
    /// How many answers led here.
    pub(crate) depth: u32,
}

/// The contents of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) retired: bool,
    pub(crate) session: Seen,
    pub(crate) base: bool,
    pub(crate) a: bool,
    pub(crate) b: bool,
    pub(crate) c: bool,
    pub(crate) n: u64,
}

pub(crate) struct Tree {
    config: Config,
    pub(crate) nodes: Vec<Node>,
    roots: FxHashMap<Request, NodeId>,
    children: FxHashMap<(NodeId, Input), NodeId>,
    slots: Vec<Key>,
    tokens: Vec<Option<Box<str>>>,
    records: Vec<(Stored, Content)>,
    ids: FxHashMap<(Box<[u8]>, UnixTime, u64), RecordId>,
}

impl Tree {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            nodes: Vec::new(),
            roots: FxHashMap::default(),
            children: FxHashMap::default(),
            slots: Vec::new(),
            tokens: Vec::new(),
            records: Vec::new(),
            ids: FxHashMap::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A session with a value, created by the machine itself, with or without a subject.
    pub(crate) fn first(&mut self, signed_in: bool) -> (Slot, RecordId) {
        let now = UnixTime::from_secs(CREATED);
        let mut exchange = Exchange::open(&self.config, [], now);
        let mut session = exchange.session().expect("nothing to load");
        session.insert("base", 1).expect("a good value");
        session.insert("c", 1).expect("a good value");
        if signed_in {
            session.sign_in("u").expect("a good subject");
        }
        let Commit::Mint(mint) = exchange.finish(now) else {
            panic!("nothing to create");
        };
        let Ok(Commit::Create(create)) = mint.with(entropy(99, u8::from(signed_in))) else {
            panic!("nothing to create");
        };
        let (slot, write) = (self.slot(create.key()), create.write().clone());
        let Ok(Commit::Done(outcome)) = create.then(Created::Stored, now) else {
            panic!("not done");
        };
        let Directive::Issue(issued) = outcome.directive else {
            panic!("no token");
        };
        self.tokens[usize::from(slot)] = Some(issued.token.expose().into());
        (slot, self.record(&write, 1, BEGIN))
    }

    fn slot(&mut self, key: &Key) -> Slot {
        let known = self.slots.iter().position(|slot| slot == key);
        let at = known.unwrap_or_else(|| {
            self.slots.push(key.clone());
            self.tokens.push(None);
            self.slots.len() - 1
        });
        Slot::try_from(at).expect("few keys")
    }

    pub(crate) fn stored(&self, id: RecordId) -> &Stored {
        &self.records[usize::from(id)].0
    }

    pub(crate) fn content(&self, id: RecordId) -> Content {
        self.records[usize::from(id)].1
    }

    pub(crate) fn record(&mut self, write: &Write, version: u64, now: u64) -> RecordId {
        let id = (write.bytes[..].into(), write.expires_at, version);
        if let Some(id) = self.ids.get(&id) {
            return *id;
        }
        let stored = Stored::new(write.bytes.clone(), write.expires_at, version);
        let content = self.read(&stored, now);
        let at = RecordId::try_from(self.records.len()).expect("few records");
        self.records.push((stored, content));
        self.ids.insert(id, at);
        at
    }

    fn read(&self, stored: &Stored, now: u64) -> Content {
        let key = self.slots[0].clone();
        let now = UnixTime::from_secs(now);
        let mut exchange = Exchange::open_key(&self.config, key.clone(), now);
        exchange
            .handle_loaded(&key, Some(stored.clone()))
            .expect("the machine can read what it wrote");
        let retired = exchange.wants_load().cloned();
        if let Some(successor) = &retired {
            // Some living record, so that the retired one can be seen.
            let living = self.records[0].0.clone();
            exchange
                .handle_loaded(successor, Some(living))
                .expect("good");
        }
        let session = exchange.session().expect("loaded");
        Content {
            retired: retired.is_some(),
            session: seen(&session).expect("a session"),
            base: session.contains("base"),
            a: session.contains("a"),
            b: session.contains("b"),
            c: session.contains("c"),
            n: session.get("n").expect("a number").unwrap_or(0),
        }
    }

    pub(crate) fn root(&mut self, request: Request) -> NodeId {
        if let Some(root) = self.roots.get(&request) {
            return *root;
        }
        let player = self.open(request);
        let node = self.add(player, None, 0);
        self.roots.insert(request, node);
        node
    }

    pub(crate) fn child(&mut self, node: NodeId, input: Input) -> NodeId {
        if let Some(child) = self.children.get(&(node, input)) {
            return *child;
        }
        let mut inputs = vec![input];
        let mut at = &self.nodes[node as usize];
        let depth = at.depth + 1;
        while let Some((parent, input)) = at.parent {
            inputs.push(input);
            at = &self.nodes[parent as usize];
        }
        let mut player = self.open(at.request);
        while let Some(input) = inputs.pop() {
            self.feed(&mut player, input);
        }
        let child = self.add(player, Some((node, input)), depth);
        self.children.insert((node, input), child);
        child
    }

    fn open(&self, request: Request) -> Player {
        let presented = request.token.into_iter().chain(request.second);
        let tokens = presented.map(|slot| {
            let token = &self.tokens[usize::from(slot)];
            token.as_ref().expect("a token that was issued").as_bytes()
        });
        let exchange = Exchange::open(&self.config, tokens, UnixTime::from_secs(request.now));
        let mut player = Player {
            live: Live::Opening(exchange),
            request,
            mints: 0,
            seen: None,
        };
        player.ready();
        player
    }

    fn feed(&self, player: &mut Player, input: Input) {
        let now = UnixTime::from_secs(player.request.now);
        let found = |id: Option<RecordId>| id.map(|id| self.stored(id).clone());
        let live = std::mem::replace(&mut player.live, Live::Failed);
        let next = match (live, input) {
            (Live::Opening(mut exchange), Input::Found(id)) => {
                let key = exchange.wants_load().expect("wanted").clone();
                let loaded = exchange.handle_loaded(&key, found(id));
                player.live = match loaded {
                    Ok(()) => Live::Opening(exchange),
                    Err(_) => Live::Failed,
                };
                player.ready();
                return;
            }
            (Live::Committing(Commit::Reload(reload)), Input::Found(id)) => {
                reload.then(found(id), now)
            }
            (Live::Committing(Commit::Create(create)), Input::Created(stored)) => create.then(
                if stored {
                    Created::Stored
                } else {
                    Created::Taken
                },
                now,
            ),
            (Live::Committing(Commit::Replace(replace)), Input::Replaced(answer)) => {
                let answer = match answer {
                    Some(true) => Replaced::Stored,
                    Some(false) => Replaced::Changed,
                    None => Replaced::Gone,
                };
                replace.then(answer, now)
            }
            (Live::Committing(Commit::Delete(delete)), Input::Deleted(answer)) => {
                let answer = match answer {
                    Some(true) => Deleted::Deleted,
                    Some(false) => Deleted::Changed,
                    None => Deleted::Gone,
                };
                delete.then(answer, now)
            }
            (Live::Committing(Commit::Touch(touch)), _) => touch.then(Touched::Extended, now),
            (Live::Committing(Commit::Create(create)), Input::Lost) => create.lost(now),
            (Live::Committing(Commit::Replace(replace)), Input::Lost) => replace.lost(now),
            (Live::Committing(Commit::Delete(delete)), Input::Lost) => delete.lost(now),
            _ => panic!("{input:?} answers another question"),
        };
        player.live = match next {
            Ok(commit) => Live::Committing(commit),
            Err(Error::UnknownOutcome) => Live::Uncertain,
            Err(Error::Superseded) => Live::Refused,
            Err(_) => Live::Failed,
        };
        player.mint();
    }

    /// Whether the answer to a write of this request was lost.
    pub(crate) fn lost(&self, node: NodeId) -> bool {
        let mut at = self.nodes.get(node as usize);
        while let Some((parent, input)) = at.and_then(|node| node.parent) {
            if input == Input::Lost {
                return true;
            }
            at = self.nodes.get(parent as usize);
        }
        false
    }

    fn add(&mut self, player: Player, parent: Option<(NodeId, Input)>, depth: u32) -> NodeId {
        let claimed = match &player.live {
            Live::Committing(Commit::Done(outcome)) => outcome.claimed.is_some(),
            _ => false,
        };
        let pending = match &player.live {
            Live::Failed => Pending::Failed,
            Live::Uncertain => Pending::Uncertain,
            Live::Refused => Pending::Refused,
            Live::Opening(exchange) => {
                Pending::Load(self.slot(exchange.wants_load().expect("not yet ready")))
            }
            Live::Committing(commit) => self.asked(commit),
        };
        let node = NodeId::try_from(self.nodes.len()).expect("few nodes");
        self.nodes.push(Node {
            request: player.request,
            parent,
            pending,
            seen: player.seen,
            claimed,
            depth,
        });
        node
    }

    fn asked(&mut self, commit: &Commit) -> Pending {
        match commit {
            Commit::Reload(reload) => Pending::Load(self.slot(reload.key())),
            Commit::Create(create) => {
                Pending::Create(self.slot(create.key()), create.write().clone())
            }
            Commit::Replace(replace) => {
                let old = self.known(replace.old());
                Pending::Replace(self.slot(replace.key()), old, replace.write().clone())
            }
            Commit::Delete(delete) => {
                Pending::Delete(self.slot(delete.key()), self.known(delete.old()))
            }
            Commit::Done(outcome) => {
                let told = match &outcome.directive {
                    Directive::Issue(issued) => {
                        let token = issued.token.expose();
                        let now = UnixTime::from_secs(BEGIN);
                        let opened = Exchange::open(&self.config, [token.as_bytes()], now);
                        let slot = self.slot(opened.wants_load().expect("a good token"));
                        self.tokens[usize::from(slot)] = Some(token.into());
                        Told::Token(slot)
                    }
                    Directive::Clear => Told::Clear,
                    _ => Told::Nothing,
                };
                Pending::Done(outcome.fate, told)
            }
            other => panic!("no scenario asks for {other:?}"),
        }
    }

    fn known(&self, stored: &Stored) -> RecordId {
        let id = (stored.bytes[..].into(), stored.expires_at, stored.version);
        self.ids[&id]
    }
}
