//! Macros for the extractors and guards of adapters. Rust lets an adapter implement a framework's
//! traits only for types of its own.

/// Implements `Deref`, `Clone`, `Debug` and `From<cloakroom::Session<K>>` for an adapter's own
/// `struct Session<K = ()>(cloakroom::Session<K>)`.
///
/// ```
/// pub struct Session<K = ()>(cloakroom::Session<K>);
///
/// cloakroom::adapter::wrap_session!(Session);
///
/// fn greet(session: &Session) -> Result<Option<String>, cloakroom::Error> {
///     session.clone().subject()
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __wrap_session {
    ($name:ident) => {
        impl<K> ::std::ops::Deref for $name<K> {
            type Target = $crate::Session<K>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl $name {
            /// Returns a new, loaded session without a store: for unit tests of handlers.
            ///
            /// Every method works as in a request of a visitor without a session. A commit fails.
            #[must_use]
            pub fn for_tests() -> Self {
                Self($crate::Session::for_tests())
            }
        }

        impl<K> ::std::clone::Clone for $name<K> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl<K> ::std::convert::From<$crate::Session<K>> for $name<K> {
            fn from(session: $crate::Session<K>) -> Self {
                Self(session)
            }
        }

        impl<K> ::std::fmt::Debug for $name<K> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// Implements `Deref`, `DerefMut`, `Debug` and `From<cloakroom::Typed<T, K>>` for an adapter's own
/// `struct Typed<T, K = ()>(cloakroom::Typed<T, K>)`.
///
/// ```
/// pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);
///
/// cloakroom::adapter::wrap_typed!(Typed);
///
/// fn greet(name: &Typed<String>) -> String {
///     format!("Hello, {}", ***name)
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __wrap_typed {
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

        impl<T, K> ::std::convert::From<$crate::Typed<T, K>> for $name<T, K> {
            fn from(typed: $crate::Typed<T, K>) -> Self {
                Self(typed)
            }
        }

        impl<T, K> ::std::fmt::Debug for $name<T, K> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
