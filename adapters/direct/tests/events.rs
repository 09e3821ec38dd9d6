//! `Sessions::events`.

use std::time::Duration;

use cloakroom::{
    Cause, Config, Directive, Events, Happening, Lagged, LimitPolicy, ManualClock, Session,
    SessionEvent, Sessions, Store, adapter,
};
use cloakroom_memory::MemoryStore;

/// The events so far.
async fn so_far(events: &mut Events) -> Vec<SessionEvent> {
    let mut all = Vec::new();
    loop {
        tokio::select! {
            biased;
            event = events.next() => all.push(event.unwrap().unwrap()),
            () = std::future::ready(()) => return all,
        }
    }
}

fn kinds(events: &[SessionEvent]) -> Vec<(Happening, Cause)> {
    events
        .iter()
        .map(|event| (event.what, event.cause))
        .collect()
}

fn issued(directive: Directive) -> String {
    match directive {
        Directive::Issue(issued) => issued.token.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn signed_in<S: Store>(sessions: &Sessions<S>, token: Option<&str>, name: &str) -> String {
    let done = sessions.with(token, |session| session.sign_in(name)).await;
    issued(done.unwrap().1.directive)
}

async fn id<S: Store>(sessions: &Sessions<S>, token: &str) -> String {
    let read = sessions.with(Some(token), |session| Ok(session.id()));
    read.await.unwrap().0.unwrap()
}

const OWN: Cause = Cause::OwnRequest;

#[tokio::test]
async fn a_session_can_be_followed_from_its_beginning_to_its_end() {
    let sessions = Sessions::new(MemoryStore::new());
    let mut events = sessions.events();
    let created = sessions.with(None, |session| session.insert("theme", "dark"));
    let first = issued(created.await.unwrap().1.directive);
    let second = signed_in(&sessions, Some(&first), "ada").await;
    let rotated = sessions.with(Some(&second), |session| {
        session.rotate();
        Ok(())
    });
    let third = issued(rotated.await.unwrap().1.directive);
    // Reads and changes of values are no events.
    let saved = sessions.with(Some(&third), |session| session.insert("theme", "light"));
    saved.await.unwrap();
    let ids = [
        id(&sessions, &first).await,
        id(&sessions, &second).await,
        id(&sessions, &third).await,
    ];
    let sign_out = sessions.with(Some(&third), |session| {
        session.sign_out();
        Ok(())
    });
    sign_out.await.unwrap();

    let all = so_far(&mut events).await;
    assert_eq!(
        kinds(&all),
        [
            (Happening::Created, OWN),
            (Happening::SignedIn, OWN),
            (Happening::Rotated, OWN),
            (Happening::SignedOut, OWN),
        ]
    );
    let previous: Vec<_> = all
        .iter()
        .map(|event| event.previous_id.as_deref())
        .collect();
    assert_eq!(previous, [None, Some(&*all[0].id), Some(&*all[1].id), None]);
    assert_eq!(all[2].id, all[3].id);
    let subjects: Vec<_> = all.iter().map(|event| event.subject.as_deref()).collect();
    assert_eq!(subjects, [None, Some("ada"), Some("ada"), Some("ada")]);
    // As the handlers see them. After a rotation the old token has the new name.
    assert_eq!((&all[0].id, &all[2].id), (&ids[0], &ids[2]));
    assert_eq!(ids[1], ids[2]);
}

#[tokio::test]
async fn ends_by_others_have_another_cause() {
    let sessions = Sessions::new(MemoryStore::new()).with_limit(1, LimitPolicy::EndOldest);
    let mut events = sessions.events();
    signed_in(&sessions, None, "ada").await;
    signed_in(&sessions, None, "ada").await;
    assert_eq!(sessions.revoke_others("ada", None).await.unwrap(), 1);
    let all = so_far(&mut events).await;
    assert_eq!(
        kinds(&all),
        [
            (Happening::SignedIn, OWN),
            (Happening::SignedIn, OWN),
            (Happening::Revoked, Cause::Limit),
            (Happening::Revoked, Cause::Revocation),
        ]
    );
    assert_eq!((&all[0].id, &all[1].id), (&all[2].id, &all[3].id));
    assert!(
        all.iter()
            .all(|event| event.subject.as_deref() == Some("ada"))
    );
}

#[tokio::test]
async fn a_sign_in_with_several_sessions_ends_each() {
    let sessions = Sessions::new(MemoryStore::new());
    let tokens = [
        signed_in(&sessions, None, "ada").await,
        signed_in(&sessions, None, "bob").await,
    ];
    let mut events = sessions.events();
    let session: Session = sessions.session(tokens.iter().map(String::as_bytes));
    session.load().await.unwrap();
    session.sign_in("eve").unwrap();
    adapter::commit(&session, true).outcome().await.unwrap();
    let all = so_far(&mut events).await;
    let mut ended: Vec<_> = all[..2].iter().map(|event| event.subject.clone()).collect();
    ended.sort();
    assert_eq!(ended, [Some("ada".into()), Some("bob".into())]);
    assert_eq!(
        kinds(&all),
        [
            (Happening::SignedOut, OWN),
            (Happening::SignedOut, OWN),
            (Happening::SignedIn, OWN)
        ]
    );
    assert_eq!(all[2].previous_id, None);
}

#[tokio::test]
async fn a_sign_out_that_begins_another_session_is_both() {
    let sessions = Sessions::new(MemoryStore::new());
    let token = signed_in(&sessions, None, "ada").await;
    let mut events = sessions.events();
    let done = sessions.with(Some(&token), |session| {
        session.sign_out();
        session.insert("notice", "Bye.")
    });
    done.await.unwrap();
    // The second sign-out of the same token ends nothing.
    let again = sessions.with(Some(&token), |session| {
        session.sign_out();
        Ok(())
    });
    again.await.unwrap();
    let all = so_far(&mut events).await;
    assert_eq!(
        kinds(&all),
        [(Happening::SignedOut, OWN), (Happening::Created, OWN)]
    );
    assert_eq!(all[1].subject, None);
}

#[tokio::test]
async fn of_two_requests_that_sign_out_one_reports_it() {
    let sessions = Sessions::new(MemoryStore::new());
    let token = signed_in(&sessions, None, "ada").await;
    let mut events = sessions.events();
    let handles = [(); 2].map(|()| sessions.session::<()>([token.as_bytes()]));
    for session in &handles {
        session.load().await.unwrap();
        session.sign_out().unwrap();
    }
    for session in &handles {
        adapter::commit(session, true).outcome().await.unwrap();
    }
    assert_eq!(
        kinds(&so_far(&mut events).await),
        [(Happening::SignedOut, OWN)]
    );
}

#[tokio::test]
async fn a_session_that_was_emptied_has_ended() {
    let config = Config::builder().delete_when_empty(true).build().unwrap();
    let sessions = Sessions::new(MemoryStore::new()).with_config(config);
    let mut events = sessions.events();
    let created = sessions.with(None, |session| session.insert("theme", "dark"));
    let token = issued(created.await.unwrap().1.directive);
    let emptied = sessions.with(Some(&token), |session| {
        session.remove("theme");
        Ok(())
    });
    emptied.await.unwrap();
    let all = so_far(&mut events).await;
    assert_eq!(
        kinds(&all),
        [(Happening::Created, OWN), (Happening::SignedOut, OWN)]
    );
    assert_eq!(all[0].id, all[1].id);
}

#[tokio::test]
async fn a_form_that_no_session_belongs_to_is_no_event() {
    let sessions = Sessions::new(MemoryStore::new());
    let mut events = sessions.events();
    let session: Session = sessions.session([]);
    session.load().await.unwrap();
    session.csrf_token().unwrap();
    let outcome = adapter::commit(&session, true).outcome().await.unwrap();
    issued(outcome.directive);
    assert!(so_far(&mut events).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_expiry_of_a_watched_session_is_an_event() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.reader()).build();
    let sessions = Sessions::new(store).with_clock(clock.reader());
    let token = signed_in(&sessions, None, "ada").await;
    let session: Session = sessions.session([token.as_bytes()]);
    session.load().await.unwrap();
    let ended = tokio::spawn(session.ended());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut events = sessions.events();
    clock.advance(Duration::from_secs(3_600));
    ended.await.unwrap().unwrap();
    let all = so_far(&mut events).await;
    assert_eq!(kinds(&all), [(Happening::Expired, Cause::Timeout)]);
    assert_eq!(Some(all[0].id.clone()), session.id().unwrap());
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_lost_and_delays_nobody() {
    let sessions = Sessions::new(MemoryStore::new());
    let mut events = sessions.events();
    for _ in 0..4_100 {
        signed_in(&sessions, None, "ada").await;
    }
    assert_eq!(events.next().await.unwrap(), Err(Lagged(4)));
    assert_eq!(so_far(&mut events).await.len(), 4_096);
    drop(sessions);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn what_an_event_prints_has_no_subject_and_no_token() {
    let sessions = Sessions::new(MemoryStore::new());
    let mut events = sessions.events();
    let token = signed_in(&sessions, None, "ada@example.test").await;
    let event = events.next().await.unwrap().unwrap();
    let printed = format!("{event:?}");
    assert!(printed.contains(&event.id));
    assert!(
        !printed.contains("ada") && !printed.contains(&token),
        "{printed}"
    );
    assert!(!event.id.contains(&token));
}
