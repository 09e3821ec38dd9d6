use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// The fault of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A step fails, or a write is cut short. Later operations work.
    Error,
    /// The process is killed before this step; a write is cut short.
    Crash,
    /// The step happens, and reports a failure.
    Late,
    /// From this step on there is no space for one more file or directory.
    Full,
}

/// Counts the steps, and makes one of them go wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(Fault, usize)>,
    steps: Vec<&'static str>,
    hit: bool,
}

enum Now {
    Act,
    Fail,
    ActAndFail,
}

impl Faults {
    /// Lets the step number `at` from now on go wrong.
    pub(crate) fn arm(&self, fault: Fault, at: usize) {
        *self.state() = State {
            armed: Some((fault, at)),
            ..State::default()
        };
    }

    /// Lets everything work again. Returns whether the step was reached.
    pub(crate) fn disarm(&self) -> bool {
        std::mem::take(&mut *self.state()).hit
    }

    /// The steps since the last call.
    pub(crate) fn taken(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().steps)
    }

    pub(crate) fn step<T>(
        &self,
        name: &'static str,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.next(name) {
            Now::Act => act(),
            Now::Fail => Err(ErrorKind::StorageFull.into()),
            Now::ActAndFail => act().and_then(|_| Err(ErrorKind::StorageFull.into())),
        }
    }

    /// Before a write: leaves half of it in the file if this is the step that fails or at which the
    /// process dies.
    pub(crate) fn tear(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let state = self.state();
        match state.armed {
            Some((Fault::Error | Fault::Crash, at)) if at == state.steps.len() => {
                file.write_all(&bytes[..bytes.len() / 2])
            }
            _ => Ok(()),
        }
    }

    fn next(&self, name: &'static str) -> Now {
        let mut state = self.state();
        let step = state.steps.len();
        state.steps.push(name);
        let Some((fault, at)) = state.armed else {
            return Now::Act;
        };
        state.hit |= step >= at;
        match fault {
            Fault::Crash if step >= at => Now::Fail,
            Fault::Error if step == at => Now::Fail,
            Fault::Late if step == at => Now::ActAndFail,
            Fault::Full if step >= at && matches!(name, "create" | "make directory") => Now::Fail,
            _ => Now::Act,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
