//! A schedule as a list of choices, and the next one.

use std::cell::{Cell, RefCell};

thread_local! {
    /// The choices of the schedule that runs now, and how many there were at each.
    static CHOICES: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
    static AT: Cell<usize> = const { Cell::new(0) };
}

/// Begins with the first schedule.
pub(super) fn restart() {
    CHOICES.take();
    AT.set(0);
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
