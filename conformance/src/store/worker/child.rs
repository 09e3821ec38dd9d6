use std::io::{self, Stdin, Stdout};
use std::process::exit;
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_store::{StoreError, UnixTime};

use super::wire::{Body, Reply, Request, receive, send};
use super::{ADDRESS, NAME, PLACE};
use crate::FakeClock;
use crate::store::claims::Claims;
use crate::store::handle::Handle;
use crate::store::{Attach, Place};

/// Where the other process begins, for fixtures that claim [`shared`](Claims::shared) or
/// [`survives_kill`](Claims::survives_kill): call it first in `main`, once for each such fixture. In a process that the suite
/// started for this fixture it does the process's work and does not return; in any other it does nothing.
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
            answers.give(0, &Reply::Swept(0));
            Handle::direct::<F>(store, claims)
        }
        Err(error) => {
            let (transient, text) = (false, error.to_string());
            answers.give(0, &Reply::Failed { transient, text });
            return Ok(());
        }
    };
    while let Some((number, now, request)) = next(&mut requests)? {
        place.clock().set(now);
        let (store, answers) = (store.clone(), answers.clone());
        runtime.spawn(async move {
            let reply = perform(&store, request).await;
            answers.give(number, &reply.unwrap_or_else(|error| Reply::failed(&error)));
        });
    }
    Ok(())
}

fn next(requests: &mut Stdin) -> io::Result<Option<(u64, UnixTime, Request)>> {
    receive(requests, Body::request)
}

#[derive(Clone)]
struct Answers(Arc<Mutex<Stdout>>);

impl Answers {
    fn give(&self, number: u64, reply: &Reply) {
        let mut stdout = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If nobody reads any more, there is nobody to tell.
        let _ = send(&mut *stdout, number, UnixTime::default(), |frame| {
            frame.reply(reply);
        });
    }
}

async fn perform(store: &Handle, request: Request) -> Result<Reply, StoreError> {
    Ok(match request {
        Request::Load(key) => Reply::Loaded(store.load(&key).await?),
        Request::Create(key, write) => Reply::Created(store.create(&key, &write).await?),
        Request::Replace(key, old, write) => {
            Reply::Replaced(store.replace(&key, &old, &write).await?)
        }
        Request::Touch(key, expires_at) => Reply::Touched(store.touch(&key, expires_at).await?),
        Request::Delete(key, old) => Reply::Deleted(store.delete(&key, &old).await?),
        Request::List(subject) => Reply::Listed(store.list(&subject).await?),
        Request::Sweep(limit) => Reply::Swept(store.sweep(limit).await?),
    })
}
