//! Copies of one request, as a retry or hedge layer inside the session's layer makes them.
//!
//! Each copy is an attempt to answer, and only one of them does. The session's layer cannot see
//! which: it has one request and one response. So no attempt may see or save another attempt's
//! changes.
//!
//! Copying a request splits the branch of its session in two. A handle belongs to the branch that
//! its request had then. A branch sees the changes of its ancestors and descendants, so middleware
//! around a handler shares the handler's session. A change on a sibling branch belongs to another
//! attempt. From then on the session refuses this branch, and the commit fails.

use smallvec::SmallVec;

/// A place in the tree of copies. 0 is its root.
pub(crate) type Branch = u32;

#[derive(Default)]
pub(crate) struct Copies {
    /// The parent of each branch but the root.
    parents: SmallVec<[Branch; 2]>,
    changed: SmallVec<[Branch; 2]>,
    conflict: bool,
}

impl Copies {
    /// Splits a branch. Returns the branch of the request and the one of its copy.
    pub(crate) fn split(&mut self, here: Branch) -> [Branch; 2] {
        // A layer that copies again after another attempt's change is about to try again.
        let _ = self.admits(here);
        [(); 2].map(|()| {
            self.parents.push(here);
            u32::try_from(self.parents.len()).unwrap_or(Branch::MAX)
        })
    }

    /// Returns whether this branch may use the session.
    pub(crate) fn admits(&mut self, branch: Branch) -> bool {
        let beside = |other: &Branch| !self.leads(*other, branch) && !self.leads(branch, *other);
        let beside = self.changed.iter().any(beside);
        self.conflict |= beside;
        !beside
    }

    pub(crate) fn note_change(&mut self, branch: Branch) {
        // Without copies there is nothing to tell apart.
        if !self.parents.is_empty() && !self.changed.contains(&branch) {
            self.changed.push(branch);
        }
    }

    /// Returns whether two attempts met, so that nothing may be saved.
    pub(crate) fn conflict(&self) -> bool {
        self.conflict
    }

    /// Returns whether `above` is `below` or an ancestor of it.
    fn leads(&self, above: Branch, mut below: Branch) -> bool {
        while below > above {
            below = match (below as usize).checked_sub(1).map(|n| self.parents.get(n)) {
                Some(Some(parent)) => *parent,
                _ => return false,
            };
        }
        below == above
    }
}

#[cfg(test)]
mod tests {
    use super::Copies;

    #[test]
    fn a_change_before_the_copy_is_everyones() {
        let mut copies = Copies::default();
        copies.note_change(0);
        let [request, copy] = copies.split(0);
        assert!(copies.admits(0) && copies.admits(request) && copies.admits(copy));
        assert!(!copies.conflict());
    }

    #[test]
    fn an_attempt_does_not_see_another_ones_change() {
        let mut copies = Copies::default();
        let [first, rest] = copies.split(0);
        copies.note_change(first);
        assert!(copies.admits(first) && copies.admits(0));
        assert!(!copies.admits(rest));
        assert!(copies.conflict());
    }

    #[test]
    fn attempts_that_change_nothing_can_be_repeated() {
        let mut copies = Copies::default();
        let [first, rest] = copies.split(0);
        assert!(copies.admits(first));
        let [second, _] = copies.split(rest);
        copies.note_change(second);
        assert!(copies.admits(second) && copies.admits(rest) && copies.admits(0));
        assert!(!copies.conflict());
    }

    #[test]
    fn copying_again_after_a_change_is_the_next_attempt() {
        let mut copies = Copies::default();
        let [first, rest] = copies.split(0);
        copies.note_change(first);
        copies.split(rest);
        assert!(copies.conflict());
    }

    #[test]
    fn a_handler_may_copy_its_own_request() {
        let mut copies = Copies::default();
        let [request, _kept_by_the_layer] = copies.split(0);
        copies.note_change(request);
        let [request, copy] = copies.split(request);
        copies.note_change(request);
        assert!(copies.admits(request) && !copies.conflict());
        assert!(!copies.admits(copy));
    }
}
