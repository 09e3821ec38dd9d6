//! Records that this library did not write, or not like this.

use cloakroom_store::{Replaced, Store as _, Stored, Write};

use crate::adapter::script::{Op, get, insert, sign_in};
use crate::adapter::world::{Context, Visitor, World};
use crate::case::{Stop, checks, ensure, fail, same};

checks! { Context:
    "adapter/damaged-record-is-left-alone" => damaged, ["R52", "R51", "I9", "I12"], invariant 9,
        "each request for an unreadable record fails visibly, and the record stays as it is";
    "adapter/newer-record-is-left-alone" => newer, ["R52", "I9"], invariant 9,
        "each request for a record of a newer version fails visibly, and the record stays as it is";
}

async fn damaged(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context
        .session([insert("a", "value"), insert("b", 1)])
        .await?;
    let whole = record(&world, &visitor).await?.bytes;
    let mut damages = vec![
        Vec::new(),
        b"garbage".to_vec(),
        vec![0xff; 64],
        // An array that claims 2^64 - 1 elements, and nested ones.
        [&[0x9b][..], &[0xff; 8]].concat(),
        vec![0x81; 100_000],
        [&whole[..], &[0]].concat(),
    ];
    damages.extend((1..whole.len()).step_by(7).map(|at| whole[..at].to_vec()));
    for damage in damages {
        left_alone(&world, &visitor, damage).await?;
    }
    // Any flipped bit: a value may change, but nothing breaks.
    for bit in (0..whole.len() * 8).step_by(13) {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        put(&world, &visitor, &bytes).await?;
        world.control().reset();
        visitor.clone().send([Op::Keys]).await?;
        let few = world.calls().len() <= 2;
        ensure(few, "a damaged record is loaded again and again")?;
    }
    Ok(())
}

async fn newer(context: Context) -> Result<(), Stop> {
    let (world, visitor) = context.session([insert("a", 1)]).await?;
    let mut bytes = record(&world, &visitor).await?.bytes.to_vec();
    // An array's head, and the version as its first element.
    bytes[1] = 23;
    left_alone(&world, &visitor, bytes).await
}

async fn left_alone(world: &World, visitor: &Visitor, bytes: Vec<u8>) -> Result<(), Stop> {
    put(world, visitor, &bytes).await?;
    world.control().reset();
    for ops in [
        vec![get("a")],
        vec![insert("a", 2)],
        vec![sign_in("ada")],
        vec![Op::SignOut],
    ] {
        let got = visitor.clone().send(ops).await?;
        got.failed("a request whose record cannot be read")?;
        world.called("a request whose record cannot be read", &["load: found"])?;
    }
    let holds = record(world, visitor).await?.bytes == bytes;
    ensure(holds, "a record that cannot be read was overwritten")?;
    world.holds(1)
}

async fn record(world: &World, visitor: &Visitor) -> Result<Stored, Stop> {
    match world
        .store
        .get_ref()
        .load(&world.key(visitor.token()?)?)
        .await?
    {
        Some(stored) => Ok(stored),
        None => fail("the session has no record"),
    }
}

async fn put(world: &World, visitor: &Visitor, bytes: &[u8]) -> Result<(), Stop> {
    let old = record(world, visitor).await?;
    let write = Write::new(bytes.to_vec(), old.expires_at, None);
    let key = world.key(visitor.token()?)?;
    let placed = world.store.get_ref().replace(&key, &old, &write).await?;
    same("placing a record", placed, Replaced::Stored)
}
