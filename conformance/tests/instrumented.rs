//! The instrumented store, through its control.

include!("support/map_store.rs");

use std::sync::Arc;

use cloakroom_conformance::instrumented::{Control, Instrumented, Operation};
use cloakroom_store::{Created, Key, Replaced, Store, UnixTime, Write};

fn open() -> (Arc<Instrumented<MapStore>>, Control) {
    let clock = cloakroom_conformance::FakeClock::default();
    let store = Arc::new(Instrumented::new(MapStore::new(clock)));
    let control = store.control();
    (store, control)
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn write(bytes: &'static str) -> Write {
    Write::new(bytes, UnixTime::MAX, None)
}

fn check(control: &Control, expected: &[&str]) {
    let log: Vec<_> = control.log().iter().map(ToString::to_string).collect();
    assert_eq!(log, expected);
}

#[tokio::test]
async fn without_plans_it_passes_calls_to_the_inner_store_and_logs_them() {
    let (store, control) = open();
    let name = key("secret");
    assert_eq!(store.load(&name).await.unwrap(), None);
    store.create(&name, &write("a")).await.unwrap();
    store.create(&key("other"), &write("b")).await.unwrap();
    let old = store.load(&name).await.unwrap().unwrap();
    store.replace(&name, &old, &write("c")).await.unwrap();
    store.touch(&name, UnixTime::MAX).await.unwrap();
    store.delete(&name, &old).await.unwrap();
    check(
        &control,
        &[
            "load 0: none",
            "create 0: Stored",
            "create 1: Stored",
            "load 0: found",
            "replace 0: Stored",
            "touch 0: Extended",
            "delete 0: Changed",
        ],
    );
    assert_eq!(control.count(Operation::Create), 2);
    // R11
    assert!(!format!("{store:?} {control:?} {:?}", control.log()).contains("secret"));
}

#[tokio::test]
async fn an_operation_that_is_made_to_fail_does_not_happen() {
    let (store, control) = open();
    let name = key("a");
    control.on(Operation::Create).fail();
    control.on(Operation::Create).fail_permanently();
    assert!(
        store
            .create(&name, &write("a"))
            .await
            .unwrap_err()
            .is_transient()
    );
    assert!(
        !store
            .create(&name, &write("a"))
            .await
            .unwrap_err()
            .is_transient()
    );
    assert_eq!(store.load(&name).await.unwrap(), None);
    assert_eq!(
        store.create(&name, &write("a")).await.unwrap(),
        Created::Stored
    );
    check(
        &control,
        &[
            "create 0: not done",
            "create 0: not done",
            "load 0: none",
            "create 0: Stored",
        ],
    );
}

#[tokio::test]
async fn an_operation_whose_reply_is_lost_has_happened() {
    let (store, control) = open();
    let name = key("a");
    control.on(Operation::Create).lose_reply();
    assert!(
        store
            .create(&name, &write("a"))
            .await
            .unwrap_err()
            .is_transient()
    );
    assert!(store.load(&name).await.unwrap().is_some());
    check(&control, &["create 0: Stored, reply lost", "load 0: found"]);
}

#[tokio::test]
async fn a_plan_for_a_later_operation_lets_the_earlier_ones_pass() {
    let (store, control) = open();
    control.on(Operation::Load).skip(2).fail();
    let outcomes = [
        store.load(&key("a")).await.is_ok(),
        store.load(&key("a")).await.is_ok(),
        store.load(&key("a")).await.is_ok(),
        store.load(&key("a")).await.is_ok(),
    ];
    assert_eq!(outcomes, [true, true, false, true]);
}

#[tokio::test]
async fn an_outage_lasts_until_it_ends() {
    let (store, control) = open();
    control.outage(true);
    assert!(store.create(&key("a"), &write("a")).await.is_err());
    assert!(store.load(&key("a")).await.is_err());
    control.outage(false);
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn two_requests_race_as_the_gates_say() {
    let (store, control) = open();
    let name = key("a");
    store.create(&name, &write("old")).await.unwrap();
    let old = store.load(&name).await.unwrap().unwrap();
    let gate = control.on(Operation::Replace).pause_before();
    let slow = tokio::spawn({
        let (store, name, old) = (Arc::clone(&store), name.clone(), old.clone());
        async move { store.replace(&name, &old, &write("slow")).await.unwrap() }
    });
    gate.reached().await;
    let fast = store.replace(&name, &old, &write("fast")).await.unwrap();
    gate.open();
    assert_eq!(
        (fast, slow.await.unwrap()),
        (Replaced::Stored, Replaced::Changed)
    );
}

#[tokio::test]
async fn a_reply_can_be_held_back_and_then_lost() {
    let (store, control) = open();
    let name = key("a");
    let gate = control.on(Operation::Create).pause_after();
    control.on(Operation::Create).lose_reply();
    let slow = tokio::spawn({
        let (store, name) = (Arc::clone(&store), name.clone());
        async move { store.create(&name, &write("a")).await.is_err() }
    });
    gate.reached().await;
    assert!(store.load(&name).await.unwrap().is_some());
    drop(gate);
    assert!(slow.await.unwrap());
}

#[tokio::test]
async fn an_operation_that_is_cancelled_at_its_gate_stays_pending_in_the_log() {
    let (store, control) = open();
    let gate = control.on(Operation::Create).pause_before();
    let slow = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create(&key("a"), &write("a")).await }
    });
    gate.reached().await;
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    check(&control, &["create 0: pending", "load 0: none"]);
}

#[tokio::test]
async fn a_reset_clears_the_log_and_keeps_the_keys_numbers() {
    let (store, control) = open();
    let gate = control.on(Operation::Create).pause_before();
    control.on(Operation::Load).fail();
    let slow = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create(&key("a"), &write("a")).await.unwrap() }
    });
    gate.reached().await;
    control.reset();
    assert_eq!(store.load(&key("b")).await.unwrap(), None);
    gate.open();
    slow.await.unwrap();
    // Operations under way at the reset are not in the log, and do not disturb it.
    check(&control, &["load 1: none"]);
}
