//! A handler that waits for the end of its session.

use serde_json::json;

use crate::adapter::script::{Op, sign_in};
use crate::adapter::world::{Context, reached};
use crate::case::{Stop, checks};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/ended-tells-a-long-request" => tells, ["R82"], "cloakroom::Session::ended",
        "a request that waits for the end of its session learns how another request or process ended it";
}

async fn tells(context: Context) -> Result<(), Stop> {
    for end in ["SignedOut", "Revoked", "Rotated", "SignedIn", "Gone"] {
        let world = context.world().await?;
        // A message's handler cannot wait.
        world.http()?;
        let mut ada = world.visitor_with([sign_in("ada")]).await?;
        // After the request's own load, the watcher's first look.
        let gate = world.control().on(Operation::Load).skip(1).pause_after();
        let waiting = ada.start([Op::Ended]);
        reached(&gate, "the first look at the session").await?;
        gate.open();
        let sessions = match end {
            "Gone" => world.other_process(),
            _ => world.app.sessions(),
        };
        let mut want = json!([end]);
        match end {
            "SignedOut" => drop(ada.send([Op::SignOut]).await?.ok()?),
            "SignedIn" => drop(ada.send([sign_in("bob")]).await?.ok()?),
            "Rotated" => {
                ada.send([Op::Rotate]).await?.ok()?;
                want = json!([{ "Rotated": ada.send([Op::Id]).await?.one()? }]);
            }
            _ => {
                let revoked = sessions.revoke_others("ada", None).await;
                revoked.map_err(|error| Stop::Failed(format!("a revocation: {error}")))?;
            }
        }
        waiting.answer().await?.are(want)?;
    }
    Ok(())
}
