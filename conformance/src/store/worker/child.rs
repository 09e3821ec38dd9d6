use std::io::{self, Stdout};
use std::process::exit;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_store::UnixTime;

use super::wire::{Outcome, receive, send};
use super::{ADDRESS, NAME, PLACE};
use crate::FakeClock;
use crate::store::Claims;
use crate::store::handle::Handle;
use crate::store::operation::Reply;
use crate::store::{Attach, Place};

/// Runs the other process of fixtures that claim [`shared`](Claims::shared) or
/// [`survives_kill`](Claims::survives_kill).
///
/// Call it first in `main`, once for each such fixture. In a process that the suite started for
/// this fixture it does the process's work and does not return. In any other process it does
/// nothing.
///
/// ```no_run
/// use cloakroom_conformance::store::{self, Attach};
/// use std::process::ExitCode;
///
/// fn check<F: Attach>(fixture: impl FnOnce() -> F) -> ExitCode {
///     store::worker::<F>();
///     store::run(fixture())
/// }
/// ```
pub fn worker<F: Attach>() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable(NAME) != F::NAME {
        return;
    }
    let place = Place::known(variable(PLACE), FakeClock::default());
    let outcome = serve(F::attach(&variable(ADDRESS)), place);
    exit(i32::from(outcome.is_err()));
}

/// Whether this process was started to be the other process.
pub(in crate::store) fn is_child() -> bool {
    std::env::var_os(NAME).is_some()
}

fn serve<F: Attach>(fixture: F, place: Place) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let answers = Answers(Arc::new(Mutex::new(io::stdout())));
    let claims = Arc::new(F::claims(Claims::none()));
    let mut requests = io::stdin();
    // Only the first request would tell the time; a store may want to know it when it opens.
    let store = match runtime.block_on(fixture.open(&place)) {
        Ok(store) => {
            answers.give(0, &Outcome::Done(Reply::Swept(0)));
            Handle::direct::<F>(store, claims)
        }
        Err(error) => {
            answers.give(0, &Outcome::Failed(false, error.to_string()));
            return Ok(());
        }
    };
    while let Some((number, now, request)) = receive(&mut requests)? {
        place.clock().set(now);
        let (store, answers) = (store.clone(), answers.clone());
        runtime.spawn(async move {
            answers.give(number, &store.perform(request).await.into());
        });
    }
    Ok(())
}

#[derive(Clone)]
struct Answers(Arc<Mutex<Stdout>>);

impl Answers {
    fn give(&self, number: u64, outcome: &Outcome) {
        let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If the reader has gone, there is nobody to report to.
        let _ = send(&mut *stdout, number, UnixTime::default(), outcome);
    }
}
