//! R77: two kinds of session with one cookie name, on routes that share no layer.

use cloakroom::adapter::{self, Kinds};
use cloakroom::http::apply;
use cloakroom::{Config, Error, Session, Sessions};
use cloakroom_memory::MemoryStore;
use http::{HeaderMap, HeaderValue};

struct Admin;

type Answer = Result<Option<HeaderValue>, Error>;

fn named(name: &str) -> Config {
    Config::builder().cookie_name(name).build().expect("good")
}

/// A request with this cookie: the name and value of the cookie that it gets.
async fn request<K: 'static>(
    sessions: &Sessions<MemoryStore>,
    cookie: Option<&HeaderValue>,
) -> Answer {
    Kinds::check::<K, _>(sessions)?;
    let mut headers = HeaderMap::new();
    headers.extend(cookie.map(|cookie| (http::header::COOKIE, cookie.clone())));
    let session: Session<K> = sessions.http_session(&headers);
    session.load().await?;
    session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let outcome = adapter::commit(&session, true).outcome().await?;
    let mut headers = HeaderMap::new();
    apply(sessions.config(), &outcome, &mut headers);
    let line = headers.get("set-cookie").map(|line| line.to_str().unwrap());
    Ok(line.map(|line| line.split(';').next().unwrap().parse().unwrap()))
}

fn is_refused(answer: &Answer) -> bool {
    let refused = answer.as_ref().err();
    refused.is_some_and(|error| error.to_string().contains("ConfigBuilder::cookie_name"))
}

#[tokio::test]
async fn a_token_that_another_kind_issued_is_refused() {
    for one_store in [true, false] {
        let name = named("__Host-crossing-issued");
        let shop = Sessions::new(MemoryStore::new()).with_config(name.clone());
        let admin = match one_store {
            true => shop.clone(),
            false => Sessions::new(MemoryStore::new()).with_config(name),
        };
        // Both layers are there before the first request.
        Kinds::check::<(), _>(&shop).unwrap();
        Kinds::check::<Admin, _>(&admin).unwrap();
        let of_shop = request::<()>(&shop, None).await.unwrap();
        let of_admin = request::<Admin>(&admin, None).await.unwrap();
        for _ in 0..2 {
            assert!(is_refused(
                &request::<Admin>(&admin, of_shop.as_ref()).await
            ));
            assert!(is_refused(&request::<()>(&shop, of_admin.as_ref()).await));
            // Clients that do not mix them are not disturbed.
            assert!(request::<()>(&shop, of_shop.as_ref()).await.is_ok());
            assert!(request::<Admin>(&admin, of_admin.as_ref()).await.is_ok());
        }
    }
}

#[tokio::test]
async fn of_a_token_from_before_the_start_the_first_kind_counts() {
    let name = named("__Host-crossing-before");
    let shop = Sessions::new(MemoryStore::new()).with_config(name.clone());
    let earlier = request::<()>(&shop, None).await.unwrap();
    let admin = Sessions::new(MemoryStore::new()).with_config(name);
    Kinds::check::<Admin, _>(&admin).unwrap();
    assert!(request::<()>(&shop, earlier.as_ref()).await.is_ok());
    assert!(is_refused(
        &request::<Admin>(&admin, earlier.as_ref()).await
    ));
}

// Several hosts, or the applications of several tests.
#[tokio::test]
async fn applications_whose_clients_differ_are_not_disturbed() {
    let name = named("__Host-crossing-hosts");
    let sessions = || Sessions::new(MemoryStore::new()).with_config(name.clone());
    let (shop, admin, same) = (sessions(), sessions(), sessions());
    let (mut of_shop, mut of_admin) = (None, None);
    for _ in 0..20 {
        of_shop = request::<()>(&shop, of_shop.as_ref())
            .await
            .unwrap()
            .or(of_shop);
        of_admin = request::<Admin>(&admin, of_admin.as_ref())
            .await
            .unwrap()
            .or(of_admin);
        // The same kind, made twice.
        assert!(request::<()>(&same, of_shop.as_ref()).await.is_ok());
    }
    // Another name is another cookie.
    let other = sessions().with_config(named("__Host-crossing-other"));
    assert!(request::<Admin>(&other, of_shop.as_ref()).await.is_ok());
}
