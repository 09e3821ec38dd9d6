//! A correct store with every ability, and its faults. It yields before and between its steps, so
//! that every race that a fault permits occurs in every run.

mod announcing;
mod fault;
mod listing;
mod operations;
mod pool;
mod records;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use cloakroom_conformance::store::{Ability, Claims, Fixture, FixtureError, Outage, Place};

use records::{Model, Shared};

pub(crate) use fault::Fault;

/// The fixture for a model with a fault.
pub(crate) struct Models {
    fault: Fault,
    opened: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Models {
    pub(crate) fn with(fault: Fault) -> Self {
        let opened = Mutex::default();
        Self { fault, opened }
    }

    fn set_out(&self, place: &Place, out: bool) {
        let opened = self.opened.lock().unwrap();
        let shared = &opened[place.name()];
        shared.out.store(out, Ordering::SeqCst);
        if self.fault != Fault::ListensOn {
            shared.listeners.lock().unwrap().clear();
        }
    }
}

impl Fixture for Models {
    type Store = Model;
    const NAME: &'static str = "model";
    const MAX_VALUE: usize = 64 * 1024;

    async fn open(&self, place: &Place) -> Result<Model, FixtureError> {
        let mut opened = self.opened.lock().unwrap();
        let shared = opened.entry(place.name().to_owned()).or_insert_with(|| {
            Arc::new(Shared {
                clock: place.clock().clone(),
                ..Shared::default()
            })
        });
        Ok(Model {
            fault: self.fault,
            shared: Arc::clone(shared),
            cache: Mutex::default(),
        })
    }

    fn claims(claims: Claims<Self>) -> Claims<Self> {
        let reason = "the records end with the process";
        claims
            .handles_by_clone()
            .durable()
            .outage()
            .directory()
            .sweep()
            .enumerate()
            .feed()
            .never(Ability::Shared, reason)
            .never(Ability::SurvivesKill, reason)
    }
}

impl Outage for Models {
    async fn begin(&self, place: &Place) -> Result<(), FixtureError> {
        self.set_out(place, true);
        Ok(())
    }

    async fn end(&self, place: &Place) -> Result<(), FixtureError> {
        self.set_out(place, false);
        Ok(())
    }
}
