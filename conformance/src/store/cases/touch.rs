use cloakroom_store::{Deleted, Replaced, Touched, Write};

use crate::case::{Stop, checks, ensure, same};
use crate::store::context::{Context, absent, found, is, key, seed, touches};
use crate::store::race::{POLLS, overtake};

checks! { Context:
    "store/touch-sets-only-the-expiry" => only_the_expiry, ["R56"], "cloakroom_store::Store::touch",
        "a touch sets the expiry, later or earlier, and leaves the bytes";
    "store/touch-disturbs-no-replace" => disturbs_no_replace, ["R56", "I2"],
        "cloakroom_store::Store, \"touch never changes what they compare\"",
        "a touch changes nothing that replace and delete compare: a read-only request disturbs no writer";
    "store/touch-gone-writes-nothing" => gone, ["R20", "I4"],
        "CVE-2025-46336; OWASP ASVS 5.0, 7.4.1",
        "a touch without a record creates none";
    "store/touch-of-expired-is-gone" => expired, ["R12", "R14"],
        "cloakroom_store::Store, \"Expired is absent\"; OWASP ASVS 5.0, 7.3.1",
        "an expired record cannot be touched back to life";
    "store/touch-in-flight-undoes-no-replace" => undoes_no_replace, ["R53", "I3"],
        "cloakroom_store::Store::touch, \"and nothing else of it\"; flask-session#202",
        "a touch that meets a replace undoes nothing of it but, at most, its expiry";
    "store/touch-in-flight-revives-nothing" => revives_nothing, ["R20", "I4"],
        "CVE-2025-46336; OWASP ASVS 5.0, 7.4.1",
        "a touch that meets a delete does not bring the record back";
}

async fn only_the_expiry(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("touch");
    seed(&store, &name, &context.write("value")).await?;
    for seconds in [7200, 60, 3600] {
        let touched = Write::new("value", context.later(seconds), None);
        touches(&store, &name, touched.expires_at).await?;
        is(&store, &name, &touched, "the touched record").await?;
    }
    Ok(())
}

async fn disturbs_no_replace(context: Context) -> Result<(), Stop> {
    let (store, name, before) = context.seeded("touched", "first").await?;
    store.touch(&name, context.later(7200)).await?;
    let second = context.write("second");
    let answer = store.replace(&name, &before, &second).await?;
    same("replacing across a touch", answer, Replaced::Stored)?;
    is(&store, &name, &second, "the new record").await?;
    let before = found(&store, &name, "the new record").await?;
    store.touch(&name, context.later(7200)).await?;
    let answer = store.delete(&name, &before).await?;
    same("deleting across a touch", answer, Deleted::Deleted)
}

async fn gone(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("gone");
    let touched = store.touch(&name, context.later(60)).await?;
    same("touching a record that never was", touched, Touched::Gone)?;
    absent(&store, &name, "a record that was only touched").await?;
    let stored = seed(&store, &name, &context.write("value")).await?;
    store.delete(&name, &stored).await?;
    let touched = store.touch(&name, context.later(60)).await?;
    same("touching a deleted record", touched, Touched::Gone)?;
    absent(&store, &name, "the deleted record").await
}

async fn expired(context: Context) -> Result<(), Stop> {
    let (store, name, _) = context.expired().await?;
    let touched = store.touch(&name, context.later(60)).await?;
    same("touching an expired record", touched, Touched::Gone)?;
    absent(&store, &name, "the expired record").await
}

async fn undoes_no_replace(context: Context) -> Result<(), Stop> {
    let [toucher, writer] = context.pair().await?;
    for polls in 0..POLLS {
        let name = key(&format!("replaced-{polls}"));
        let old = seed(&writer, &name, &context.write("first")).await?;
        let (second, end) = (context.write("second"), context.later(60));
        let (touched, replaced, in_flight) = overtake(
            toucher.touch(&name, end),
            polls,
            writer.replace(&name, &old, &second),
        )
        .await;
        same("a touch that met a replace", touched?, Touched::Extended)?;
        same("a replace that met a touch", replaced?, Replaced::Stored)?;
        let stored = found(&writer, &name, "the new record").await?;
        let holds = stored.bytes == second.bytes;
        ensure(holds, "a touch that met a replace revived the old value")?;
        ensure(
            writer.may_end(stored.expires_at, second.expires_at)
                || writer.may_end(stored.expires_at, end),
            "a touch that met a replace left an expiry that nobody wrote",
        )?;
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}

async fn revives_nothing(context: Context) -> Result<(), Stop> {
    let [toucher, deleter] = context.pair().await?;
    for polls in 0..POLLS {
        let name = key(&format!("deleted-{polls}"));
        let old = seed(&deleter, &name, &context.write("value")).await?;
        let (touched, deleted, in_flight) = overtake(
            toucher.touch(&name, context.later(60)),
            polls,
            deleter.delete(&name, &old),
        )
        .await;
        touched?;
        same("a delete that met a touch", deleted?, Deleted::Deleted)?;
        absent(&deleter, &name, "a record deleted while it was touched").await?;
        if !in_flight && polls > 0 {
            break;
        }
    }
    Ok(())
}
