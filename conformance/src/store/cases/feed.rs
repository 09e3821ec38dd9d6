use std::time::Duration;

use cloakroom_store::{Hint, Key};
use tokio::time::timeout;

use crate::case::{Stop, checks, ensure, fail};
use crate::store::Ability;
use crate::store::announcing::Listener;
use crate::store::cases::outage::again;
use crate::store::context::{Context, deletes, key, replaces, seed, touches};
use crate::store::handle::Handle;

checks! { Context:
    "store/feed-announces-removals" => removals, ["R82"], "cloakroom_store::Feed",
        "a listener hears of each record that another handle deletes, by its key alone, and of none that is only written";
    "store/feed-ends-with-its-connection" => ends, ["R82", "R54"], "cloakroom_store::Hints::next",
        "a listener whose connection broke is told so, and one that listens after the outage hears again";
}

/// How long something may take that happens at once.
const SOON: Duration = Duration::from_secs(10);

async fn removals(context: Context) -> Result<(), Stop> {
    let [reader, writer] = context.pair_with(Ability::Feed).await?;
    let mut hints = reader.listen().await?;
    let mut removed = Vec::new();
    for round in 0..3 {
        let kept = key(&format!("kept-{round}"));
        let old = seed(&writer, &kept, &context.write("kept")).await?;
        replaces(&writer, &kept, &old, &context.write("again")).await?;
        touches(&writer, &kept, context.later(7200)).await?;
        removed.push(key(&format!("removed-{round}")));
        is_heard(&context, &writer, &mut *hints, &removed).await?;
    }
    Ok(())
}

async fn ends(context: Context) -> Result<(), Stop> {
    context.require(Ability::Feed)?;
    let [reader, writer] = context.pair_with(Ability::Outage).await?;
    let mut hints = reader.listen().await?;
    let limit = context.begin_outage().await?;
    let end = async { while hints.next().await.is_some() {} };
    let ended = timeout(limit, end).await;
    let listening = timeout(limit + Duration::from_secs(1), reader.listen()).await;
    context.end_outage().await?;
    ensure(ended.is_ok(), "the end of the connection is not noticed")?;
    let refused = listening.is_ok_and(|listening| listening.is_err());
    let holds = refused;
    ensure(holds, "listening in an outage is no error, or takes longer")?;
    again(|| writer.load(&key("removed"))).await?;
    let mut hints = again(|| reader.listen()).await?;
    is_heard(&context, &writer, &mut *hints, &[key("removed")]).await
}

/// Deletes a record under the last of these keys, and waits until the listener hears of it. It may
/// hear again of the others, and of nothing else.
async fn is_heard(
    context: &Context,
    writer: &Handle,
    hints: &mut dyn Listener,
    removed: &[Key],
) -> Result<(), Stop> {
    let [.., last] = removed else { return Ok(()) };
    let old = seed(writer, last, &context.write("removed")).await?;
    deletes(writer, last, &old).await?;
    loop {
        match timeout(SOON, hints.next()).await {
            Ok(Some(Hint::Removed(heard))) if heard == *last => return Ok(()),
            Ok(Some(Hint::Removed(heard))) => {
                let holds = removed.contains(&heard);
                ensure(holds, "a record is announced that is there")?;
            }
            Ok(Some(_)) => return fail("announcements were lost without a cause"),
            Ok(None) => return fail("the listener's connection ended without a cause"),
            Err(_) => return fail("a removed record was not announced"),
        }
    }
}
