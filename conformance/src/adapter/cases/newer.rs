//! What only a client of messages is told: that there is a newer token than its own. Over HTTP one cookie jar serves all requests, and
//! had it from another response.

use serde_json::json;

use crate::adapter::Told;
use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/newer-token-is-told", ["R08", "I6"],
    "who presents a token that was rotated away is told that there is a newer one, also where nothing is changed, and as long as the old one reads",
    "cloakroom_core::Outcome::superseded" => told;

    "adapter/newer-token-is-told-to-nobody-else", ["R08", "I6"],
    "who presents the newest token, a signed-out one, or none, is not told that there is a newer one",
    "cloakroom_core::Outcome::superseded" => told_to_nobody_else;
}

async fn told(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        let (world, old, mut new) = rotated(&context, rotation).await?;
        for ops in [
            vec![get("a")],
            vec![Op::Keys],
            vec![insert("a", 2)],
            vec![Op::Rotate],
        ] {
            let got = old.clone().send(ops).await?.ok()?;
            same("what the old token is told", got.told, Told::Stale)?;
        }
        // Rotated away twice: still.
        new.send([Op::Rotate]).await?.ok()?;
        let got = old.clone().send([get("a")]).await?.ok()?;
        same("what the oldest token is told", got.told, Told::Stale)?;
        world.advance(30);
        let got = old.clone().send([Op::IsNew]).await?.are(json!([true]))?;
        same("what a dead token is told", got.told, Told::Nothing)?;
    }
    Ok(())
}

async fn told_to_nobody_else(context: Context) -> Result<(), Stop> {
    let (world, old, mut new) = rotated(&context, sign_in("ada")).await?;
    for ops in [vec![get("a")], vec![insert("b", 2)]] {
        let got = new.send(ops).await?.ok()?;
        same("what the newest token is told", got.told, Told::Nothing)?;
    }
    let got = world.visitor().send([Op::IsNew]).await?.ok()?;
    same("what a stranger is told", got.told, Told::Nothing)?;
    // Whoever signs in or out with the old token is told what that came to, which is more.
    let got = old.clone().send([sign_in("ada")]).await?.ok()?;
    ensure(
        matches!(got.told, Told::Keep(_)),
        "a second sign-in with the old token issued none",
    )?;
    let got = old.clone().send([Op::SignOut]).await?.ok()?;
    same("what a sign-out is told", got.told, Told::Forget)?;
    let got = old.clone().send([Op::IsNew]).await?.are(json!([true]))?;
    same("what a signed-out token is told", got.told, Told::Nothing)
}

/// The same visitor with the old token, and with the new one.
async fn rotated(context: &Context, rotation: Op) -> Result<(World, Visitor, Visitor), Stop> {
    let world = context.world().await?;
    let old = world.visitor_with(vec![insert("a", 1)]).await?;
    let mut new = old.clone();
    new.send([rotation]).await?.ok()?;
    Ok((world, old, new))
}
