use std::sync::Arc;

use tokio::task::JoinSet;

use super::Case;
use super::shop::{Ground, Told};
use crate::program::{Failure, fail, same};
use crate::proxy::Mode;

/// `"id", ["R01", ..], "sentence", "source" => function;`
macro_rules! cases {
    ($($id:literal, [$($requirement:literal),*], $sentence:literal, $source:literal => $case:ident;)+) => {
        pub(super) const ALL: &[Case] = &[$(Case {
            id: $id,
            requirements: &[$($requirement),*],
            sentence: $sentence,
            source: $source,
            run: |ground, name| Box::pin($case(ground, name)),
        }),+];
    };
}

cases! {
    "services/one-session-for-both", ["R61", "R06"], "what is put into the cart at one service is there after a sign-in at the other, whose new token counts at both", "ASVS 5.0, 7.2.4" => one_session;
    "services/old-token-is-told-so", ["R06", "I7"], "with the old token a service reads the old data, writes nothing, and says each time that there is a newer one", "cloakroom::Outcome::superseded" => old_token;
    "services/sign-out-at-one-ends-it-at-the-other", ["R61", "R20", "I4"], "after a sign-out at one service the token leads nowhere at the other, and is not adopted", "ASVS 5.0, 7.4.1" => sign_out;
    "services/nobodys-token", ["R02", "R03", "I5"], "a token that nobody issued is no error, and is not adopted", "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"" => nobodys_token;
    "services/no-update-is-lost", ["R53", "I3"], "40 clients' requests at once, to two processes of one service, and a sign-in among them: what was done is in the cart, what was refused is not", "invariant 3" => no_update_is_lost;
    "services/killed-process", ["R61"], "a process that is killed takes no session with it: the next one goes on", "README, \"Without HTTP\"" => killed;
    "services/outage", ["R54", "I8"], "while Redis cannot be reached every request is refused, with nothing said of the token; then the session is there again", "invariant 8" => outage;
    "services/what-is-no-request", ["R39", "I12"], "what is no request is refused, and the service goes on", "invariant 12" => no_request;
}

async fn one_session(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _services = [shop.start("account").await?, shop.start("cart").await?];
    let mut client = shop.client();
    client.hears("cart.list", "", "", Told::Nothing).await?;
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    let anonymous = client.token.clone();
    client
        .hears("account.who", "", "a stranger", Told::Nothing)
        .await?;
    client
        .hears("account.sign-in", "ada", "ada", Told::Keep)
        .await?;
    same("the same token", client.token == anonymous, false)?;
    client.hears("cart.list", "", "tea", Told::Nothing).await?;
    client
        .hears("cart.add", "cake", "tea, cake", Told::Nothing)
        .await?;
    client.hears("account.who", "", "ada", Told::Nothing).await
}

async fn old_token(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _services = [shop.start("account").await?, shop.start("cart").await?];
    let mut client = shop.client();
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    let mut old = client.clone();
    client
        .hears("account.sign-in", "ada", "ada", Told::Keep)
        .await?;
    for _ in 0..2 {
        old.hears("account.who", "", "a stranger", Told::Stale)
            .await?;
        old.hears("cart.list", "", "tea", Told::Stale).await?;
        old.is_refused("cart.add", "poison", "409", Told::Stale)
            .await?;
    }
    client.hears("cart.list", "", "tea", Told::Nothing).await
}

async fn sign_out(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _services = [shop.start("account").await?, shop.start("cart").await?];
    let mut client = shop.client();
    client
        .hears("account.sign-in", "ada", "ada", Told::Keep)
        .await?;
    client
        .hears("cart.add", "tea", "tea", Told::Nothing)
        .await?;
    let mut other = client.clone();
    client
        .hears("account.sign-out", "", "", Told::Forget)
        .await?;
    other.hears("cart.list", "", "", Told::Nothing).await?;
    other
        .hears("account.who", "", "a stranger", Told::Nothing)
        .await?;
    let ended = other.token.clone();
    other.hears("cart.add", "cake", "cake", Told::Keep).await?;
    same("the ended token again", other.token == ended, false)
}

async fn nobodys_token(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _service = shop.start("cart").await?;
    for token in [
        "",
        "x",
        "../../etc/passwd",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        &"a".repeat(8 * 1024),
    ] {
        let mut client = shop.client();
        client.token = Some(token.to_owned());
        client.hears("cart.list", "", "", Told::Nothing).await?;
        client.hears("cart.add", "tea", "tea", Told::Keep).await?;
        same("adopted", client.token.as_deref() == Some(token), false)?;
    }
    Ok(())
}

async fn no_update_is_lost(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _services = [
        shop.start("account").await?,
        shop.start("cart").await?,
        shop.start("cart").await?,
    ];
    let mut client = shop.client();
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    let mut adding = JoinSet::new();
    for number in 0..40 {
        let mut client = client.clone();
        adding.spawn(async move {
            let item = format!("item{number}");
            let reply = client.ask("cart.add", &item).await?;
            Ok::<_, Failure>((item, reply))
        });
    }
    client
        .hears("account.sign-in", "ada", "ada", Told::Keep)
        .await?;
    let mut expected = vec!["tea".to_owned()];
    while let Some(added) = adding.join_next().await {
        let (item, reply) = added??;
        match (reply.refused.as_deref(), reply.told) {
            (None, Told::Nothing) => expected.push(item),
            (Some("409"), Told::Stale) => {}
            (code, told) => return fail(format!("an item was answered with {code:?}, {told:?}")),
        }
    }
    let reply = client.ask("cart.list", "").await?;
    let mut items: Vec<_> = reply.text.split(", ").map(str::to_owned).collect();
    items.sort();
    expected.sort();
    same("the cart", items, expected)
}

async fn killed(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let mut client = shop.client();
    let first = shop.start("cart").await?;
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    drop(first);
    let _second = shop.start("cart").await?;
    client
        .hears("cart.add", "cake", "tea, cake", Told::Nothing)
        .await
}

async fn outage(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _service = shop.start("cart").await?;
    let mut client = shop.client();
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    shop.on_the_way(Mode::Cut);
    for what in ["cart.list", "cart.add"] {
        client
            .is_refused(what, "cake", "503", Told::Nothing)
            .await?;
        // And who has no session yet gets none that is lost.
        shop.client()
            .is_refused("cart.add", "cake", "503", Told::Nothing)
            .await?;
    }
    shop.on_the_way(Mode::Pass);
    client.hears("cart.list", "", "tea", Told::Nothing).await
}

async fn no_request(ground: Arc<Ground>, name: &str) -> Result<(), Failure> {
    let shop = ground.shop(name).await?;
    let _service = shop.start("account").await?;
    let mut client = shop.client();
    for (what, text, code) in [
        ("account.nonsense", "", "404"),
        ("account.list", "", "404"),
        ("account.sign-in", "", "400"),
    ] {
        client.is_refused(what, text, code, Told::Nothing).await?;
    }
    client
        .hears("account.who", "", "a stranger", Told::Nothing)
        .await
}
