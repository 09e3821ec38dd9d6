use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Place, StoreError};

use crate::failure;
use crate::layout::Names;
use crate::link::{Link, Target};
use crate::url;
use crate::way::{Login, speaks_plainly};
use crate::{Client, RedisStore};

/// Settings of a [`RedisStore`], from [`RedisStore::builder`] or [`RedisStore::with_client`].
///
/// ```no_run
/// use cloakroom_redis::RedisStore;
/// use std::time::Duration;
///
/// # async fn example() -> Result<(), cloakroom_store::StoreError> {
/// let store = RedisStore::builder("redis://redis.example")
///     .prefix("shop:")
///     .timeout(Duration::from_millis(500))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder {
    pub(crate) url: Box<str>,
    /// In the place of the URL.
    client: Option<Client>,
    pub(crate) login: Option<Login>,
    prefix: Box<str>,
    pub(crate) timeout: Duration,
    announces: bool,
    /// User and password.
    #[cfg(feature = "sentinel")]
    pub(crate) sentinel_login: Option<(Box<str>, Box<str>)>,
    #[cfg(feature = "tls")]
    pub(crate) certificates: Option<redis::TlsCertificates>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            client: None,
            login: None,
            prefix: "cloakroom:".into(),
            timeout: Duration::from_secs(2),
            announces: false,
            #[cfg(feature = "sentinel")]
            sentinel_login: None,
            #[cfg(feature = "tls")]
            certificates: None,
        }
    }

    pub(crate) fn with_client(client: Client) -> Self {
        Self {
            client: Some(client),
            ..Self::new("")
        }
    }

    /// Sets the prefix of all the store's keys on the server. Default: `cloakroom:`.
    ///
    /// Give applications that share a server and a database one prefix each. No prefix may begin
    /// with another.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// let builder = RedisStore::builder("redis://127.0.0.1").prefix("shop:");
    /// ```
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Announces each deleted record to the other processes, so that they notice at once that a
    /// session has ended. Default: no, and they notice within the lease of
    /// `cloakroom::Sessions::with_lease`.
    ///
    /// All processes set it. The script that deletes publishes the record's key to the channel
    /// `ended` after the prefix. The user needs `+publish`, `+subscribe` and that channel. A
    /// process that waits for ends has one connection more. In a cluster no process can listen.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// let builder = RedisStore::builder("redis://127.0.0.1").announce_ends();
    /// ```
    pub fn announce_ends(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Limits the time of an operation, with all that belongs to it: waiting for a connection,
    /// making one, and the answer. Default: 2 s.
    ///
    /// Then it ends with a transient error. A list of many records may take this time for each of
    /// its round trips.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// # use std::time::Duration;
    /// let builder = RedisStore::builder("redis://127.0.0.1")
    ///     .timeout(Duration::from_millis(500));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes user name and password from a function, which is called for each new connection: for
    /// passwords that change while the process runs.
    ///
    /// They replace those of the URL or client. The user that has no name is `default`. The
    /// function must return at once: fetch a new password in a task of your own, and return the
    /// last one here. A connection that exists keeps its login, as the server sees it. A login
    /// that the server refuses is a transient error, because the next one may be another.
    ///
    /// Not for a client of a cluster ([`RedisStore::with_client`]): build that client with its own
    /// credentials provider.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// use std::sync::{Arc, RwLock};
    ///
    /// let password = Arc::new(RwLock::new("first".to_owned()));
    /// let current = Arc::clone(&password);
    /// let builder =
    ///     RedisStore::builder("redis://redis.example").credentials(move || {
    ///         ("sessions".to_owned(), current.read().unwrap().clone())
    ///     });
    /// ```
    pub fn credentials(
        mut self,
        current: impl Fn() -> (String, String) + Send + Sync + 'static,
    ) -> Self {
        self.login = Some(Arc::new(current));
        self
    }

    /// Sets the certificates (PEM) that must have signed the server's, for `rediss` URLs.
    ///
    /// Default: those that the system trusts. [`connect`](Self::connect) fails with those that
    /// cannot be read.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # fn example() -> std::io::Result<()> {
    /// let builder = RedisStore::builder("rediss://redis.example")
    ///     .root_certificates(&std::fs::read("ca.pem")?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.certificates().root_cert = Some(pem.to_vec());
        self
    }

    /// Sets the client's certificate, with those that signed it, and its private key, all in PEM.
    ///
    /// For `rediss` URLs of servers that require one (`tls-auth-clients`).
    /// [`connect`](Self::connect) fails if they cannot be read.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # fn example() -> std::io::Result<()> {
    /// let builder = RedisStore::builder("rediss://redis.example").client_certificate(
    ///     &std::fs::read("client.pem")?,
    ///     &std::fs::read("client.key")?,
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn client_certificate(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.certificates().client_tls = Some(redis::ClientTlsConfig {
            client_cert: chain.to_vec(),
            client_key: key.to_vec(),
        });
        self
    }

    #[cfg(feature = "tls")]
    fn certificates(&mut self) -> &mut redis::TlsCertificates {
        self.certificates.get_or_insert(redis::TlsCertificates {
            client_tls: None,
            root_cert: None,
        })
    }

    /// Sets user name and password for the sentinels themselves, for `redis+sentinel` URLs.
    ///
    /// Optional. User and password of the URL are the master's.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// let url = "redis+sentinel://ada:hunter2@10.0.0.1,10.0.0.2/sessions";
    /// let builder = RedisStore::builder(url).sentinel_login("default", "hunter3");
    /// ```
    #[cfg(feature = "sentinel")]
    pub fn sentinel_login(mut self, user: &str, password: &str) -> Self {
        self.sentinel_login = Some((user.into(), password.into()));
        self
    }

    /// Connects, and tests that the user may run every command of the store. Six or seven round
    /// trips.
    ///
    /// It writes a few keys of the prefix, which expire after ten seconds. It also opens a server
    /// that can write nothing now (no memory).
    ///
    /// # Errors
    ///
    /// A permanent one if the URL, client or setting cannot be used, or needs a feature that is
    /// off. Also if the server rejects the user, lacks a command or denies it to the user, or is a
    /// replica. A transient one if the server does not answer. None contains the URL's password.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = RedisStore::connect("http://user:secret@127.0.0.1")
    ///     .await
    ///     .unwrap_err();
    /// assert!(!error.is_transient());
    /// assert!(
    ///     error
    ///         .to_string()
    ///         .contains("the URL's scheme is unknown; known are ")
    /// );
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(mut self) -> Result<RedisStore, StoreError> {
        if self.timeout.is_zero() {
            return Err(failure::url(
                "a timeout of zero leaves no time for an answer; give more",
            ));
        }
        let target = match self.client.take() {
            Some(client) => {
                self.check_client(&client)?;
                client.target(self.timeout)?
            }
            None => url::parse(&self)?,
        };
        let place = place(&target, &self.url).map(|at| Place::new("redis", [&*at, &*self.prefix]));
        let hosts = url::hosts_with_tls(&self.url);
        let link = Link::new(target, self.login, self.timeout);
        let channel = self
            .announces
            .then(|| format!("{}ended", self.prefix).into());
        let store = RedisStore::new(link, Names::new(&self.prefix), place, channel);
        match store.check().await {
            Ok(()) => Ok(store),
            // A server without TLS waits for the rest of a line when it sees a handshake.
            Err(error) if error.is_transient() && speaks_plainly(&hosts, self.timeout).await => {
                Err(failure::no_tls())
            }
            Err(error) => Err(error),
        }
    }

    /// Settings that only a URL can have.
    fn check_client(&self, client: &Client) -> Result<(), StoreError> {
        let wrong = "certificates and sentinel_login are for URLs; build the client with them";
        #[cfg(feature = "tls")]
        if self.certificates.is_some() {
            return Err(failure::client(wrong));
        }
        #[cfg(feature = "sentinel")]
        if self.sentinel_login.is_some() {
            return Err(failure::client(wrong));
        }
        if self.login.is_some() && client.is_cluster() {
            return Err(failure::client(
                "credentials are not for the client of a cluster; build it with \
                 set_credentials_provider",
            ));
        }
        let _ = wrong;
        Ok(())
    }
}

/// Returns where the server is. Unknown of a client that does not show it.
#[cfg_attr(
    not(any(feature = "sentinel", feature = "cluster")),
    expect(unused_variables, reason = "a server has an address")
)]
fn place(target: &Target, url: &str) -> Option<String> {
    match target {
        Target::One(way) => Some(way.place()),
        #[cfg(any(feature = "sentinel", feature = "cluster"))]
        _ => {
            // Behind user and password.
            let (_, rest) = url.split_once("://")?;
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            Some(rest.trim_end_matches('/').to_owned())
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Builder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
