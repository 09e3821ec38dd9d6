//! The session's values.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use crate::Error;

impl<K> Session<K> {
    /// Returns the value under this name, or `None`.
    ///
    /// Reads as serde_json does. A stored `None` (Python's) is no value where `T` is a plain type.
    /// A request in which this fails does not extend the session's life.
    ///
    /// # Errors
    ///
    /// `Decode` if the value is not a `T`. [`get_or_reset`](Session::get_or_reset) removes it then.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
    /// assert_eq!(session.get::<String>("other")?, None);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        Ok(self.read(|session| session.get(name))??)
    }

    /// Returns the value under this name, or `None`. Removes it if it is not a `T`.
    ///
    /// Use it where another version of the application may have stored another type.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("cart", "an older version's cart")?;
    /// assert_eq!(session.get_or_reset::<Vec<u32>>("cart")?, None);
    /// assert!(!session.contains("cart")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn get_or_reset<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.change(|session| session.get_or_reset(name))
    }

    /// Sets a value. Setting an equal value is no change, in whatever order a map iterates.
    ///
    /// The same type reads it back. A 128-bit integer in a flattened, untagged or internally tagged
    /// type is refused, because serde cannot read it there.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `Encode` if the value cannot be stored, `TooLarge` if the session would
    /// exceed one of its [`Limits`](crate::Limits). Then nothing is changed.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("cart", ["tea", "milk"])?;
    /// assert!(session.insert("", 1).is_err(), "an empty name");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn insert(&self, name: &str, value: impl Serialize) -> Result<(), Error> {
        Ok(self.change(|session| session.insert(name, value))??)
    }

    /// Removes a value. Returns whether it was there.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("cart", ["tea"])?;
    /// assert!(session.remove("cart")?);
    /// assert!(!session.remove("cart")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        self.change(|session| session.remove(name))
    }

    /// Removes a value and returns it.
    ///
    /// Two requests at the same time may both get it. That is fine for a message, and not for a
    /// value that must be used only once.
    ///
    /// # Errors
    ///
    /// `Decode` if the value is not a `T`. Then it stays.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("return_to", "/cart")?;
    /// assert_eq!(session.take::<String>("return_to")?.as_deref(), Some("/cart"));
    /// assert!(!session.contains("return_to")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        Ok(self.change(|session| session.take(name))??)
    }

    /// Changes a value by a function of the present one, and returns the new value.
    ///
    /// If another request changes the session meanwhile, the commit runs the function again over
    /// the value as it is then. So n concurrent increments add n, and the saved value may differ
    /// from the returned one. The function must only compute: it may run several times.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Session::get) and [`insert`](Session::insert). A call on this session
    /// inside the function fails with `ReentrantUpdate`.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    /// assert_eq!(visits, 1);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn update<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.change(|session| session.update(name, f))??)
    }

    /// Changes a value as [`update`](Session::update) does, with a function that can fail.
    ///
    /// An error of the function is returned inside `Ok` and changes nothing. If the function fails
    /// when the commit runs it again, nothing of this request is saved: the commit fails with
    /// `UpdateFailed`.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Session::update).
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// let pay = |credit: Option<u32>| {
    ///     credit
    ///         .unwrap_or(0)
    ///         .checked_sub(5)
    ///         .ok_or("too little credit")
    /// };
    /// assert_eq!(session.try_update("credit", pay)?, Err("too little credit"));
    /// session.insert("credit", 7)?;
    /// assert_eq!(session.try_update("credit", pay)?, Ok(2));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn try_update<T: Serialize + DeserializeOwned, E>(
        &self,
        name: &str,
        f: impl FnMut(Option<T>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Error> {
        Ok(self.change(|session| session.try_update(name, f))??)
    }

    /// Returns whether there is a value under this name. Does not decode it.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("theme", "dark")?;
    /// assert!(session.contains("theme")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn contains(&self, name: &str) -> Result<bool, Error> {
        self.read(|session| session.contains(name))
    }

    /// Returns the number of values. Flash values do not count.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.len()?, 1);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn len(&self) -> Result<usize, Error> {
        self.read(|session| session.len())
    }

    /// Returns whether there are no values. Flash values do not count.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// assert!(session.is_empty()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.read(|session| session.is_empty())
    }

    /// Returns the names of the values in ascending order.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("b", 1)?;
    /// session.insert("a", 2)?;
    /// assert_eq!(session.keys()?, ["a", "b"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        self.read(|session| session.keys().map(str::to_owned).collect())
    }

    /// Removes all values. The session itself stays, with its token, times and subject.
    ///
    /// If there is something to remove, values that other requests add before the commit are
    /// removed too.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("theme", "dark")?;
    /// session.clear()?;
    /// assert!(session.is_empty()?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn clear(&self) -> Result<(), Error> {
        self.change(|session| {
            session.clear();
        })
    }

    /// Leaves a value for the next request that reads flash values: a message after a redirect.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Session::insert).
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.flash("notice", "Saved.")?;
    /// assert_eq!(
    ///     session.flashed::<String>("notice")?,
    ///     None,
    ///     "only for the next request"
    /// );
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn flash(&self, name: &str, value: impl Serialize) -> Result<(), Error> {
        Ok(self.change(|session| session.flash(name, value))??)
    }

    /// Returns the value that an earlier request left with [`flash`](Session::flash).
    ///
    /// Reading one ends all flash values: this request can read them again, later ones cannot.
    ///
    /// # Errors
    ///
    /// `Decode` if the value is not a `T`.
    ///
    /// ```
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// if let Some(notice) = session.flashed::<String>("notice")? {
    ///     println!("{notice}");
    /// }
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn flashed<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        Ok(self.change(|session| session.flashed(name))??)
    }

    /// Returns the whole session as one struct or map. Each field is the value under its name.
    ///
    /// Names that `T` does not have are ignored. Fields that may be missing need
    /// `#[serde(default)]`: in a new session all are.
    ///
    /// # Errors
    ///
    /// `Decode`, with the name of the field, if the values do not make a `T`.
    /// [`typed_or_reset`](Session::typed_or_reset) removes those then.
    ///
    /// ```
    /// #[derive(Default, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    /// }
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("visits", 3)?;
    /// assert_eq!(session.typed::<Shop>()?.visits, 3);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(self.read(|session| session.typed())??)
    }

    /// Returns the whole session as one struct or map. Removes the values that are not of its
    /// types.
    ///
    /// Use it where another version of the application may have stored other types. With
    /// [`ConfigBuilder::reset_unreadable`](crate::ConfigBuilder::reset_unreadable) the extractors
    /// and guards of adapters do the same.
    ///
    /// # Errors
    ///
    /// `Decode` if an empty session is no `T` either. Then nothing is removed.
    ///
    /// ```
    /// #[derive(Default, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    ///     cart: Vec<u32>,
    /// }
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.insert("visits", 3)?;
    /// session.insert("cart", "an older version's cart")?;
    /// let shop: Shop = session.typed_or_reset()?;
    /// assert_eq!((shop.visits, shop.cart.len()), (3, 0));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn typed_or_reset<T: DeserializeOwned>(&self) -> Result<T, Error> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is not general enough over lifetimes"
        )]
        let read = self.change(|session| session.typed_or_reset());
        Ok(read??)
    }

    /// Changes the session as one struct or map. Only the fields that the function changed are
    /// written, so other requests' changes of other fields survive.
    ///
    /// A field that had no value and got one from `#[serde(default)]` is written too, unless
    /// another request writes it first. Of two names for one field (`#[serde(alias)]`) the older
    /// one is removed. The result is read once as a `T`, before anything is changed.
    ///
    /// # Errors
    ///
    /// Those of [`typed`](Session::typed) and [`insert`](Session::insert), and `Encode` if `T` is
    /// neither a struct nor a map. A call on this session inside the function fails with
    /// `ReentrantUpdate`.
    ///
    /// ```
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    ///     cart: Vec<String>,
    /// }
    ///
    /// # let session: cloakroom::Session = cloakroom::Session::for_tests();
    /// session.update_typed(|shop: &mut Shop| shop.cart.push("tea".into()))?;
    /// assert_eq!(session.typed::<Shop>()?.cart, ["tea"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn update_typed<T: Serialize + DeserializeOwned>(
        &self,
        f: impl FnOnce(&mut T),
    ) -> Result<(), Error> {
        Ok(self.change(|session| session.update_typed(f))??)
    }
}
