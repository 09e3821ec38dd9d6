use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cloakroom_store::StoreError;

use crate::case::{Stop, checks, ensure, fail};
use crate::store::Ability;
use crate::store::context::{Context, is, key, replaces, seed};
use crate::store::fixture::StoreFuture;

checks! { Context:
    "store/outage-is-an-error" => is_an_error, ["R54", "I8"],
        "cloakroom_store::Store, \"Bounded\" and \"An error means unknown\"; axum_session answers 200 with an empty session",
        "during an outage each operation fails in a bounded time, and never reports a missing record";
    "store/outage-leaves-the-records" => leaves_the_records, ["R54", "R59"],
        "cloakroom_store::Store",
        "after an outage every record is as it was, and the store works without being reopened";
    "store/outage-error-tells-no-secret" => tells_no_secret, ["R11"],
        "cloakroom_store::StoreError; CVE-2023-20866 (Spring Session logged session ids)",
        "an error contains neither key nor value nor subject, nor does any of its causes";
}

const SECRET: &str = "hunter2-hunter2";

async fn is_an_error(context: Context) -> Result<(), Stop> {
    during(&context, |operation, outcome| match outcome {
        Some(Err(_)) => Ok(()),
        Some(Ok(answer)) => fail(format!(
            "during an outage {operation} was answered: {answer}"
        )),
        None => fail(format!(
            "during an outage {operation} did not end in the stated time"
        )),
    })
    .await
}

async fn leaves_the_records(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Outage).await?;
    let (kept, new) = (context.write("kept"), context.write("new"));
    let old = seed(&store, &key("kept"), &kept).await?;
    let limit = context.begin_outage().await?;
    // A first try to read, so that the store notices; no write, which might still happen later.
    let _ = within(limit, store.load(&key("kept"))).await;
    context.end_outage().await?;
    again(|| store.load(&key("kept"))).await?;
    is(&store, &key("kept"), &kept, "a record after an outage").await?;
    replaces(&store, &key("kept"), &old, &new).await?;
    is(&store, &key("kept"), &new, "the new record").await?;
    seed(&store, &key("created"), &context.write("created"))
        .await
        .map(drop)
}

/// Some operations may fail to discover that the connection is gone.
pub(super) async fn again<'a, T>(
    operation: impl Fn() -> StoreFuture<'a, T>,
) -> Result<T, StoreError> {
    for _ in 0..10 {
        if let Ok(answer) = operation().await {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    operation().await
}

async fn tells_no_secret(context: Context) -> Result<(), Stop> {
    during(&context, |operation, outcome| {
        let Some(Err(error)) = outcome else {
            // Another case covers this.
            return Ok(());
        };
        let mut text = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            // Writing to a string does not fail.
            let _ = write!(text, " {error} {error:?}");
            cause = error.source();
        }
        ensure(
            !text.contains(SECRET),
            format!("the error of {operation} contains a key, a value or a subject"),
        )
    })
    .await
}

/// Runs each operation during an outage and passes its result to `check`.
async fn during(
    context: &Context,
    check: impl Fn(&str, Option<Result<String, StoreError>>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let store = context.store_with(Ability::Outage).await?;
    let name = key(SECRET);
    let write = context.write_for(SECRET, SECRET);
    let old = seed(&store, &name, &write).await?;
    let limit = context.begin_outage().await?;
    let new = key(&format!("{SECRET}-new"));
    let mut outcomes = vec![
        ("load", within(limit, store.load(&name)).await),
        ("create", within(limit, store.create(&new, &write)).await),
    ];
    let replace = store.replace(&name, &old, &write);
    outcomes.push(("replace", within(limit, replace).await));
    let touch = store.touch(&name, context.later(60));
    outcomes.push(("touch", within(limit, touch).await));
    outcomes.push(("delete", within(limit, store.delete(&name, &old)).await));
    if context.has(Ability::Directory) {
        outcomes.push(("list", within(limit, store.list(SECRET)).await));
    }
    if context.has(Ability::Sweep) {
        outcomes.push(("sweep", within(limit, store.sweep(10)).await));
    }
    if context.has(Ability::Enumerate) {
        let enumerate = store.enumerate(None, 10);
        outcomes.push(("enumerate", within(limit, enumerate).await));
    }
    context.end_outage().await?;
    outcomes
        .into_iter()
        .try_for_each(|(operation, outcome)| check(operation, outcome))
}

/// Returns the outcome, its answer as text without secrets, or `None` if it did not come in time.
async fn within<T: std::fmt::Debug>(
    limit: Duration,
    operation: StoreFuture<'_, T>,
) -> Option<Result<String, StoreError>> {
    let begin = Instant::now();
    let outcome = tokio::time::timeout(limit + Duration::from_secs(1), operation)
        .await
        .ok()?;
    (begin.elapsed() <= limit).then(|| outcome.map(|answer| format!("{answer:?}")))
}
