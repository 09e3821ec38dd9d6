//! Reports of a newer token, which only clients of messages get. Over HTTP one cookie jar serves
//! all requests, and had the newer token from another response.

use serde_json::json;

use crate::adapter::TokenNotice;
use crate::adapter::script::{Op, Script, get, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World, does};
use crate::case::{Stop, checks, ensure, same};

checks! { Context:
    "adapter/newer-token-is-told" => told, ["R08", "I6"], "cloakroom_core::Outcome::superseded",
        "`superseded` reports a newer token to each request with an old one, even a read-only one, within the grace";
    "adapter/newer-token-is-told-to-nobody-else" => told_to_nobody_else, ["R08", "I6"],
        "cloakroom_core::Outcome::superseded",
        "`superseded` is false for the newest token, a signed-out one, and none";
}

async fn told(context: Context) -> Result<(), Stop> {
    for rotation in [Op::Rotate, sign_in("ada")] {
        let rotation_is_plain = rotation == Op::Rotate;
        let (world, old, mut new) = rotated(&context, rotation).await?;
        // A write with the token from before a sign-in is refused.
        let writes = (rotation_is_plain).then(|| vec![insert("a", 2)]);
        let reads = [vec![get("a")], vec![Op::Keys], vec![Op::Rotate]];
        for ops in reads.into_iter().chain(writes) {
            is_told(&old, ops, TokenNotice::Stale).await?;
        }
        // Rotated away twice: still.
        new.send([Op::Rotate]).await?.ok()?;
        is_told(&old, [get("a")], TokenNotice::Stale).await?;
        world.advance(30);
        does(&mut old.clone(), [Op::IsNew], json!([true])).await?;
        is_told(&old, [Op::IsNew], TokenNotice::Nothing).await?;
    }
    Ok(())
}

async fn told_to_nobody_else(context: Context) -> Result<(), Stop> {
    let (world, old, new) = rotated(&context, sign_in("ada")).await?;
    is_told(&new, [get("a")], TokenNotice::Nothing).await?;
    is_told(&new, [insert("b", 2)], TokenNotice::Nothing).await?;
    is_told(&world.visitor(), [Op::IsNew], TokenNotice::Nothing).await?;
    // A sign-in or sign-out has an answer of its own, which is more.
    let mut again = old.clone();
    let got = again.send([sign_in("ada")]).await?.ok()?;
    let issued = matches!(got.told, TokenNotice::Keep(_));
    ensure(issued, "a sign-in with the old token issued none")?;
    let signed_out = again.clone();
    again.send([Op::SignOut]).await?.forgets()?;
    does(&mut signed_out.clone(), [Op::IsNew], json!([true])).await?;
    is_told(&signed_out, [Op::IsNew], TokenNotice::Nothing).await
}

/// Fails unless a request with this token succeeds, with this directive.
async fn is_told(
    visitor: &Visitor,
    script: impl Into<Script>,
    want: TokenNotice,
) -> Result<(), Stop> {
    let got = visitor.clone().send(script).await?.ok()?;
    same("the directive for the token", got.told, want)
}

/// Returns the same visitor with the old token, and with the new one.
async fn rotated(context: &Context, rotation: Op) -> Result<(World, Visitor, Visitor), Stop> {
    let (world, old) = context.session([insert("a", 1)]).await?;
    let mut new = old.clone();
    new.send([rotation]).await?.ok()?;
    Ok((world, old, new))
}
