use cloakroom_store::Key;

use crate::case::{Stop, checks};
use crate::store::context::{Context, absent, checked_key, deletes, found, is, seed, touches};

checks! { Context:
    "store/keys-are-opaque" => opaque, ["R58"],
        "OWASP ASVS 5.0, 1.2 (injection); CWE-22, CWE-89, CWE-943",
        "a key of any characters names one record and nothing else: no file, no pattern, no command";
    "store/keys-differ-in-case" => case, ["R04", "R58"],
        "RFC 4648, section 5 (base64url tells cases apart)",
        "keys that differ only in the case of a letter are two records";
    "store/keys-are-whole" => whole, ["R58"], "cloakroom_store::Key::MAX_LEN",
        "a key that begins like another, or has the maximum length, is a record of its own";
}

/// Paths, names of devices and files, options, commands, patterns, formats, SQL, queries of
/// databases, separators, markup, ends of lines, names and values of languages.
const HOSTILE: [&str; 4] = [
    "../../etc/passwd .. . / // /etc/passwd a/b a\\b C:\\NUL NUL con -rf --help ~ $HOME $(id) `id`",
    "a;b a|b a&b a>b * ? [a-z] a* a? {a,b} % %% %s%n %2e%2e%2f %00 a% _ a_ a__ ' \" '-- 'OR'1'='1",
    "\\' ';DROP $ne {\"$ne\":null} a.b a.$b $where # a#b a:b a::b : a=b a,b <a> &amp; ! @ ^ ( ) +",
    "\\r\\n \\0 __proto__ null undefined true 0 -1 .lock .tmp a.lock a.tmp a~ index",
];

async fn opaque(context: Context) -> Result<(), Stop> {
    let printable: String = ('!'..='~').collect();
    let texts = HOSTILE.iter().flat_map(|texts| texts.split(' '));
    let mut texts: Vec<String> = texts.map(String::from).collect();
    // Every printable character by itself between letters, and all of them together.
    texts.extend(printable.chars().map(|c| format!("x{c}y")));
    texts.push(printable);
    let store = context.store().await?;
    let mut seeded = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let (key, write) = (checked_key(text), context.write(format!("value {index}")));
        // One at a time, each after all earlier ones: a key that reaches another's record finds it
        // taken.
        seeded.push((seed(&store, &key, &write).await?, key, write));
    }
    for (_, key, write) in &seeded {
        is(&store, key, write, "a record under a hostile key").await?;
    }
    for (index, (_, key, _)) in seeded.iter().enumerate() {
        touches(&store, key, context.later(60)).await?;
        let stored = found(&store, key, "a touched record under a hostile key").await?;
        deletes(&store, key, &stored).await?;
        absent(&store, key, "a deleted record under a hostile key").await?;
        if let Some((_, key, write)) = seeded.get(index + 1) {
            is(&store, key, write, "the record under the next hostile key").await?;
        }
    }
    Ok(())
}

async fn case(context: Context) -> Result<(), Stop> {
    let keys = ["Session:aBc", "session:aBc", "Session:abc", "SESSION:ABC"];
    different(&context, keys).await
}

async fn whole(context: Context) -> Result<(), Stop> {
    let longest = "k".repeat(Key::MAX_LEN);
    let mut other_end = longest.clone();
    other_end.replace_range(Key::MAX_LEN - 1.., "l");
    let [rest, longest, other_end] = [&longest[1..], &longest, &other_end];
    let begin = ["s", "session", "session:", "session:a", "session:ab"];
    let keys = begin.into_iter().chain([rest, longest, other_end]);
    different(&context, keys).await
}

/// Each key is a record of its own: writing and deleting one leaves the others.
async fn different<'k>(
    context: &Context,
    keys: impl IntoIterator<Item = &'k str>,
) -> Result<(), Stop> {
    let keys: Vec<_> = keys.into_iter().map(checked_key).collect();
    let store = context.store().await?;
    let mut seeded = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let write = context.write(format!("value {index}"));
        seeded.push((seed(&store, key, &write).await?, key, write));
    }
    while let Some((stored, key, _)) = seeded.pop() {
        deletes(&store, key, &stored).await?;
        absent(&store, key, "the deleted record").await?;
        for (_, key, write) in &seeded {
            is(&store, key, write, "the record under a similar key").await?;
        }
    }
    Ok(())
}
