use std::fmt;
use std::time::Duration;

use cloakroom_store::StoreError;

use crate::RedisStore;
use crate::failure;
use crate::layout::Names;
use crate::link::Link;
use crate::url;

/// How a [`RedisStore`] is to work. From [`RedisStore::builder`].
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
pub struct Builder {
    pub(crate) url: Box<str>,
    prefix: Box<str>,
    pub(crate) timeout: Duration,
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
            prefix: "cloakroom:".into(),
            timeout: Duration::from_secs(2),
            #[cfg(feature = "sentinel")]
            sentinel_login: None,
            #[cfg(feature = "tls")]
            certificates: None,
        }
    }

    /// What all the store's keys on the server begin with; `cloakroom:` unless said otherwise. Applications that share a
    /// server and database take one each, of which none begins with another.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// let builder = RedisStore::builder("redis://127.0.0.1").prefix("shop:");
    /// ```
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take, with all that belongs to it: waiting for a connection, making one, and the answer; 2 s
    /// unless said otherwise. Then it ends with a transient error. A list of many records may take this time for each of its
    /// round trips.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// # use std::time::Duration;
    /// let builder = RedisStore::builder("redis://127.0.0.1").timeout(Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For `rediss` URLs: the certificates, in PEM, that the server's must go back to, in the place of those that the system
    /// trusts. Those that cannot be read make [`connect`](Self::connect) fail.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # fn example() -> std::io::Result<()> {
    /// let builder = RedisStore::builder("rediss://redis.example").root_certificates(&std::fs::read("ca.pem")?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: &[u8]) -> Self {
        self.certificates().root_cert = Some(pem.to_vec());
        self
    }

    /// For `rediss` URLs of servers that want to see a certificate (`tls-auth-clients`): the client's, with those it goes back
    /// to, and its private key, all in PEM. What cannot be read makes [`connect`](Self::connect) fail.
    ///
    /// ```no_run
    /// # use cloakroom_redis::RedisStore;
    /// # fn example() -> std::io::Result<()> {
    /// let builder = RedisStore::builder("rediss://redis.example")
    ///     .client_certificate(&std::fs::read("client.pem")?, &std::fs::read("client.key")?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
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

    /// For `redis+sentinel` URLs: user name and password for the sentinels, if they want them. User and password of the URL are
    /// the master's.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// let url = "redis+sentinel://ada:hunter2@10.0.0.1,10.0.0.2/sessions";
    /// let builder = RedisStore::builder(url).sentinel_login("default", "hunter3");
    /// ```
    #[cfg(feature = "sentinel")]
    #[must_use]
    pub fn sentinel_login(mut self, user: &str, password: &str) -> Self {
        self.sentinel_login = Some((user.into(), password.into()));
        self
    }

    /// Connects, and makes sure that the server answers and lets the user in.
    ///
    /// # Errors
    ///
    /// A permanent one when the URL is none that the store knows (or one that needs a feature which is off), or when the
    /// server does not let the user in; a transient one when it does not answer. None contains the URL's password.
    ///
    /// ```
    /// # use cloakroom_redis::RedisStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = RedisStore::connect("http://user:secret@127.0.0.1").await.unwrap_err();
    /// assert!(!error.is_transient());
    /// assert!(error.to_string().starts_with("the redis store failed: the URL's scheme is unknown; known are "));
    /// assert!(!error.to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        if self.timeout.is_zero() {
            return Err(failure::url(
                "a timeout of zero leaves no time for an answer",
            ));
        }
        let target = url::parse(&self)?;
        let link = Link::new(target, self.timeout);
        let store = RedisStore::new(link, Names::new(&self.prefix));
        store.check().await?;
        Ok(store)
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
