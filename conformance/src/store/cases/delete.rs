use cloakroom_store::Deleted;

use crate::case::{Stop, checks, same};
use crate::store::context::{Context, absent, deletes, is, key, replaces, seed};

checks! { Context:
    "store/delete-removes-the-record" => removes, ["R19"], "OWASP ASVS 5.0, 7.4.1",
        "after `Deleted` the record is gone";
    "store/delete-only-what-was-loaded" => only_the_loaded_record, ["R20", "R53"],
        "cloakroom_store::Store, \"Compare and swap\"",
        "a delete of a record that was replaced since returns `Changed`, and removes nothing";
    "store/delete-gone" => gone, ["R24"], "cloakroom_store::Store::delete; CVE-2015-5963",
        "a delete without a record returns `Gone`, and may be repeated";
    "store/delete-of-expired-is-gone" => expired, ["R14"],
        "cloakroom_store::Store, \"Expired is absent\"",
        "an expired record counts as gone for a delete";
}

async fn removes(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let (name, other) = (key("deleted"), key("deleted-not"));
    let stored = seed(&store, &name, &context.write("value")).await?;
    let bystander = context.write("value");
    seed(&store, &other, &bystander).await?;
    deletes(&store, &name, &stored).await?;
    absent(&store, &name, "the deleted record").await?;
    is(&store, &other, &bystander, "the record beside it").await
}

async fn only_the_loaded_record(context: Context) -> Result<(), Stop> {
    let (store, name, first) = context.seeded("changed", "first").await?;
    let second = context.write("second");
    replaces(&store, &name, &first, &second).await?;
    let answer = store.delete(&name, &first).await?;
    same("deleting from a stale load", answer, Deleted::Changed)?;
    is(&store, &name, &second, "the record after a refused delete").await
}

async fn gone(context: Context) -> Result<(), Stop> {
    let (store, name, stored) = context.seeded("gone", "value").await?;
    store.delete(&name, &stored).await?;
    for _ in 0..2 {
        let answer = store.delete(&name, &stored).await?;
        same("deleting a deleted record", answer, Deleted::Gone)?;
    }
    let answer = store.delete(&key("never"), &stored).await?;
    same("deleting a record that never was", answer, Deleted::Gone)
}

async fn expired(context: Context) -> Result<(), Stop> {
    let (store, name, stored) = context.expired().await?;
    let answer = store.delete(&name, &stored).await?;
    same("deleting an expired record", answer, Deleted::Gone)
}
