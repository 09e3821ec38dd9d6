use cloakroom::adapter::{self, Kinds};
use cloakroom::{Config, Sessions, Store};
use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::{Build, Request, Response, Rocket};
use std::hash::{BuildHasher as _, RandomState};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use crate::attempt::Attempts;
use crate::headers;

/// Adds sessions to an application: `rocket.attach(SessionFairing::new(store))`.
///
/// The settings are read from the application's configuration (`Rocket.toml`, environment), from a
/// table with the names of [`Config`]'s builder as fields and times in seconds. Without it the
/// defaults hold; a mistake in it, or an unknown field, stops the launch.
///
/// ```toml
/// [default.session]
/// cookie_name = "__Host-shop"
/// idle_timeout = 900
/// ```
///
/// ```
/// use cloakroom_memory::MemoryStore;
/// use cloakroom_rocket::SessionFairing;
///
/// let rocket = rocket::build().attach(SessionFairing::new(MemoryStore::new()));
/// ```
///
/// Several independent sessions in one application: each fairing has a cookie name of its own, and
/// a type that names it.
///
/// ```
/// # use cloakroom_memory::MemoryStore;
/// # use cloakroom_rocket::{Config, SessionFairing};
/// struct Admin;
///
/// let store = MemoryStore::new();
/// let config = Config::builder().cookie_name("__Host-admin").build()?;
/// let rocket = rocket::build()
///     .attach(SessionFairing::new(store.clone()))
///     .attach(SessionFairing::new(store).with_config(config).named::<Admin>());
/// // In a handler: the guard `Session<Admin>`.
/// # Ok::<(), cloakroom_rocket::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct SessionFairing<S, K = ()> {
    sessions: Sessions<S>,
    table: Option<&'static str>,
    #[cfg(feature = "device-binding")]
    devices: Option<cloakroom::adapter::Devices<K>>,
    kind: PhantomData<fn() -> K>,
}

impl<S: Store> SessionFairing<S> {
    /// Sessions on this store, with the settings in the table `session` of the application's
    /// configuration, if there is one.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_rocket::SessionFairing;
    /// let fairing = SessionFairing::new(MemoryStore::new());
    /// ```
    pub fn new(store: S) -> Self {
        Self::with(Sessions::new(store), Some("session"))
    }
}

impl<S: Store> From<Sessions<S>> for SessionFairing<S> {
    /// Makes the fairing of sessions that the application also uses elsewhere, to list and end a
    /// user's sessions. It has their settings.
    fn from(sessions: Sessions<S>) -> Self {
        Self::with(sessions, None)
    }
}

impl<S: Store, K> SessionFairing<S, K> {
    fn with(sessions: Sessions<S>, table: Option<&'static str>) -> Self {
        Self {
            sessions,
            table,
            #[cfg(feature = "device-binding")]
            devices: None,
            kind: PhantomData,
        }
    }

    /// Sets the configuration, and ignores the table in the application's configuration.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_rocket::{Config, SessionFairing};
    /// let fairing =
    ///     SessionFairing::new(MemoryStore::new()).with_config(Config::default());
    /// ```
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self {
            sessions: self.sessions.with_config(config),
            table: None,
            ..self
        }
    }

    /// Sets the table of the application's configuration that has the settings. Default: `session`.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_rocket::SessionFairing;
    /// struct Admin;
    /// let fairing = SessionFairing::new(MemoryStore::new())
    ///     .configured_by("admin_session")
    ///     .named::<Admin>();
    /// ```
    #[must_use]
    pub fn configured_by(self, table: &'static str) -> Self {
        Self {
            table: Some(table),
            ..self
        }
    }

    /// Makes its sessions `Session<N>` instead of `Session`: for several independent ones. Each has
    /// a cookie name of its own. With the same name Rocket does not launch.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_rocket::{Config, SessionFairing};
    /// struct Admin;
    /// let config = Config::builder().cookie_name("__Host-admin").build()?;
    /// let fairing = SessionFairing::new(MemoryStore::new())
    ///     .with_config(config)
    ///     .named::<Admin>();
    /// # Ok::<(), cloakroom_rocket::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> SessionFairing<S, N> {
        SessionFairing {
            sessions: self.sessions,
            table: self.table,
            #[cfg(feature = "device-binding")]
            devices: self.devices.map(cloakroom::adapter::Devices::named),
            kind: PhantomData,
        }
    }

    /// Binds its sessions to devices: mounts the protocol's two endpoints, and offers each sign-in
    /// to be bound. Make the binding for the configuration of these sessions.
    ///
    /// A response to a sign-in gets the offer, and one to a sign-out removes the bound cookie. A
    /// registration costs one load and one write, a refresh one load. Neither extends the idle
    /// timeout. The guards [`RequireDevice`](crate::RequireDevice) and [`Device`](crate::Device)
    /// protect routes.
    ///
    /// ```
    /// # use cloakroom_memory::MemoryStore;
    /// # use cloakroom_rocket::{Config, DeviceBinding, SessionFairing};
    /// let binding = DeviceBinding::new(&Config::default())?;
    /// let rocket = rocket::build().attach(
    ///     SessionFairing::new(MemoryStore::new()).bound_to_devices(binding),
    /// );
    /// # Ok::<(), cloakroom_rocket::ConfigError>(())
    /// ```
    #[cfg(feature = "device-binding")]
    #[must_use]
    pub fn bound_to_devices(self, binding: cloakroom::DeviceBinding) -> Self {
        Self {
            devices: Some(cloakroom::adapter::Devices::new(binding).named()),
            ..self
        }
    }
}

#[rocket::async_trait]
impl<S: Store, K: 'static> Fairing for SessionFairing<S, K> {
    fn info(&self) -> Info {
        Info {
            name: "Sessions",
            kind: Kind::Ignite | Kind::Response,
        }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        let (mut sessions, settings) = (self.sessions.clone(), rocket.figment());
        if let Some(table) = self.table.filter(|table| settings.contains(table)) {
            match settings.extract_inner(table) {
                Ok(config) => sessions = sessions.with_config(config),
                Err(error) => {
                    tracing::error!(%error, table, "the settings of the sessions are wrong");
                    return Err(rocket);
                }
            }
        }
        if rocket.state::<Attempts<K>>().is_some() {
            tracing::error!("two fairings of the same type; name one: `SessionFairing::named`");
            return Err(rocket);
        }
        let rocket = match rocket.state::<Mutex<Kinds>>() {
            Some(_) => rocket,
            None => rocket.manage(Mutex::<Kinds>::default()),
        };
        let added = Kinds::check::<K, S>(&sessions).and_then(|()| {
            let kinds = rocket.state::<Mutex<Kinds>>();
            let kinds = kinds.map(|kinds| kinds.lock().unwrap_or_else(PoisonError::into_inner));
            kinds.map_or(Ok(()), |mut kinds| kinds.add::<K>(sessions.config()))
        });
        if let Err(error) = added {
            let _ = adapter::report(&error);
            return Err(rocket);
        }
        #[cfg(feature = "device-binding")]
        let rocket = match &self.devices {
            Some(devices) => rocket.mount("/", crate::device::routes(devices)),
            None => rocket,
        };
        Ok(rocket.manage(Attempts::<K> {
            #[cfg(feature = "device-binding")]
            devices: self.devices.clone(),
            open: Box::new(move |request| {
                sessions.http_session(&headers::presented(request, sessions.config()))
            }),
            mark: format!("cloakroom-{:016x}", RandomState::new().hash_one(())),
        }))
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        if let Some(attempts) = request.rocket().state::<Attempts<K>>() {
            attempts.commit(request, response).await;
            #[cfg(feature = "device-binding")]
            crate::device::refuse::<K>(request, response);
        }
    }
}
