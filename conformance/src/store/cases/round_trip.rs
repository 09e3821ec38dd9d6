use cloakroom_store::{UnixTime, Write};

use crate::case::{Stop, checks, same};
use crate::store::context::{Context, absent, ends, found, is, key, seed};

checks! { Context:
    "store/load-missing" => load_missing, ["R54"], "cloakroom_store::Store::load",
        "loading a missing record returns none, not an error";
    "store/round-trip-any-bytes" => any_bytes, ["I12"],
        "cloakroom_store::Store, \"Records are opaque\"",
        "records are opaque: a load returns any sequence of bytes as written, even the empty one";
    "store/round-trip-large" => large, ["I12"], "cloakroom_store::Store, \"Records are opaque\"",
        "a value of the store's stated maximum length survives whole";
    "store/round-trip-expiry" => expiry, ["R26"], "cloakroom_store::Stored::expires_at",
        "a load returns the expiry that was written last";
}

async fn load_missing(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    absent(&store, &key("missing"), "a record that nobody wrote").await?;
    // Asking must not have made one.
    absent(&store, &key("missing"), "a record that was only asked for").await
}

async fn any_bytes(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let every: Vec<u8> = (0..=255).collect();
    let values: [(&str, Vec<u8>); 7] = [
        ("empty", vec![]),
        ("one zero byte", vec![0]),
        ("every byte", every.clone()),
        ("every byte backwards", every.into_iter().rev().collect()),
        ("zero bytes", vec![0; 1024]),
        ("line ends", b"\r\nEND\r\n\r\n".to_vec()),
        ("not UTF-8", vec![0xff, 0xfe, 0xc3, 0x28]),
    ];
    for (index, (what, value)) in values.into_iter().enumerate() {
        let name = key(&format!("bytes-{index}"));
        let write = context.write(value.clone());
        let stored = seed(&store, &name, &write).await?;
        // The same bytes must also come through a replace, and be found equal to themselves by it.
        let longer = context.write([&value[..], b"+"].concat());
        let answer = store.replace(&name, &stored, &longer).await?;
        same(
            &format!("replacing a value ({what})"),
            answer,
            cloakroom_store::Replaced::Stored,
        )?;
        is(&store, &name, &longer, what).await?;
    }
    Ok(())
}

async fn large(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    // No two blocks alike, so that a block lost or moved is seen.
    let value: Vec<u8> = (0u32..)
        .flat_map(u32::to_le_bytes)
        .take(context.max_value())
        .collect();
    seed(&store, &key("large"), &context.write(value))
        .await
        .map(drop)
}

async fn expiry(context: Context) -> Result<(), Stop> {
    let store = context.store().await?;
    let name = key("expiry");
    for (index, seconds) in [60, 61, 86_400].into_iter().enumerate() {
        let name = key(&format!("expiry-{index}"));
        let write = Write::new("value", context.later(seconds), None);
        seed(&store, &name, &write).await?;
    }
    let first = seed(&store, &name, &context.write("first")).await?;
    let second = Write::new("second", context.later(7200), None);
    store.replace(&name, &first, &second).await?;
    is(&store, &name, &second, "the replaced record").await?;
    let touched: UnixTime = context.later(9000);
    store.touch(&name, touched).await?;
    let stored = found(&store, &name, "the touched record").await?;
    ends(&store, "expires_at after a touch", &stored, touched)
}
