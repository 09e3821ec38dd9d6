//! A handler's changes, as the next request sees them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::adapter::script::{Op, get, increment, insert};
use crate::case::{Stop, checks, ensure, same};
use crate::endpoint::client::{Context, Gate, Visitor, does};

checks! { Context:
    "http/values-come-back" => come_back, ["I10"], "cloakroom_core::Session",
        "the client's next request finds the values, and no other client does";
    "http/saved-before-the-answer" => before_the_answer, ["I10", "R63"], invariant 10,
        "each request sees the changes of the response before it, twenty times in a row";
    "http/handler-failure-changes-nothing" => handler_failure, ["R64", "I10"], invariant 10,
        "a handler that panics, or raises an exception, leaves the session as it was, and the server goes on";
    "http/disconnect-changes-nothing-by-half" => disconnect, ["R64", "I9"], invariant 10,
        "a client that leaves while the handler runs leaves the old session or the new one, and its cookie stays valid";
    "http/own-expiry-survives" => own_expiry, ["R26"], "cloakroom_core::Session::set_expiry",
        "an idle timeout of two seconds set on one session survives later requests and writes";
    "http/two-servers-share" => two_servers, ["R61"], "OWASP ASVS 5.0, 7.4.1",
        "each of two servers sees the other's commits at once";
}

async fn come_back(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor();
    let cart = json!({ "tea": 2, "note": "black; no milk, \"hot\"" });
    let ops = [
        insert("cart", cart.clone()),
        insert("gone", true),
        increment("n"),
    ];
    visitor.send(ops).await?.ok()?;
    let ops = [get("cart"), get("n"), Op::Remove("gone".into())];
    let results = visitor.send(ops).await?.results()?;
    same("the first values", &results[..2], &[cart, json!(1)])?;
    does(
        &mut visitor,
        [get("gone"), increment("n")],
        json!([null, 2]),
    )
    .await?;
    let nobody = context.visitor().value("n").await?;
    same("the value in a stranger's session", nobody, Value::Null)
}

async fn before_the_answer(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 0)]).await?;
    for n in 1..=20 {
        visitor.send([insert("a", n)]).await?.ok()?;
        same("the value", visitor.value("a").await?, json!(n))?;
    }
    Ok(())
}

async fn handler_failure(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let got = visitor.send([insert("a", 2), Op::Panic]).await?;
    let holds = got.status.is_none_or(|status| status.is_server_error());
    ensure(holds, "a handler that panicked was a success")?;
    same("the value", visitor.value("a").await?, json!(1))
}

async fn disconnect(context: Context) -> Result<(), Stop> {
    let mut visitor = context.visitor_with(vec![insert("a", 1)]).await?;
    let mut gate = Gate::new().await?;
    let mut leaving = visitor.start([get("a"), gate.wait()?, insert("a", 2), insert("b", 2)]);
    leaving.comes_to(&mut gate, 1).await?;
    drop(leaving);
    // Servers that give the handler up do so at once; the others run it to its end.
    gate.given_up(Duration::from_millis(300)).await;
    gate.open();
    let mut seen = Value::Null;
    for _ in 0..20 {
        let results = visitor.send([get("a"), get("b")]).await?.results()?;
        let got = Value::from(results);
        let holds = got == json!([1, null]) || got == json!([2, 2]);
        ensure(holds, "half of the changes were saved")?;
        if got == seen && got == json!([2, 2]) {
            break;
        }
        seen = got;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn own_expiry(context: Context) -> Result<(), Stop> {
    const TRIES: u32 = 5;
    let mut tries = 0;
    let mut visitor = loop {
        let (visitor, found, was_late) = in_use(&context).await?;
        tries += 1;
        // A moment's pause of this machine is not the server's fault.
        if found == json!(1) || !was_late || tries == TRIES {
            same("the value in time", found, json!(1))?;
            break visitor;
        }
    };
    // Stores that count in whole seconds are given one more.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    does(&mut visitor, [get("a")], json!([null])).await
}

/// Uses a session with an idle timeout of two seconds twice, about a second apart. Returns its
/// values, and whether more than a second lay between two uses.
async fn in_use(context: &Context) -> Result<(Visitor, Value, bool), Stop> {
    let mut used = Instant::now();
    let mut visitor = context
        .visitor_with(vec![insert("a", 1), Op::SetExpiry(2, 3_600, false)])
        .await?;
    let mut was_late = false;
    let mut found = json!(1);
    for n in 0..2 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let now = Instant::now();
        visitor.send([insert("b", n)]).await?.ok()?;
        found = visitor.value("a").await?;
        was_late |= used.elapsed() > Duration::from_secs(1);
        used = now;
        if found != json!(1) {
            break;
        }
    }
    Ok((visitor, found, was_late))
}

async fn two_servers(context: Context) -> Result<(), Stop> {
    context.needs_two_servers()?;
    let mut here = context.visitor_with(vec![insert("a", 0)]).await?;
    for n in 1..=5 {
        let mut there = here.elsewhere();
        there.send([insert("a", n)]).await?.ok()?;
        same("the value here", here.value("a").await?, json!(n))?;
        here.send([insert("b", n)]).await?.ok()?;
        same("the value there", there.value("b").await?, json!(n))?;
    }
    Ok(())
}
