//! Unusual HTTP/1.1: HEAD, unfinished bodies, interim responses, trailers, and pipelined requests.

use serde_json::json;

use crate::adapter::Ability;
use crate::adapter::raw::Raw;
use crate::adapter::script::{Op, Script, get, increment, insert, wait};
use crate::adapter::world::{Context, World, sees, soon};
use crate::case::{Stop, checks, ensure, fail, same};

checks! { Context:
    "adapter/head-request" => head_request, ["R33", "I10"], "RFC 9110, section 9.3.2",
        "a HEAD request has the session, and its response has the same headers and no body";
    "adapter/half-a-body" => half_a_body, ["R64", "I12"], invariant 12,
        "a client that leaves in the middle of its request's body leaves the old session or the new one, and its token stays valid";
    "adapter/no-cookie-in-an-interim-response" => interim, ["R32", "I6"],
        "RFC 9110, section 10.1.1; RFC 10025, section 5.3",
        "after 100 (Continue) the cookie is in the final response and in no other";
    "adapter/token-in-a-trailer" => trailer, ["R09"],
        "RFC 9110, section 6.5.1; OWASP Session Management Cheat Sheet",
        "a token in the trailers after a body is ignored";
    "adapter/pipelined-requests" => pipelined, ["R39", "I12"], "RFC 9112, section 9.3.2",
        "pipelined requests of several visitors on one connection, as proxies send them, each use their own session";
    "adapter/disconnect-in-the-body" => disconnect_in_the_body, ["R69", "R63"], invariant 10,
        "changes whose cookie was sent in the head are saved, even if the client leaves before the end of the body";
}

/// Returns the lines of a request for `/script`, without the empty one at its end.
fn request(method: &str, script: &Script, lines: &[&str]) -> String {
    let header = crate::adapter::App::SCRIPT;
    let mut text = format!("{method} /script HTTP/1.1\r\nhost: localhost\r\n");
    text.push_str(&format!("{header}: {}\r\n", script.to_text()));
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text
}

async fn connection(world: &World) -> Result<Raw, Stop> {
    Raw::connect(world.http()?.address).await
}

async fn head_request(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut raw = connection(&world).await?;
    let script = Script::from([insert("a", 1)]);
    raw.send(&(request("HEAD", &script, &[]) + "\r\n")).await;
    let Some(head) = raw.head().await? else {
        return fail("a HEAD request was not answered");
    };
    same("the status", head.status, 200)?;
    let lines = head.all(world.config.response_header().as_str());
    same("the lines that issue a token", lines.len(), 1)?;
    let pair = lines[0].split(';').next().unwrap_or_default();
    // On the same connection: what comes next is the next response, and not a body.
    let line = format!("{}: {pair}", world.config.request_header());
    let script = Script::from([get("a")]);
    raw.send(&(request("GET", &script, &[&line]) + "\r\n"))
        .await;
    match raw.head().await? {
        Some(head) if head.status == 200 => ensure(
            raw.bytes(3).await? == b"[1]",
            "what a HEAD request changed was not saved",
        ),
        _ => fail("after a HEAD request the connection was of no use"),
    }
}

async fn half_a_body(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let cookie = world.http()?.line(visitor.token()?);
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        for part in ["", "64\r\nhalf"] {
            let script = Script::from([insert("a", 2), insert("b", 2)]);
            let mut raw = connection(&world).await?;
            let head = request("POST", &script, &[&cookie, framing]);
            raw.send(&format!("{head}\r\n{part}")).await;
            drop(raw);
            let got = visitor.send([get("a"), get("b")]).await?.quiet()?;
            ensure(
                got.results == [json!(1), json!(null)] || got.results == [json!(2), json!(2)],
                "half of a request's changes is there",
            )?;
        }
    }
    world.holds(1)
}

async fn interim(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut raw = connection(&world).await?;
    let lines = ["expect: 100-continue", "content-length: 4"];
    let head = request("POST", &Script::from([insert("a", 1)]), &lines);
    raw.send(&(head + "\r\n")).await;
    loop {
        let Some(head) = raw.head().await? else {
            return fail("a request with `Expect` was not answered");
        };
        let cookies = head.all(world.config.response_header().as_str()).len();
        if head.status >= 200 {
            same("the status", head.status, 200)?;
            return same("the cookies of the final response", cookies, 1);
        }
        same("the cookies of an interim response", cookies, 0)?;
        raw.send("body").await;
    }
}

async fn trailer(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    let line = world.http()?.line(visitor.token()?);
    let mut raw = connection(&world).await?;
    let announced = format!("trailer: {}", world.config.request_header());
    let lines = ["transfer-encoding: chunked", &announced];
    let head = request("POST", &Script::from([Op::IsNew]), &lines);
    raw.send(&format!("{head}\r\n1\r\nx\r\n0\r\n{line}\r\n\r\n"))
        .await;
    match raw.head().await? {
        Some(head) if head.status == 200 => ensure(
            raw.bytes(6).await? == b"[true]",
            "a token in a trailer led to its session",
        )?,
        // A server may refuse trailers that it does not know.
        Some(head) if (400..500).contains(&head.status) => {}
        _ => return fail("a request with a trailer was not answered"),
    }
    visitor.value("a").await.map(drop)
}

async fn pipelined(context: Context) -> Result<(), Stop> {
    let world = context.world().await?;
    let mut visitors = Vec::new();
    for number in 0..8 {
        visitors.push(world.visitor_with([insert("a", number)]).await?);
    }
    let mut all = String::new();
    for visitor in &visitors {
        let cookie = world.http()?.line(visitor.token()?);
        let script = Script::from([get("a"), increment("n")]);
        all.push_str(&request("GET", &script, &[&cookie]));
        all.push_str("\r\n");
    }
    let mut raw = connection(&world).await?;
    raw.send(&all).await;
    for number in 0..visitors.len() {
        let Some(head) = raw.head().await? else {
            return fail("a pipelined request was not answered");
        };
        same("the status", head.status, 200)?;
        let body = raw.bytes(5).await?;
        let holds = body == format!("[{number},1]").into_bytes();
        ensure(holds, "a pipelined request got another one's answer")?;
    }
    for visitor in &mut visitors {
        same("the increments", visitor.value("n").await?, 1.into())?;
    }
    Ok(())
}

async fn disconnect_in_the_body(context: Context) -> Result<(), Stop> {
    context.require(Ability::Stream)?;
    let world = context.world().await?;
    let http = world.http()?;
    let mut visitor = world.visitor_with([insert("a", 1)]).await?;
    let cookies = [http.pair(visitor.token()?)];
    let script = Script::then(
        [insert("a", 2)],
        [wait("body of nobody"), insert("late", 1)],
    );
    let response = http.open("/stream", &cookies, &script).await?;
    soon("the body", world.stage.reached("body of nobody")).await?;
    drop(response);
    world.stage.open("body of nobody");
    sees(&mut visitor, [get("a"), get("late")], json!([2, null])).await
}
