//! The new store alone, after the move.

use cloakroom::{Directive, Sessions};
use cloakroom_adopting::Adopting;
use cloakroom_memory::MemoryStore;

// R85: the marker of a sign-out is still there.
#[tokio::test]
async fn a_token_that_was_signed_out_during_the_move_is_a_stranger_s_after_it()
-> Result<(), cloakroom::Error> {
    let (new, old) = (MemoryStore::new(), MemoryStore::new());
    let moving = Sessions::new(Adopting::new(new.clone(), old));
    let (_, outcome) = moving.with(None, |session| session.sign_in("ada")).await?;
    let Directive::Issue(issued) = outcome.directive else {
        panic!("a sign-in issues a token");
    };
    let token = Some(issued.token.expose());
    let signed_out = moving.with(token, |session| {
        session.sign_out();
        Ok(())
    });
    signed_out.await?;

    let after = Sessions::new(new);
    let (subject, _) = after
        .with(token, |session| Ok(session.subject().map(str::to_owned)))
        .await?;
    assert_eq!(subject, None);
    // The visitor signs in again.
    let (_, outcome) = after.with(token, |session| session.sign_in("ada")).await?;
    assert!(matches!(outcome.directive, Directive::Issue(_)));
    Ok(())
}
