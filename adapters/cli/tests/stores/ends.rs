//! The end of all sessions, with sign-ins in flight.

use cloakroom_store::SharedStore;

use crate::common::{Place, until};
use crate::crowd::App;
use crate::desk::Desk;

/// Ends all sessions of the store, by one command. Its application has its own processes, which
/// stop to accept them within the lease.
pub(crate) async fn all(desk: &Desk<'_>, app: &App<SharedStore>) {
    let mut before = Vec::new();
    for index in 0..5 {
        before.push(app.sign_in(&format!("early-{index}")).await);
    }
    before.push(app.visit().await);
    desk.run(&["end-all"]).ended(2, &[], &["--yes"]);
    assert_eq!(desk.both(&["end-all", "--dry-run"], 0)["would_end"], "all");
    for token in &before {
        assert_eq!(app.visits(token).await, Some(3), "nothing has ended yet");
    }

    // A sign-in whose request has begun, and whose response is sent after the end of all.
    let mut in_flight = app.sessions.open(None::<&[u8]>);
    app.sessions.load(&mut in_flight).await.unwrap();
    let ran = desk.run(&["--json", "end-all", "--yes"]);
    ran.ended(0, &[], &["lease"]);
    assert_eq!(ran.json()["ended"], "all");
    in_flight.session().unwrap().sign_in("late").unwrap();
    // It may be refused, or make a session that counts as ended.
    if let Ok(outcome) = app.sessions.commit(in_flight).await
        && let Some(token) = app.issued(&outcome)
    {
        before.push(token);
    }
    until("the end of all sessions", async || {
        for token in &before {
            if has_session(app, token).await {
                return false;
            }
        }
        true
    })
    .await;
    // They stay so, and a new sign-in is accepted.
    let newer = app.sign_in("early-0").await;
    assert_eq!(app.visits(&newer).await, Some(3));
    for token in &before {
        assert!(!has_session(app, token).await, "it came back");
    }
    if desk.server.lists {
        let listed = desk.both(&["list", "early-0"], 0);
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
        desk.both(&["list", "late"], 1);
    }
    if desk.server.enumerates {
        let stays = Place::new("file").await;
        let ran = desk.finished(&mut desk.migrate(&desk.server.url, &stays.url, &[]));
        ran.ended(0, &[], &[]);
        // R83: a move revives none of them.
        let moved = App::new(stays.opened.store.clone(), &desk.secrets);
        assert_eq!(moved.visits(&newer).await, Some(3));
        for token in &before {
            assert!(!has_session(&moved, token).await, "the move revived it");
        }
    }
}

async fn has_session(app: &App<SharedStore>, token: &str) -> bool {
    let looked = app.sessions.with(Some(token), |session| Ok(session.id()));
    looked.await.unwrap().0.is_some()
}
