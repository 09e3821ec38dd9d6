//! Responses to failures.

use crate::adapter::script::{Op, header, insert, sign_in};
use crate::adapter::world::{Context, World};
use crate::adapter::{Ability, App};
use crate::case::{Stop, checks, ensure};
use crate::instrumented::Operation;

checks! { Context:
    "adapter/load-failure-is-answered" => load_failure, ["I8", "R54"], "RFC 9110, section 15.6.4",
        "if the session cannot be loaded, the handler does not run and the status is that of an outage";
    "adapter/error-page-of-the-application" => error_page, ["I8"], invariant 8,
        "if the changes cannot be saved, the client gets the application's error page and nothing of the handler's response";
    "adapter/error-page-by-default" => by_default, ["I8"], "RFC 9110, section 15.6.4",
        "if the changes cannot be saved and the application has no error page, the status is that of an outage";
}

async fn load_failure(context: Context) -> Result<(), Stop> {
    let (world, mut visitor) = context.session([insert("a", 1)]).await?;
    world.control().outage(true);
    let got = visitor.send([header("x-handler", "ran")]).await?;
    let head = got.head()?;
    head.is(503)?;
    let holds = head.all("x-handler").is_empty();
    ensure(holds, "the handler ran without the session that it wants")?;
    got.failed("a request in an outage")
}

async fn error_page(context: Context) -> Result<(), Stop> {
    context.require(Ability::ErrorPage)?;
    let world = context.world().await?;
    for op in [insert("a", 2), sign_in("ada"), Op::SignOut] {
        let got = failing(&world, "/script", op).await?;
        let holds = got.headers().contains_key(App::PAGE);
        ensure(holds, "the application's error page was not asked for")?;
    }
    Ok(())
}

async fn by_default(context: Context) -> Result<(), Stop> {
    context.require(Ability::Second)?;
    let world = context.world().await?;
    for op in [insert("a", 2), sign_in("ada")] {
        failing(&world, "/second", op).await?;
    }
    Ok(())
}

/// A request whose commit fails; the response to it, of which nothing may be the handler's.
async fn failing(world: &World, path: &str, op: Op) -> Result<reqwest::Response, Stop> {
    let visitor = world.visitor_with([insert("a", 1)]).await?;
    let http = world.http()?;
    let cookies = [http.pair(visitor.token()?)];
    for operation in [Operation::Create, Operation::Replace, Operation::Delete] {
        world.control().on(operation).fail_permanently();
    }
    let script = vec![
        op,
        Op::Status(201),
        header("x-handler", "ran"),
        header("set-cookie", "handler=ran"),
    ]
    .into();
    let response = http.open(path, &cookies, &script).await?;
    world.control().reset();
    ensure(
        response.status() == 503,
        format!(
            "the status of a commit that failed is {}",
            response.status()
        ),
    )?;
    for name in ["x-handler", "set-cookie"] {
        ensure(
            !response.headers().contains_key(name),
            format!("the handler's {name} line is in the response to a commit that failed"),
        )?;
    }
    Ok(response)
}
