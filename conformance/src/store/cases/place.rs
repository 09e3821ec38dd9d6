use crate::case::{Stop, checks, ensure};
use crate::store::context::Context;

checks! { Context:
    "store/place-is-one" => is_one, ["R11"], "cloakroom_store::Store::place",
        "two handles on the same records return equal places, whose `Debug` form has nothing but the store's kind";
}

async fn is_one(context: Context) -> Result<(), Stop> {
    let [one, other] = context.pair().await?;
    let [one, other] = [one.place(), other.place()];
    ensure(
        one.is_none() || other.is_none() || one == other,
        "two handles on the same records return different places",
    )?;
    let Some(place) = one else { return Ok(()) };
    ensure(
        format!("{place:?}") == format!("Place({:?}, ..)", place.store()),
        "the place shows more than the kind of the store",
    )
}
