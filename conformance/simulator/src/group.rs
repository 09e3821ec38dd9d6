//! Groups: saves of one node that wait for the same record are replayed one over the other, and the
//! store gets the last write.

use cloakroom_core::{Commit, Grouped, Key, Reload, Replace, Replaced, Stored};

use crate::act::Came;
use crate::model::{Change, Content};
use crate::request::{Live, Request};
use crate::step::{Fault, Id};
use crate::store::{OpRef, Slot, StoreReply};
use crate::told::letter;
use crate::truth::{Aim, Wrong};
use crate::world::World;
use crate::wrong::Mutant;

/// A group whose write is to be sent.
pub(crate) struct Group {
    leader: Id,
    slot: Slot,
    /// The record that the store had.
    found: Stored,
    /// In the order of their changes. The leader is the first.
    members: Vec<(Id, Replace)>,
}

/// A change that another request's write takes along.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) by: Id,
    pub(crate) change: Change,
    pub(crate) expires_at: u64,
}

impl Carried {
    /// A session with those changes that are not yet in it.
    pub(crate) fn over(carried: &[Self], base: Content) -> Content {
        let others = carried.iter();
        others.fold(base, |base, other| match base.applied & 1 << other.by {
            0 => other.change.over(&base),
            _ => base,
        })
    }
}

impl World {
    /// A save does not try, because others are under way, or gathers those that wait with it.
    pub(crate) fn group(&mut self, id: Id) -> Result<bool, Wrong> {
        let Some(place) = self.place(id) else {
            return Ok(false);
        };
        let request = &mut self.requests[place];
        match std::mem::replace(&mut request.live, Live::Over) {
            Live::Committing(Commit::Replace(replace)) if replace.may_join() => {
                request.now = self.around.clock(request.start.node);
                self.around
                    .tell(|| format!("request {id} waits for others"));
                let next = replace.then(Replaced::Changed, request.time());
                self.around.go_on(request, next, Fault::None)?;
                Ok(true)
            }
            Live::Committing(Commit::Reload(reload)) if reload.may_join() => {
                self.gather(place, reload)?;
                Ok(true)
            }
            live => {
                request.live = live;
                Ok(false)
            }
        }
    }

    fn gather(&mut self, place: usize, reload: Reload) -> Result<(), Wrong> {
        let (around, request) = (&mut self.around, &mut self.requests[place]);
        request.calls += 1;
        let (key, node, leader) = (reload.key().clone(), request.start.node, request.id());
        let (slot, time) = (around.store.find(&key), around.store_time());
        let found = slot.and_then(|slot| around.store.load(slot, usize::from(node), false, time));
        request.now = around.clock(node);
        if let Some(slot) = slot {
            around.rebase(request, slot, found.is_some());
        }
        let (Some(slot), Some(found)) = (slot, found) else {
            around.tell(|| format!("request {leader} loads again, for others too: nothing"));
            let next = reload.then(None, request.time());
            around.go_on(request, next, Fault::None)?;
            return self.midway(place);
        };
        around.tell(|| {
            let record = letter(slot);
            format!("request {leader} loads again, for others too: record {record}")
        });
        let replace = match reload.over(found.clone(), request.time()) {
            Grouped::Joins(replace) => replace,
            Grouped::Leaves(reload) => {
                let next = reload.then(Some(found), request.time());
                around.go_on(request, next, Fault::None)?;
                return self.midway(place);
            }
        };
        request.live = Live::Grouped(leader);
        request.carried = Some((replace.write().clone(), Vec::new()));
        let mut group = Group {
            leader,
            slot,
            found,
            members: vec![(leader, replace)],
        };
        let waiting: Vec<_> = self.waiting(node, &key).take(Reload::MOST - 1).collect();
        for place in waiting {
            self.join(&mut group, place);
        }
        for (_, replace) in &group.members {
            self.around.check_write(replace.write())?;
        }
        self.around.groups.push(group);
        Ok(())
    }

    /// The places of those that may join.
    fn waiting(&self, node: u8, key: &Key) -> impl Iterator<Item = usize> {
        let requests = self.requests.iter().enumerate();
        requests
            .filter(move |(_, request)| {
                request.start.node == node
                    && matches!(&request.live, Live::Committing(Commit::Reload(reload))
                        if reload.may_join() && reload.key() == key)
            })
            .map(|(place, _)| place)
    }

    /// Replays a request over what the member before it would write.
    fn join(&mut self, group: &mut Group, place: usize) {
        let Some((before, last)) = group.members.last() else {
            return;
        };
        let (id, write) = (self.requests[place].id(), last.write());
        let next = Stored::new(write.bytes.clone(), write.expires_at, group.found.version);
        let found = match self.around.environment.mutant {
            Mutant::GroupsOverTheLoaded => group.found.clone(),
            _ => next,
        };
        let expires_at = write.expires_at.as_secs();
        let before = self.place(*before).map(|place| &self.requests[place]);
        let (change, base) = before.map_or((None, None), |one| (Some(one.change), one.base));
        let mut carried = before
            .and_then(|one| one.carried.as_ref())
            .map_or_else(Vec::new, |(_, carried)| carried.clone());
        carried.extend(change.map(|change| Carried {
            by: group.members.last().map_or(0, |(by, _)| *by),
            change,
            expires_at,
        }));
        let (around, request) = (&mut self.around, &mut self.requests[place]);
        let Live::Committing(Commit::Reload(reload)) =
            std::mem::replace(&mut request.live, Live::Over)
        else {
            return;
        };
        let now = around.clock(request.start.node);
        match reload.over(found, cloakroom_core::UnixTime::from_secs(now)) {
            Grouped::Leaves(reload) => {
                around.tell(|| format!("request {id} does not join"));
                request.live = Live::Committing(Commit::Reload(reload));
            }
            Grouped::Joins(replace) => {
                around.tell(|| format!("request {id} joins"));
                request.now = now;
                around.rebase(request, group.slot, true);
                if let (Some(own), Some(change), Some(base)) = (&mut request.base, change, base) {
                    own.content = change.over(&base.content);
                }
                request.carried = Some((replace.write().clone(), carried));
                request.live = Live::Grouped(group.leader);
                group.members.push((id, replace));
            }
        }
    }

    /// The group's write, or nothing: only its leader acts.
    pub(crate) fn write_group(&mut self, id: Id, fault: Fault) -> Result<bool, Wrong> {
        let mut groups = self.around.groups.iter();
        let Some(at) = groups.position(|group| group.leader == id) else {
            return Ok(false);
        };
        let group = self.around.groups.remove(at);
        for place in self.members(&group) {
            let request = &mut self.requests[place];
            request.suffer(fault);
            request.calls += u32::from(request.half.is_none());
        }
        let Some((last, replace)) = group.members.last() else {
            return Ok(false);
        };
        let Some(last) = self.place(*last) else {
            return Ok(false);
        };
        let (around, request) = (&mut self.around, &mut self.requests[last]);
        let write = replace.write();
        let op = OpRef::Replace(&group.found, write);
        let came = around.send(request, group.slot, Aim::Save, op, fault)?;
        if let Came::Half = came {
            self.around.groups.insert(at, group);
            return Ok(true);
        }
        let leader = group.leader;
        for (id, replace) in group.members {
            let Some(place) = self.place(id) else {
                continue;
            };
            let (around, request) = (&mut self.around, &mut self.requests[place]);
            if !matches!(request.live, Live::Grouped(_)) {
                continue;
            }
            request.live = Live::Over;
            request.now = around.clock(request.start.node);
            let tells = around.environment.mutant == Mutant::GroupsCountAsSaved && id != leader;
            match came {
                Came::StoreReply(StoreReply::Replaced(answer)) => {
                    let answer = if tells { Replaced::Stored } else { answer };
                    let next = replace.then(answer, request.time());
                    around.go_on(request, next, Fault::None)?;
                }
                Came::Unknown if request.retry(false) => {
                    let next = around.lost(request, Commit::Replace(replace));
                    around.go_on(request, next, Fault::None)?;
                }
                _ => around.fail(request, None)?,
            }
            self.midway(place)?;
        }
        Ok(true)
    }

    /// Its leader is gone. For the others the answer is lost.
    pub(crate) fn strand(&mut self, leader: Id) -> Result<(), Wrong> {
        let mut groups = self.around.groups.iter();
        let Some(at) = groups.position(|group| group.leader == leader) else {
            return Ok(());
        };
        let group = self.around.groups.remove(at);
        for (id, replace) in group.members {
            let Some(place) = self.place(id) else {
                continue;
            };
            let (around, request) = (&mut self.around, &mut self.requests[place]);
            request.half = None;
            if !matches!(request.live, Live::Grouped(_)) {
                continue;
            }
            request.faults += 1;
            let next = around.lost(request, Commit::Replace(replace));
            around.go_on(request, next, Fault::None)?;
            self.midway(place)?;
        }
        Ok(())
    }

    fn members(&self, group: &Group) -> Vec<usize> {
        let members = group.members.iter();
        members.filter_map(|(id, _)| self.place(*id)).collect()
    }
}

impl Request {
    /// The changes of others that this write has.
    pub(crate) fn takes_along(&self, op: OpRef<'_>) -> Vec<Carried> {
        match (op, &self.carried) {
            (OpRef::Replace(_, write), Some((own, carried))) if own.bytes == write.bytes => {
                carried.clone()
            }
            _ => Vec::new(),
        }
    }
}
