use crate::case::{Stop, checks, ensure};
use crate::store::context::Context;

checks! { Context:
    "store/place-is-one" => is_one, ["R11"], "cloakroom_store::Store::place",
        "two handles on the same records return equal places, whose `Debug` form has nothing but the store's kind";
}

async fn is_one(context: Context) -> Result<(), Stop> {
    let [one, other] = context.pair().await?;
    let [one, other] = [one.place(), other.place()];
    let holds = one.is_none() || other.is_none() || one == other;
    ensure(holds, "two handles on one place return different places")?;
    let Some(place) = one else { return Ok(()) };
    let holds = format!("{place:?}") == format!("Place({:?}, ..)", place.store());
    ensure(holds, "the place shows more than the kind of the store")
}
