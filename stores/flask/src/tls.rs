//! The TLS options of a URL, named as in Python's clients.

use cloakroom_store::StoreError;

use crate::failure::{TLS_IS_MISSING, permanent};

/// The TLS options of a URL. No error repeats their values.
pub(crate) struct Options {
    store: &'static str,
    all: Vec<(String, String)>,
}

#[allow(dead_code, reason = "not every store needs all of it")]
impl Options {
    /// Takes them out of a URL: the clients used here have other names for them, and pass over
    /// those that they do not know.
    pub(crate) fn take_from(url: &str, store: &'static str) -> Result<(String, Self), StoreError> {
        let mut options = Self {
            store,
            all: Vec::new(),
        };
        let Some((place, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), options));
        };
        let mut others = Vec::new();
        for option in query.split('&') {
            let (name, value) = form_urlencoded::parse(option.as_bytes())
                .next()
                .unwrap_or_default();
            let ours =
                name.starts_with("ssl") || name.starts_with("tls") || name == "channel_binding";
            if !ours {
                others.push(option);
            } else if options.all.iter().any(|(other, _)| *other == name) {
                return Err(options.refused("the URL has a TLS option twice; remove one"));
            } else if !value.is_empty() {
                // Python passes over those that are empty.
                options.all.push((name.into_owned(), value.into_owned()));
            }
        }
        let rest = match others.is_empty() {
            true => place.to_owned(),
            false => format!("{place}?{}", others.join("&")),
        };
        Ok((rest, options))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.all.iter().position(|(other, _)| other == name)?;
        Some(self.all.swap_remove(at).1)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.all.iter().find(|(other, _)| other == name)?;
        Some(&found.1)
    }

    /// One that is true or false, as SQLAlchemy reads it.
    pub(crate) fn switch(&mut self, name: &str) -> Result<Option<bool>, StoreError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match &*value.to_ascii_lowercase() {
            "true" | "yes" | "on" | "y" | "t" | "1" => Ok(Some(true)),
            "false" | "no" | "off" | "n" | "f" | "0" => Ok(Some(false)),
            _ => Err(self.refused(format!("{name} must be true or false"))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Fails if there is one left.
    pub(crate) fn end(&self, why: &str) -> Result<(), StoreError> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(self.refused(why)),
        }
    }

    pub(crate) fn refused(&self, why: impl Into<String>) -> StoreError {
        permanent(self.store, why)
    }

    /// Returns the error of a program built without the feature.
    pub(crate) fn missing(&self) -> StoreError {
        self.refused(TLS_IS_MISSING)
    }
}

#[cfg(feature = "tls")]
mod files {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::{Options, StoreError};

    /// A file that an option names, which has been seen to hold what it is to hold.
    #[allow(
        dead_code,
        reason = "Redis's client takes the bytes, the others the path"
    )]
    pub(crate) struct Pem {
        pub(crate) path: String,
        pub(crate) bytes: Vec<u8>,
    }

    impl Options {
        /// The file with the certificates that this option names.
        pub(crate) fn certificates(&mut self, name: &str) -> Result<Option<Pem>, StoreError> {
            let Some(path) = self.take(name) else {
                return Ok(None);
            };
            let pem = self.read(name, path)?;
            let mut all = CertificateDer::pem_slice_iter(&pem.bytes).peekable();
            match all.peek().is_some() && all.all(|one| one.is_ok()) {
                true => Ok(Some(pem)),
                false => Err(self.refused(format!(
                    "the file of {name} has no readable certificates; it must be PEM"
                ))),
            }
        }

        /// Sets the client's certificate and its key. Default for the key: the certificate's file.
        pub(crate) fn client(
            &mut self,
            certificate: &str,
            key: &str,
        ) -> Result<Option<[Pem; 2]>, StoreError> {
            let of_key = self.take(key);
            let Some(chain) = self.certificates(certificate)? else {
                return match of_key {
                    None => Ok(None),
                    Some(_) => Err(self.refused(format!("{key} needs {certificate} beside it"))),
                };
            };
            let (name, path) = match of_key {
                Some(path) => (key, path),
                None => (certificate, chain.path.clone()),
            };
            let pem = self.read(name, path)?;
            match PrivateKeyDer::from_pem_slice(&pem.bytes) {
                Ok(_) => Ok(Some([chain, pem])),
                Err(_) => Err(self.refused(format!(
                    "the file of {name} has no readable private key; it must be PEM, without a \
                     password"
                ))),
            }
        }

        fn read(&self, name: &str, path: String) -> Result<Pem, StoreError> {
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Pem { path, bytes }),
                Err(error) => Err(self.refused(format!(
                    "the file that {name} names cannot be read: {}",
                    error.kind()
                ))),
            }
        }
    }
}
