//! What types of adapters have in common that a framework's traits are implemented for: those can only be their own.

/// Lets an adapter's own `struct Session<K = ()>(cloakroom::Session<K>)` be used as what it holds: for extractors and guards, whose traits
/// can only be implemented for types of the adapter's. `Deref`, `Clone` and `Debug`.
///
/// ```
/// pub struct Session<K = ()>(cloakroom::Session<K>);
///
/// cloakroom::wrap_session!(Session);
///
/// fn greet(session: &Session) -> Result<Option<String>, cloakroom::Error> {
///     Ok(session.clone().subject()?)
/// }
/// ```
#[macro_export]
macro_rules! wrap_session {
    ($name:ident) => {
        impl<K> ::std::ops::Deref for $name<K> {
            type Target = $crate::Session<K>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<K> ::std::clone::Clone for $name<K> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<K> ::std::fmt::Debug for $name<K> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// The same for `struct Typed<T, K = ()>(cloakroom::Typed<T, K>)`: `Deref`, `DerefMut` and `Debug`.
///
/// ```
/// pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);
///
/// cloakroom::wrap_typed!(Typed);
///
/// fn greet(name: &Typed<String>) -> String {
///     format!("Hello, {}", ***name)
/// }
/// ```
#[macro_export]
macro_rules! wrap_typed {
    ($name:ident) => {
        impl<T, K> ::std::ops::Deref for $name<T, K> {
            type Target = $crate::Typed<T, K>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<T, K> ::std::ops::DerefMut for $name<T, K> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl<T, K> ::std::fmt::Debug for $name<T, K> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// Makes an adapter's own `struct Error(cloakroom::Error)`, or one with an `Arc` of it, an error: `Display`, `std::error::Error`, and `From` whatever
/// is or becomes an [`Error`](crate::Error), so that `?` takes what the methods of sessions return. `Debug` is the adapter's: some
/// frameworks show it to clients.
///
/// ```
/// #[derive(Debug)]
/// pub struct Error(cloakroom::Error);
///
/// cloakroom::wrap_error!(Error);
///
/// fn sign_out(session: &cloakroom::Session) -> Result<(), Error> {
///     Ok(session.sign_out()?)
/// }
/// ```
#[macro_export]
macro_rules! wrap_error {
    ($name:ident) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::std::error::Error for $name {
            fn source(&self) -> ::std::option::Option<&(dyn ::std::error::Error + 'static)> {
                ::std::error::Error::source(&self.0)
            }
        }

        /// From what the methods of a session return, and those of `Sessions`.
        impl<E: ::std::convert::Into<$crate::Error>> ::std::convert::From<E> for $name {
            fn from(error: E) -> Self {
                let error: $crate::Error = error.into();
                Self(error.into())
            }
        }
    };
}
