use std::collections::BTreeSet;

use cloakroom_store::{Deleted, Replaced, Write};

use crate::case::{Stop, checks, ensure, fail, same};
use crate::store::Ability;
use crate::store::context::{Context, deletes, found, holds, key, replaces, seed};
use crate::store::handle::Handle;
use crate::store::race::{POLLS, overtake};

checks! { Context:
    "store/directory-lists-the-subjects-records" => lists, ["R21"],
        "cloakroom_store::Directory::list; OWASP ASVS 5.0, 7.5.2",
        "a list has each living record of the subject, as a load returns it, and no other";
    "store/directory-lists-some" => lists_some, ["R21", "R94"],
        "cloakroom_store::Directory::list_some",
        "a bounded list has as many living records of the subject as it may, all of them different, and all if there are fewer";
    "store/directory-follows-writes" => follows, ["R21"],
        "cloakroom_store::Directory::list, \"whose last write named this subject\"",
        "a replace moves a record from one subject to another or to none; a delete takes it off the list; a touch leaves it there";
    "store/directory-hides-expired" => hides_expired, ["R14", "R21"],
        "cloakroom_store::Store, \"Expired is absent\"",
        "an expired record is not listed";
    "store/directory-lists-at-once" => at_once, ["R21", "R61"], "cloakroom_store::Directory::list",
        "a record is listed as soon as its create or replace returns, even by another handle";
    "store/directory-moves-in-one-step" => one_step, ["R55", "R21"],
        "cloakroom_store::Store, \"Value, expiry and subject are written in one step\"",
        "value and subject change in one step: no list shows one subject the value of another";
    "store/directory-revokes-as-listed" => revokes, ["R21"],
        "cloakroom_store::Directory::list; OWASP ASVS 5.0, 7.4.2",
        "a listed record can be deleted as it was listed, unless it was replaced since";
    "store/directory-subjects-are-opaque" => opaque, ["R58", "R21"],
        "OWASP ASVS 5.0, 1.2 (injection); CWE-89",
        "a subject of any characters is only itself: no pattern, no command, no other case";
}

/// Returns the names of the suite's keys that are listed, sorted.
async fn listed(store: &Handle, subject: &str) -> Result<Vec<String>, Stop> {
    let got = store.list(subject).await?;
    let mut names: Vec<_> = got.iter().map(|(key, _)| key.as_str().to_owned()).collect();
    names.sort();
    Ok(names)
}

/// Fails unless exactly these keys are listed. Keys of the suite are no secrets.
async fn lists_only(store: &Handle, subject: &str, names: &[&str], when: &str) -> Result<(), Stop> {
    let names: Vec<_> = names
        .iter()
        .map(|name| key(name).as_str().to_owned())
        .collect();
    let answer = listed(store, subject).await?;
    same(&format!("the list {when}"), answer, names)
}

async fn lists(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Directory).await?;
    lists_only(&store, "ada", &[], "of a subject without records").await?;
    let names: Vec<_> = (0..20).map(|index| format!("ada-{index:02}")).collect();
    for name in &names {
        seed(&store, &key(name), &context.write_for(name.as_str(), "ada")).await?;
    }
    seed(&store, &key("bob"), &context.write_for("bob", "bob")).await?;
    seed(&store, &key("nobody"), &context.write("nobody")).await?;
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    lists_only(&store, "ada", &all, "of a subject with 20 records").await?;
    lists_only(&store, "bob", &["bob"], "of a subject with one record").await?;
    for (key, listed) in store.list("ada").await? {
        let loaded = found(&store, &key, "a listed record").await?;
        let holds = loaded == listed;
        ensure(holds, "a record is listed otherwise than it is loaded")?;
    }
    Ok(())
}

async fn lists_some(context: Context) -> Result<(), Stop> {
    context.require(Ability::Directory)?;
    let store = context.store().await?;
    let names: Vec<_> = (0..100).map(|index| format!("many-{index:02}")).collect();
    for name in &names {
        seed(&store, &key(name), &context.write_for(name.as_str(), "ada")).await?;
    }
    seed(&store, &key("bob"), &context.write_for("bob", "bob")).await?;
    // Records that were the subject's and are no more, in a list that follows writes late too.
    for name in &names[..30] {
        let old = found(&store, &key(name), "the record").await?;
        let write = context.write_for("moved", "bob");
        let replaced = store.replace(&key(name), &old, &write).await?;
        same("replacing the record as loaded", replaced, Replaced::Stored)?;
    }
    let all = listed(&store, "ada").await?;
    for limit in [0, 1, 7, 69, 70, 71, 1_000] {
        let some = store.list_some("ada", limit).await?;
        let names = some.iter().map(|(key, _)| key.as_str().to_owned());
        let some: BTreeSet<_> = names.collect();
        let (what, wanted) = (format!("a list of at most {limit}"), limit.min(70));
        same(&what, some.len(), wanted)?;
        let holds = some.iter().all(|name| all.contains(name));
        ensure(holds, "a bounded list has a record that no whole list has")?;
    }
    Ok(())
}

async fn follows(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Directory).await?;
    let name = key("moves");
    seed(&store, &name, &context.write_for("0", "ada")).await?;
    let steps: [(&str, Option<&str>); 6] = [
        ("1", Some("ada")),
        ("2", Some("bob")),
        ("3", None),
        ("4", Some("ada")),
        ("5", None),
        ("6", Some("bob")),
    ];
    for (bytes, subject) in steps {
        let old = found(&store, &name, "the record").await?;
        let write = match subject {
            Some(subject) => context.write_for(bytes, subject),
            None => context.write(bytes),
        };
        replaces(&store, &name, &old, &write).await?;
        for other in ["ada", "bob"] {
            let names: &[&str] = if subject == Some(other) {
                &["moves"]
            } else {
                &[]
            };
            lists_only(&store, other, names, "after a replace").await?;
        }
    }
    store.touch(&name, context.later(60)).await?;
    lists_only(&store, "bob", &["moves"], "after a touch").await?;
    let old = found(&store, &name, "the record").await?;
    let stale = cloakroom_store::Stored::new("5", old.expires_at, old.version.wrapping_add(1));
    let refused = store
        .replace(&name, &stale, &context.write_for("7", "ada"))
        .await?;
    same("replacing from a stale load", refused, Replaced::Changed)?;
    lists_only(&store, "bob", &["moves"], "after a refused replace").await?;
    lists_only(&store, "ada", &[], "after a refused replace").await?;
    store.create(&name, &context.write_for("8", "ada")).await?;
    lists_only(&store, "ada", &[], "after a refused create").await?;
    deletes(&store, &name, &old).await?;
    lists_only(&store, "bob", &[], "after a delete").await
}

async fn hides_expired(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Directory).await?;
    let end = context.soon();
    let short = Write::new("short", end, Some("ada".into()));
    seed(&store, &key("short"), &short).await?;
    seed(&store, &key("long"), &context.write_for("long", "ada")).await?;
    seed(&store, &key("touched"), &short).await?;
    store.touch(&key("touched"), context.later(3600)).await?;
    if context.just_before(end) {
        lists_only(
            &store,
            "ada",
            &["long", "short", "touched"],
            "before an expiry",
        )
        .await?;
    }
    context.reach(end).await;
    lists_only(&store, "ada", &["long", "touched"], "after an expiry").await?;
    // The same key, created again, belongs to the new record's subject.
    store
        .create(&key("short"), &context.write_for("again", "bob"))
        .await?;
    lists_only(
        &store,
        "ada",
        &["long", "touched"],
        "after another's create",
    )
    .await?;
    lists_only(
        &store,
        "bob",
        &["short"],
        "after a create over an expired record",
    )
    .await
}

async fn at_once(context: Context) -> Result<(), Stop> {
    let [one, other] = context.pair_with(Ability::Directory).await?;
    for (index, (here, there)) in [(&one, &other), (&other, &one)].into_iter().enumerate() {
        let (name, subject) = (format!("new-{index}"), format!("ada-{index}"));
        lists_only(there, &subject, &[], "before a create").await?;
        let write = context.write_for("value", &subject);
        here.create(&key(&name), &write).await?;
        lists_only(there, &subject, &[&name], "after the other handle's create").await?;
        let old = found(there, &key(&name), "the record").await?;
        here.replace(&key(&name), &old, &context.write_for("moved", "bob"))
            .await?;
        lists_only(there, &subject, &[], "after the other handle's replace").await?;
        lists_only(there, "bob", &[&name], "after the other handle's replace").await?;
        let old = found(there, &key(&name), "the record").await?;
        here.delete(&key(&name), &old).await?;
        lists_only(there, "bob", &[], "after the other handle's delete").await?;
    }
    Ok(())
}

async fn one_step(context: Context) -> Result<(), Stop> {
    let [writer, reader] = context.pair_with(Ability::Directory).await?;
    let name = key("moves");
    let writes = ["ada", "bob"].map(|subject| context.write_for(subject, subject));
    let mut old = seed(&writer, &name, &writes[0]).await?;
    for polls in 0..POLLS {
        let mut moving = false;
        // Each list while another move is interrupted.
        for (step, subject) in ["ada", "bob"].into_iter().enumerate() {
            let next = &writes[(step + 1) % 2];
            let (replaced, records, in_flight) = overtake(
                writer.replace(&name, &old, next),
                polls,
                reader.list(subject),
            )
            .await;
            same("replacing as loaded", replaced?, Replaced::Stored)?;
            for (_, stored) in records? {
                let holds = stored.bytes == subject.as_bytes();
                ensure(holds, "a list showed a subject the record of another")?;
            }
            old = found(&writer, &name, "the moved record").await?;
            moving |= in_flight;
        }
        if !moving && polls > 0 {
            break;
        }
    }
    Ok(())
}

async fn revokes(context: Context) -> Result<(), Stop> {
    let store = context.store_with(Ability::Directory).await?;
    for name in ["one", "two", "three"] {
        seed(&store, &key(name), &context.write_for(name, "ada")).await?;
    }
    let records = store.list("ada").await?;
    let changed = context.write_for("changed", "ada");
    for (name, stored) in &records {
        if *name == key("two") {
            store.replace(name, stored, &changed).await?;
            let deleted = store.delete(name, stored).await?;
            same("deleting from a stale list", deleted, Deleted::Changed)?;
        } else {
            deletes(&store, name, stored).await?;
        }
    }
    lists_only(&store, "ada", &["two"], "after revoking the others").await?;
    match &store.list("ada").await?[..] {
        [(_, stored)] => holds(&store, stored, &changed, "the record that was kept"),
        _ => fail("the record that was kept is not listed"),
    }
}

/// Subjects that are almost equal, patterns, SQL, queries of databases, paths, separators, values
/// of languages, characters that some systems take for another or do not show.
const HOSTILE: [&str; 3] = [
    "ada Ada ADA ad ada\0 \0 ada\n ada\t a% % _da a_a * a* ?da [a]da ' '' ada'-- \" \\ ada\\ `ada`",
    "$ne {\"$ne\":null} a.b a:b a/b ../ada .. . / a,b a;b null NULL 0 é e\u{301} É ß ss ı I i 日本語",
    "🧥 \u{202e}ada \u{feff}ada \u{10ffff}",
];

async fn opaque(context: Context) -> Result<(), Stop> {
    context.require(Ability::Directory)?;
    let long = "s".repeat(1024);
    // The longest that a session may have, told apart by the last character only, by its case, by
    // an accent or by its place.
    let longest = ["日", "é", "É", "e", "\u{10ffff}"].map(|last| {
        let rest = 1_024 - last.len();
        format!("{}{}{last}", "ü".repeat(rest / 2), "x".repeat(rest % 2))
    });
    let mut subjects = ["", " ", "  ", "ada ", " ada", "ada\r\nDEL x", "' OR '1'='1"].to_vec();
    subjects.extend(HOSTILE.iter().flat_map(|subjects| subjects.split(' ')));
    subjects.extend([&*long, &long[1..]]);
    subjects.extend(longest.iter().map(String::as_str));
    let store = context.store().await?;
    for (index, subject) in subjects.iter().enumerate() {
        let name = format!("subject-{index}");
        seed(
            &store,
            &key(&name),
            &context.write_for(name.as_str(), subject),
        )
        .await?;
    }
    seed(&store, &key("nobody"), &context.write("nobody's")).await?;
    for (index, subject) in subjects.iter().enumerate() {
        let names = [&*format!("subject-{index}")];
        lists_only(
            &store,
            subject,
            &names,
            &format!("of hostile subject {index}"),
        )
        .await?;
    }
    lists_only(&store, "subject", &[], "of a subject that has no record").await
}
