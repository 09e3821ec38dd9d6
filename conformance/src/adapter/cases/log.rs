//! The log.

use crate::adapter::script::{Op, increment, insert, sign_in};
use crate::adapter::secret_scan;
use crate::adapter::world::Context;
use crate::case::{Stop, checks, ensure};

checks! { Context:
    "adapter/tells-no-secret" => tells_no_secret, ["R11"],
        "OWASP Logging Cheat Sheet, \"Data to exclude\"",
        "no token, key or session value is in a span or an event, at any level, in success or failure";
}

async fn tells_no_secret(context: Context) -> Result<(), Stop> {
    let before = secret_scan::heard();
    let (world, mut visitor) = context.session([insert("cart", "tea")]).await?;
    visitor.send([sign_in("ada"), increment("n")]).await?.ok()?;
    world.control().outage(true);
    // Where the session is in the cookie, the outage does not matter.
    visitor.send([insert("cart", "x")]).await?;
    world.control().reset();
    visitor.send([Op::SignOut]).await?.ok()?;
    secret_scan::check()?;
    // Without a store there may be nothing to log.
    ensure(
        !context.base.stored || secret_scan::heard() > before,
        "nothing was logged: `cloakroom` has no spans here, or the program set a subscriber",
    )
}
