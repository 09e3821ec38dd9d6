use cloakroom_store::{Deleted, Replaced, Write};

use crate::case::{Stop, checks, same};
use crate::store::context::{Context, absent, is, key, seed};

checks! { Context:
    "store/delete-removes-the-record", ["R19"],
    "after `Deleted` the record is gone",
    "OWASP ASVS 5.0, 7.4.1" => removes;

    "store/delete-only-what-was-loaded", ["R20", "R53"],
    "a delete of a record that was replaced since is answered `Changed`, and removes nothing",
    "cloakroom_store::Store, \"Compare and swap\"" => only_what_was_loaded;

    "store/delete-gone", ["R24"],
    "a delete where no record is, is answered `Gone`, and may be repeated",
    "cloakroom_store::Store::delete; CVE-2015-5963" => gone;

    "store/delete-of-expired-is-gone", ["R14"],
    "an expired record counts as gone for a delete",
    "cloakroom_store::Store, \"Expired is absent\"" => expired;
}

async fn removes(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let (name, other) = (key("deleted"), key("deleted-not"));
    let stored = seed(&store, &name, &context.write("value")).await?;
    let bystander = context.write("value");
    seed(&store, &other, &bystander).await?;
    same(
        "deleting the record as loaded",
        store.delete(&name, &stored).await?,
        Deleted::Deleted,
    )?;
    absent(&store, &name, "the deleted record").await?;
    is(&store, &other, &bystander, "the record beside it").await
}

async fn only_what_was_loaded(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("changed");
    let first = seed(&store, &name, &context.write("first")).await?;
    let second = context.write("second");
    same(
        "replacing the record as loaded",
        store.replace(&name, &first, &second).await?,
        Replaced::Stored,
    )?;
    same(
        "deleting from a stale load",
        store.delete(&name, &first).await?,
        Deleted::Changed,
    )?;
    is(&store, &name, &second, "the record after a refused delete").await
}

async fn gone(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("gone");
    let stored = seed(&store, &name, &context.write("value")).await?;
    store.delete(&name, &stored).await?;
    for _ in 0..2 {
        same(
            "deleting a deleted record",
            store.delete(&name, &stored).await?,
            Deleted::Gone,
        )?;
    }
    same(
        "deleting a record that never was",
        store.delete(&key("never"), &stored).await?,
        Deleted::Gone,
    )
}

async fn expired(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("expired");
    let end = context.soon();
    let stored = seed(&store, &name, &Write::new("value", end, None)).await?;
    context.reach(end).await;
    same(
        "deleting an expired record",
        store.delete(&name, &stored).await?,
        Deleted::Gone,
    )
}
