use std::sync::Arc;

use tokio::task::JoinSet;

use super::Case;
use super::shop::{Environment, Told};
use crate::program::{Failure, fail, same};
use cloakroom_servers::proxy::Mode;

/// `"id", ["R01", ..], "sentence", "source" => function;`
macro_rules! cases {
    ($($id:literal, [$($requirement:literal),*], $sentence:literal, $source:literal => $case:ident;)+) => {
        pub(super) const ALL: &[Case] = &[$(Case {
            id: $id,
            requirements: &[$($requirement),*],
            sentence: $sentence,
            source: $source,
            run: |environment, name| Box::pin($case(environment, name)),
        }),+];
    };
}

cases! {
    "services/one-session-for-both", ["R61", "R06"], "a cart filled at one service is there after a sign-in at the other, and the new token works at both", "ASVS 5.0, 7.2.4" => one_session;
    "services/old-token-is-told-so", ["R06", "I7"], "with the old token a service reads the old data, writes nothing, and reports a newer token each time", "cloakroom::Outcome::superseded" => old_token;
    "services/sign-out-at-one-ends-it-at-the-other", ["R61", "R20", "I4"], "after a sign-out at one service the token leads nowhere at the other, and is not adopted", "ASVS 5.0, 7.4.1" => sign_out;
    "services/waiting-for-the-end", ["R82", "R80"], "a request that waits for the end of its session is answered after a sign-out at another process, and not before", "cloakroom::Session::ended" => waiting;
    "services/nobodys-token", ["R02", "R03", "I5"], "a token that nobody issued is not an error, and is not adopted", "OWASP Session Management Cheat Sheet, \"Session ID Generation and Verification\"" => nobodys_token;
    "services/no-update-is-lost", ["R53", "I3"], "40 clients write at once to two processes while one signs in: accepted changes are in the cart, refused ones are not", "invariant 3" => no_update_is_lost;
    "services/killed-process", ["R61"], "a killed process takes no session with it: the next one goes on", "README, \"Without HTTP\"" => killed;
    "services/outage", ["R54", "I8"], "while Redis is down every request fails and no token is cleared; afterwards the session is there again", "invariant 8" => outage;
    "services/what-is-no-request", ["R39", "I12"], "the service refuses bytes that are no request, and goes on", "invariant 12" => no_request;
}

async fn one_session(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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

async fn old_token(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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

async fn sign_out(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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

async fn waiting(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
    // Either process gets each of the requests.
    let _services = [shop.start("account").await?, shop.start("account").await?];
    let mut client = shop.client();
    client
        .hears("account.sign-in", "ada", "ada", Told::Keep)
        .await?;
    let mut waiting = client.clone();
    let ended = async {
        let told = waiting.hears("account.ended", "", "signed out", Told::Nothing);
        match told.await {
            // The sign-out came first.
            Err(_) => {
                waiting
                    .is_refused("account.ended", "", "401", Told::Nothing)
                    .await
            }
            told => told,
        }
    };
    let sign_out = async {
        for _ in 0..20 {
            client
                .hears("account.who", "", "ada", Told::Nothing)
                .await?;
        }
        client.hears("account.sign-out", "", "", Told::Forget).await
    };
    tokio::try_join!(ended, sign_out).map(drop)
}

async fn nobodys_token(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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

async fn no_update_is_lost(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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

async fn killed(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
    let mut client = shop.client();
    let first = shop.start("cart").await?;
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    drop(first);
    let _second = shop.start("cart").await?;
    client
        .hears("cart.add", "cake", "tea, cake", Told::Nothing)
        .await
}

async fn outage(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
    let _service = shop.start("cart").await?;
    let mut client = shop.client();
    client.hears("cart.add", "tea", "tea", Told::Keep).await?;
    shop.on_the_way(Mode::Cut);
    for what in ["cart.list", "cart.add"] {
        client
            .is_refused(what, "cake", "503", Told::Nothing)
            .await?;
        // A client without a session gets no token for a session that was not saved.
        shop.client()
            .is_refused("cart.add", "cake", "503", Told::Nothing)
            .await?;
    }
    shop.on_the_way(Mode::Pass);
    client.hears("cart.list", "", "tea", Told::Nothing).await
}

async fn no_request(environment: Arc<Environment>, name: &str) -> Result<(), Failure> {
    let shop = environment.shop(name).await?;
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
