//! A request from its beginning to the last byte of its body: when something is written, and when
//! not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::got::{Got, Started, results};
use crate::adapter::script::{Op, Script, get, header, increment, insert, sign_in, wait};
use crate::adapter::world::{Context, Visitor, World, does, fails, held_at, reached, sees, soon};
use crate::adapter::{Ability, App, http};
use crate::case::{Stop, checks, ensure, fail, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/nothing-before-the-handler-is-done" => nothing_before, ["I10", "R64"], invariant 10,
        "nothing is written before the handler has answered";
    "adapter/commit-before-head" => commit_before_head, ["I10", "R63"], invariant 10,
        "everything is written before the response's head leaves";
    "adapter/panic-changes-nothing" => panic, ["R64", "I10"], invariant 10,
        "a handler that panics leaves the session as it was, and the server goes on";
    "adapter/disconnect-changes-nothing" => disconnect, ["R64", "I10"], invariant 10,
        "a client that goes away while the handler runs leaves the session as it was";
    "adapter/disconnects-cost-others-nothing" => disconnects, ["R91"], "CVE-2023-44487",
        "after a hundred clients that went away, with the living token or a forged one, all others are answered";
    "adapter/disconnect-closes-the-session" => outlived, ["R63", "R64", "I10"],
        "cloakroom_core::Error::Closed",
        "if the client leaves, a task that outlives the handler finds the session closed, and writes nothing";
    "adapter/disconnect-to-the-end" => disconnect_to_the_end, ["R64", "I9"], invariant 9,
        "if a handler outlives its client, its changes are saved as a whole, and the client's token stays valid";
    "adapter/disconnect-while-saving" => disconnect_while_saving, ["R64", "R07", "I7"], invariant 7,
        "a client that leaves during the save leaves the old session or the new one, and its token stays valid";
    "adapter/late-task-is-closed" => late_tasks, ["R63", "R64"], "cloakroom_core::Error::Closed",
        "after a response or a panic, a task that outlives the handler finds the session closed, and writes nothing";
    "adapter/late-use-is-closed" => late, ["R63", "R69"], "cloakroom_core::Error::Closed",
        "a body that uses the session after the head finds it closed; earlier changes are saved, with the cookie in the head";
    "adapter/nested-routes" => nested, ["I10"], "cloakroom_conformance::adapter::App",
        "the session of a handler in a nested router is the same one";
    "adapter/two-cookies" => two_cookies, ["R67"], "cloakroom::Session, \"independent sessions\"",
        "two independent sessions in one application do not see each other, also in one request";
    "adapter/browser-round-trip" => browser, ["R27", "R19", "R33"], "RFC 10025, section 5",
        "a client that follows the cookie rules signs in, works in two tabs, signs out, and is a stranger again";
}

async fn nothing_before(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    for (ops, loaded) in [
        (vec![insert("a", 1)], &[][..]),
        (vec![insert("a", 2), increment("n")], &["load: found"]),
        (vec![sign_in("ada")], &["load: found"]),
        (vec![Op::SignOut], &["load: found"]),
    ] {
        let visitor = match loaded {
            [] => world.visitor(),
            _ => world.visitor_with([insert("a", 1)]).await?,
        };
        let request = in_handler(&world, &visitor, ops).await?;
        world.called("a request whose handler is not done", loaded)?;
        world.stage.open("handler");
        request.answer().await?.ok()?;
        let holds = !world.calls().is_empty();
        ensure(holds, "nothing was written after the handler was done")?;
        world.control().reset();
    }
    Ok(())
}

async fn commit_before_head(context: Context) -> Result<(), Stop> {
    for (op, operation) in [
        (insert("a", 2), Operation::Replace),
        (Op::Rotate, Operation::Replace),
        (sign_in("ada"), Operation::Create),
        (Op::SignOut, Operation::Delete),
        (get("a"), Operation::Touch),
        (insert("new", 1), Operation::Create),
    ] {
        let (world, mut visitor) = context.session([insert("a", 1)]).await?;
        if op == insert("new", 1) {
            visitor = world.visitor();
        }
        world.advance(1_000);
        world.stage.reset();
        let gate = world.control().on(operation).pause_before();
        let cookies = world.http()?.lines(visitor.token.as_deref().as_slice());
        let sender = world.clone();
        let mut head =
            tokio::spawn(
                async move { sender.http()?.open("/script", &cookies, &[op].into()).await },
            );
        soon("the commit", async {
            tokio::select! {
                () = gate.reached() => Ok(()),
                _ = &mut head => fail("the response's head left before anything was written"),
            }
        })
        .await??;
        // An adapter that sends the head first has time to do so now.
        let early = tokio::time::timeout(Duration::from_millis(150), &mut head).await;
        let holds = early.is_err();
        ensure(holds, format!("the head left before the {operation}"))?;
        ensure(
            !world.stage.is_reached(App::BODY),
            format!("the body was asked for before the {operation} was done"),
        )?;
        gate.open();
        match soon("the response", head).await? {
            Ok(response) => response.map(drop)?,
            Err(error) => return fail(format!("the suite's client: {error}")),
        }
    }
    Ok(())
}

async fn panic(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for op in [insert("a", 2), sign_in("ada"), Op::SignOut] {
        fails(&mut visitor, [op, Op::Panic], "a handler's panic").await?;
        world.called("a handler that panics", &["load: found"])?;
        sees(&mut visitor, [get("a"), Op::Subject], json!([1, null])).await?;
        world.control().reset();
    }
    let got = world.visitor().send([insert("a", 1), Op::Panic]).await?;
    got.failed("a handler's panic")?;
    world.holds(1)
}

async fn disconnect(context: Context) -> Result<(), Stop> {
    context.require(Ability::Cancel)?;
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    for op in [insert("a", 2), sign_in("ada"), Op::SignOut] {
        left_alone(&world, &visitor, [op]).await?;
        sees(&mut visitor, [get("a"), Op::Subject], json!([1, null])).await?;
    }
    only_loads(&world)
}

async fn disconnects(context: Context) -> Result<(), Stop> {
    context.require(Ability::Cancel)?;
    let (world, mut known) = context.session([insert("a", 1)]).await?;
    let mut forged = world.with_token(Some("A".repeat(43)));
    for _ in 0..25 {
        left_alone(&world, &known, [get("a")]).await?;
        left_alone(&world, &known, [insert("a", 2)]).await?;
        left_alone(&world, &forged, [get("a")]).await?;
        left_alone(&world, &world.visitor(), [insert("a", 2)]).await?;
    }
    soon("the answer to others", async {
        sees(&mut known, [get("a")], json!([1])).await?;
        does(&mut forged, [get("a")], json!([null])).await?;
        does(&mut world.visitor(), [increment("n")], json!([1])).await
    })
    .await?
}

/// Starts a request, and returns when its handler has performed this and waits.
async fn in_handler(
    world: &World,
    visitor: &Visitor,
    ops: impl Into<Vec<Op>>,
) -> Result<Started<Got>, Stop> {
    world.stage.reset();
    let request = visitor.start([ops.into(), vec![wait("handler")]].concat());
    soon("the handler", world.stage.reached("handler")).await?;
    Ok(request)
}

/// The client goes away while its handler waits, and the handler ends.
async fn left_alone(world: &World, visitor: &Visitor, ops: impl Into<Vec<Op>>) -> Result<(), Stop> {
    drop(in_handler(world, visitor, ops).await?);
    let end = world.stage.dropped("handler");
    soon("the end of a request whose client is gone", end).await
}

fn only_loads(world: &World) -> Result<(), Stop> {
    let only = world.calls().iter().all(|call| call == "load: found");
    ensure(only, "a request whose client was gone wrote something")
}

async fn outlived(context: Context) -> Result<(), Stop> {
    context.require(Ability::Cancel)?;
    let (world, known) = context.session([insert("a", 1)]).await?;
    for visitor in [known, world.visitor()] {
        left_alone(&world, &visitor, [get("a"), late_task()]).await?;
        told_that_it_is_closed(&world).await?;
    }
    only_loads(&world)?;
    world.holds(1)
}

fn late_task() -> Op {
    Op::Spawn(vec![
        wait("task"),
        get("a"),
        insert("late", 1),
        increment("a"),
        sign_in("ada"),
        Op::SignOut,
    ])
}

/// Lets the task go on whose handler has just come to its end.
async fn told_that_it_is_closed(world: &World) -> Result<(), Stop> {
    // In this very moment the adapter lets go of the request. When these are answered it has done
    // so.
    for _ in 0..8 {
        world.visitor().send([get("a")]).await?.ok()?;
    }
    world.stage.open("task");
    let results = soon("the end of a task", world.stage.told()).await?;
    closed(&results, "by a task that outlived its handler")
}

async fn disconnect_to_the_end(context: Context) -> Result<(), Stop> {
    context.lack(Ability::Cancel)?;
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let ops = [insert("a", 2), insert("b", 3)];
    drop(in_handler(&world, &visitor, ops).await?);
    world.called("a handler that waits", &["load: found"])?;
    let saved = world.control().on(Operation::Replace).pause_after();
    world.stage.open("handler");
    reached(&saved, "of the handler").await?;
    saved.open();
    sees(&mut visitor, [get("a"), get("b")], json!([2, 3])).await
}

async fn disconnect_while_saving(context: Context) -> Result<(), Stop> {
    for (op, operation) in [
        (insert("a", 2), Operation::Replace),
        (Op::Rotate, Operation::Create),
        (Op::Rotate, Operation::Replace),
        (sign_in("ada"), Operation::Replace),
    ] {
        for after in [false, true] {
            let (world, mut visitor) = context.session([insert("a", 1)]).await?;
            let plan = world.control();
            let gate = match after {
                true => plan.on(operation).pause_after(),
                false => plan.on(operation).pause_before(),
            };
            drop(held_at(gate, &visitor, [op.clone()]).await?);
            let got = visitor.send([get("a"), Op::Subject]).await?.quiet()?;
            let [value, subject] = &got.results[..] else {
                return fail("not two results");
            };
            let holds = *value == 1 || (op == insert("a", 2) && *value == 2);
            ensure(holds, "the session's data is lost")?;
            ensure(subject.is_null(), "the old token has the new privilege")?;
            visitor.send([sign_in("bob")]).await?.ok()?;
            does(&mut visitor, [Op::Subject], json!(["bob"])).await?;
        }
    }
    Ok(())
}

async fn late_tasks(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    visitor.send([get("a"), late_task()]).await?.quiet()?;
    told_that_it_is_closed(&world).await?;
    world.stage.reset();
    let panics = [get("a"), late_task(), Op::Panic];
    fails(&mut visitor, panics, "a handler's panic").await?;
    told_that_it_is_closed(&world).await?;
    let loads = ["load: found", "load: found"];
    world.called("two handlers that only read", &loads)
}

async fn late(context: Context) -> Result<(), Stop> {
    context.require(Ability::Stream)?;
    let world = context.world().await?;
    let http = world.http()?;
    let then = vec![
        wait("late"),
        get("a"),
        insert("late", 1),
        increment("a"),
        Op::SignOut,
    ];
    let script = Script {
        now: vec![increment("a")],
        then,
    };
    let response = http.open("/stream", &[], &script).await?;
    world.called(
        "a streaming response whose head is there",
        &["create: Stored"],
    )?;
    let told = response.headers().get(world.config.response_header());
    let Some(told) = told.and_then(|line| line.to_str().ok()) else {
        return fail("no token in the head of a streaming response");
    };
    let told = told.to_owned();
    world.stage.open("late");
    let text = response.text().await;
    let text = text.map_err(|error| Stop::Failed(format!("a streaming body: {error}")))?;
    let Some(late) = text.strip_prefix("[1]") else {
        return fail("the body does not begin with the results of the handler");
    };
    closed(&results(late)?, AFTER_THE_HEAD)?;
    let cookie = told.split(';').next().unwrap_or_default().to_owned();
    let got = http
        .send("/script", &[cookie], &[], &[Op::Keys, get("a")].into())
        .await?;
    got.quiet()?.are(json!([["a"], 1])).map(drop)
}

pub(super) const AFTER_THE_HEAD: &str = "after the response's head";

/// Fails unless every operation but the first, which waits, finds the session closed.
pub(super) fn closed(results: &[Value], used: &str) -> Result<(), Stop> {
    ensure(results.len() > 1, "nothing was done late")?;
    let closed = |result: &Value| {
        let error = result["error"].as_str();
        error.is_some_and(|error| error.contains("closed"))
    };
    ensure(
        results[1..].iter().all(closed),
        format!("a session that was used {used} did not say that it is closed"),
    )
}

async fn nested(context: Context) -> Result<(), Stop> {
    context.require(Ability::Nested)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    browser.get("/script", [insert("a", 1)]).await?;
    let ops = [get("a"), insert("b", 2)];
    http::sees(&browser, "/nested/script", ops, json!([1, null])).await?;
    http::does(&browser, "/script", [get("b")], json!([2])).await?;
    world.control().reset();
    // One session, not one for each router.
    browser.get("/nested/script", [increment("n")]).await?;
    world.called(
        "a handler in a nested router",
        &["load: found", "replace: Stored"],
    )
}

async fn two_cookies(context: Context) -> Result<(), Stop> {
    context.require(Ability::Second)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    browser
        .get("/script", [insert("a", 1), sign_in("ada")])
        .await?;
    let ops = [Op::Keys, Op::Subject, insert("b", 2)];
    http::does(&browser, "/second", ops, json!([[], null, null])).await?;
    let got = browser.get("/script", [Op::Keys, Op::Subject]).await?;
    got.are(json!([["a"], "ada"]))?;
    let both = Script::then([increment("n")], [Op::Keys, sign_in("bob")]);
    http::does(&browser, "/both", both, json!([1, ["b"], null])).await?;
    let got = browser.get("/second", [Op::Subject, get("b")]).await?;
    got.are(json!(["bob", 2]))?;
    world.control().reset();
    browser.get("/second", [get("b")]).await?;
    world.called("a request that wants one of two sessions", &["load: found"])?;
    let both = Script::then([Op::SignOut], [increment("b")]);
    http::does(&browser, "/both", both, json!([null, 3])).await?;
    let ops = Script::then([Op::IsNew], [Op::Subject]);
    http::does(&browser, "/both", ops, json!([true, "bob"])).await?;
    // Both at once: two lines.
    let both = Script::then([insert("a", 1)], [Op::Rotate]);
    let got = browser.get("/both", both).await?;
    let head = got.head()?;
    for config in [&world.config, world.second()] {
        let lines = head.told_lines(config).len();
        same("the lines of one of two sessions", lines, 1)?;
    }
    Ok(())
}

async fn browser(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    let redirect = || [Op::Status(303), header("location", "/")];
    let with = |op: Op| [&[op][..], &redirect()].concat();
    browser.get("/script", with(insert("cart", "tea"))).await?;
    let got = browser.get("/script", [get("cart"), Op::IsNew]).await?;
    got.quiet()?.are(json!(["tea", false]))?;
    browser.get("/script", with(sign_in("ada"))).await?;
    let got = browser.get("/script", [get("cart"), Op::Subject]).await?;
    got.quiet()?.are(json!(["tea", "ada"]))?;
    let tabs = (0..6).map(|_| browser.get("/script", [increment("n")]));
    for tab in futures_util::future::join_all(tabs).await {
        tab?.quiet()?;
    }
    http::does(&browser, "/script", [get("n")], json!([6])).await?;
    browser.get("/script", with(Op::SignOut)).await?;
    world.control().reset();
    let ops = [get("cart"), Op::Subject, Op::IsNew];
    http::sees(&browser, "/script", ops, json!([null, null, true])).await?;
    world.called("a browser whose cookie was cleared", &[])
}
