//! A request from its beginning to the last byte of its body: when something is written, and when not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::adapter::script::{Op, Script, get, header, increment, insert, sign_in, wait};
use crate::adapter::world::{Context, World, reached, results, soon};
use crate::adapter::{Ability, App};
use crate::case::{Stop, checks, ensure, fail, same};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/nothing-before-the-handler-is-done", ["I10", "R64"],
    "nothing is written before the handler has answered",
    "cloakroom_conformance::adapter, invariant 10" => nothing_before;

    "adapter/commit-before-head", ["I10", "R63"],
    "all is written before the response's head leaves",
    "cloakroom_conformance::adapter, invariant 10" => commit_before_head;

    "adapter/panic-changes-nothing", ["R64", "I10"],
    "a handler that panics leaves the session as it was, and the server goes on",
    "cloakroom_conformance::adapter, invariant 10" => panic;

    "adapter/disconnect-changes-nothing", ["R64", "I10"],
    "a client that goes away while the handler runs leaves the session as it was",
    "cloakroom_conformance::adapter, invariant 10" => disconnect;

    "adapter/disconnect-closes-the-session", ["R63", "R64", "I10"],
    "a task that outlives a handler whose client went away is told that the session is closed, and writes nothing",
    "cloakroom_core::Error::Closed" => outlived;

    "adapter/disconnect-to-the-end", ["R64", "I9"],
    "where a handler does not end with its client, what it changes is saved as a whole, and the client's token goes on working",
    "cloakroom_conformance::adapter, invariant 9" => disconnect_to_the_end;

    "adapter/disconnect-while-saving", ["R64", "R07", "I7"],
    "a client that goes away while its changes are saved leaves the session as it was or as it was to be, and its token working",
    "cloakroom_conformance::adapter, invariant 7" => disconnect_while_saving;

    "adapter/late-task-is-closed", ["R63", "R64"],
    "a task that outlives a handler that answered, or panicked, is told that the session is closed, and writes nothing",
    "cloakroom_core::Error::Closed" => late_tasks;

    "adapter/late-use-is-closed", ["R63", "R69"],
    "a session that is used from a body, after the head, says that it is closed, and what came before is saved and told in the head",
    "cloakroom_core::Error::Closed" => late;

    "adapter/nested-routes", ["I10"],
    "the session of a handler in a nested router is the same one",
    "cloakroom_conformance::adapter::App" => nested;

    "adapter/two-cookies", ["R67"],
    "two independent sessions in one application do not see each other, also in one request",
    "cloakroom::Session, \"independent sessions\"" => two_cookies;

    "adapter/browser-round-trip", ["R27", "R19", "R33"],
    "a browser that keeps cookies by their rules signs in, goes on in two tabs, signs out, and is a stranger again",
    "RFC 10025, section 5" => browser;
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
            _ => world.visitor_with(vec![insert("a", 1)]).await?,
        };
        world.stage.reset();
        let request = visitor.start([&ops[..], &[wait("handler")]].concat());
        soon("the handler", world.stage.reached("handler")).await?;
        world.called("a request whose handler is not done", loaded)?;
        world.stage.open("handler");
        request.answer().await?.ok()?;
        ensure(
            !world.calls().is_empty(),
            "nothing was written after the handler was done",
        )?;
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
        let world = context.world().await?;
        let creates = op == insert("new", 1);
        let visitor = if creates {
            world.visitor()
        } else {
            world.visitor_with(vec![insert("a", 1)]).await?
        };
        world.advance(1_000);
        world.stage.reset();
        let gate = world.control().on(operation).pause_before();
        let cookies: Vec<_> = visitor
            .token
            .iter()
            .map(|token| format!("{}={token}", world.config.cookie_name()))
            .collect();
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
        // Whoever sends the head first has time to do so now.
        let early = tokio::time::timeout(Duration::from_millis(150), &mut head).await;
        ensure(
            early.is_err(),
            format!("the response's head left before the {operation} was done"),
        )?;
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
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    for op in [insert("a", 2), sign_in("ada"), Op::SignOut] {
        visitor
            .send([op, Op::Panic])
            .await?
            .failed("a handler's panic")?;
        world.called("a handler that panics", &["load: found"])?;
        visitor
            .send([get("a"), Op::Subject])
            .await?
            .quiet()?
            .are(json!([1, null]))?;
        world.control().reset();
    }
    world
        .visitor()
        .send([insert("a", 1), Op::Panic])
        .await?
        .failed("a handler's panic")?;
    world.holds(1)
}

async fn disconnect(context: Context) -> Result<(), Stop> {
    context.require(Ability::Cancel)?;
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    for op in [insert("a", 2), sign_in("ada"), Op::SignOut] {
        world.stage.reset();
        let request = visitor.start([op, wait("handler")]);
        soon("the handler", world.stage.reached("handler")).await?;
        drop(request);
        soon(
            "the end of a request whose client is gone",
            world.stage.dropped("handler"),
        )
        .await?;
        visitor
            .send([get("a"), Op::Subject])
            .await?
            .quiet()?
            .are(json!([1, null]))?;
    }
    ensure(
        world.calls().iter().all(|call| call == "load: found"),
        "a request whose client was gone wrote something",
    )
}

async fn outlived(context: Context) -> Result<(), Stop> {
    context.require(Ability::Cancel)?;
    let world = context.world().await?;
    let known = world.visitor_with(vec![insert("a", 1)]).await?;
    for visitor in [known, world.visitor()] {
        world.stage.reset();
        let request = visitor.start([get("a"), late_task(), wait("handler")]);
        soon("the handler", world.stage.reached("handler")).await?;
        drop(request);
        soon(
            "the end of a request whose client is gone",
            world.stage.dropped("handler"),
        )
        .await?;
        told_that_it_is_closed(&world).await?;
    }
    ensure(
        world.calls().iter().all(|call| call == "load: found"),
        "a task that outlived its handler wrote something",
    )?;
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
    // In this very moment the adapter lets go of the request. When these are answered it has done so.
    for _ in 0..8 {
        world.visitor().send([get("a")]).await?.ok()?;
    }
    world.stage.open("task");
    let results = soon(
        "the end of a task that outlived its handler",
        world.stage.told(),
    )
    .await?;
    closed(&results, "by a task that outlived its handler")
}

async fn disconnect_to_the_end(context: Context) -> Result<(), Stop> {
    context.lack(Ability::Cancel)?;
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    let request = visitor.start([insert("a", 2), insert("b", 3), wait("handler")]);
    soon("the handler", world.stage.reached("handler")).await?;
    drop(request);
    world.called("a handler that waits", &["load: found"])?;
    let saved = world.control().on(Operation::Replace).pause_after();
    world.stage.open("handler");
    reached(&saved, "of the handler").await?;
    saved.open();
    visitor
        .send([get("a"), get("b")])
        .await?
        .quiet()?
        .are(json!([2, 3]))
        .map(drop)
}

async fn disconnect_while_saving(context: Context) -> Result<(), Stop> {
    for (op, operation) in [
        (insert("a", 2), Operation::Replace),
        (Op::Rotate, Operation::Create),
        (Op::Rotate, Operation::Replace),
        (sign_in("ada"), Operation::Replace),
    ] {
        for after in [false, true] {
            let world = context.world().await?;
            let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
            let plan = world.control();
            let gate = if after {
                plan.on(operation).pause_after()
            } else {
                plan.on(operation).pause_before()
            };
            let request = visitor.start([op.clone()]);
            reached(&gate, "of the request").await?;
            drop(request);
            gate.open();
            let got = visitor.send([get("a"), Op::Subject]).await?.quiet()?;
            let [value, subject] = &got.results[..] else {
                return fail("not two results");
            };
            ensure(
                *value == 1 || (op == insert("a", 2) && *value == 2),
                "the session's data is lost",
            )?;
            ensure(subject.is_null(), "the old token has the new privilege")?;
            visitor.send([sign_in("bob")]).await?.ok()?;
            same(
                "the subject after another sign-in",
                visitor.subject().await?,
                "bob".into(),
            )?;
        }
    }
    Ok(())
}

async fn late_tasks(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitor = world.visitor_with(vec![insert("a", 1)]).await?;
    visitor.send([get("a"), late_task()]).await?.quiet()?;
    told_that_it_is_closed(&world).await?;
    world.stage.reset();
    let panics = [get("a"), late_task(), Op::Panic];
    visitor.send(panics).await?.failed("a handler's panic")?;
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
    ensure(
        response.headers().contains_key("set-cookie"),
        "no cookie in the head of a streaming response",
    )?;
    world.stage.open("late");
    let set_cookie = response.headers()["set-cookie"]
        .to_str()
        .unwrap_or_default()
        .to_owned();
    let text = response.text().await;
    let text = text.map_err(|error| Stop::Failed(format!("a streaming body: {error}")))?;
    let Some(late) = text.strip_prefix("[1]") else {
        return fail("the body does not begin with the results of the handler");
    };
    closed(&results(late)?, AFTER_THE_HEAD)?;
    let cookie = set_cookie.split(';').next().unwrap_or_default().to_owned();
    let got = http
        .send("/script", &[cookie], &[], &[Op::Keys, get("a")].into())
        .await?;
    got.quiet()?.are(json!([["a"], 1])).map(drop)
}

pub(super) const AFTER_THE_HEAD: &str = "after the response's head";

/// Fails unless every operation behind the first, which waits, says that the session is closed.
pub(super) fn closed(results: &[Value], used: &str) -> Result<(), Stop> {
    ensure(results.len() > 1, "nothing was done late")?;
    let closed = |result: &Value| {
        result["error"]
            .as_str()
            .is_some_and(|error| error.contains("closed"))
    };
    match results[1..].iter().find(|&result| !closed(result)) {
        None => Ok(()),
        Some(_) => fail(format!(
            "a session that was used {used} did not say that it is closed"
        )),
    }
}

async fn nested(context: Context) -> Result<(), Stop> {
    context.require(Ability::Nested)?;
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    browser.get("/script", [insert("a", 1)]).await?;
    browser
        .get("/nested/script", [get("a"), insert("b", 2)])
        .await?
        .quiet()?
        .are(json!([1, null]))?;
    browser.get("/script", [get("b")]).await?.are(json!([2]))?;
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
    browser
        .get("/second", [Op::Keys, Op::Subject, insert("b", 2)])
        .await?
        .are(json!([[], null, null]))?;
    browser
        .get("/script", [Op::Keys, Op::Subject])
        .await?
        .are(json!([["a"], "ada"]))?;
    let both = Script {
        now: vec![increment("n")],
        then: vec![Op::Keys, sign_in("bob")],
    };
    browser
        .get("/both", both)
        .await?
        .are(json!([1, ["b"], null]))?;
    browser
        .get("/second", [Op::Subject, get("b")])
        .await?
        .are(json!(["bob", 2]))?;
    world.control().reset();
    browser.get("/second", [get("b")]).await?;
    world.called("a request that wants one of two sessions", &["load: found"])?;
    let both = Script {
        now: vec![Op::SignOut],
        then: vec![increment("b")],
    };
    browser.get("/both", both).await?.are(json!([null, 3]))?;
    browser
        .get(
            "/both",
            Script {
                now: vec![Op::IsNew],
                then: vec![Op::Subject],
            },
        )
        .await?
        .are(json!([true, "bob"]))?;
    // Both at once: two lines.
    let both = Script {
        now: vec![insert("a", 1)],
        then: vec![Op::Rotate],
    };
    let got = browser.get("/both", both).await?;
    let head = got.head()?;
    same("the Set-Cookie lines", head.all("set-cookie").len(), 2)?;
    same(
        "the lines of the second cookie",
        head.set_cookie("__Host-second").len(),
        1,
    )
}

async fn browser(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let browser = world.http()?.browser()?;
    let redirect = || [Op::Status(303), header("location", "/")];
    let with = |op: Op| [&[op][..], &redirect()].concat();
    browser.get("/script", with(insert("cart", "tea"))).await?;
    browser
        .get("/script", [get("cart"), Op::IsNew])
        .await?
        .quiet()?
        .are(json!(["tea", false]))?;
    browser.get("/script", with(sign_in("ada"))).await?;
    browser
        .get("/script", [get("cart"), Op::Subject])
        .await?
        .quiet()?
        .are(json!(["tea", "ada"]))?;
    let tabs = (0..6).map(|_| browser.get("/script", [increment("n")]));
    for tab in futures_util::future::join_all(tabs).await {
        tab?.quiet()?;
    }
    browser.get("/script", [get("n")]).await?.are(json!([6]))?;
    browser.get("/script", with(Op::SignOut)).await?;
    world.control().reset();
    browser
        .get("/script", [get("cart"), Op::Subject, Op::IsNew])
        .await?
        .quiet()?
        .are(json!([null, null, true]))?;
    world.called("a browser that was told to forget its cookie", &[])
}
