//! Builds a validated configuration from what a builder collected.

use std::sync::Arc;

use super::{
    Config, ConfigBuilder, ConfigError, CookieScope, CookieSettings, Lifetimes, SameSite,
    ScopeMarks, Settings, check, sealing,
};
use crate::token::TokenRules;

impl ConfigBuilder {
    /// Validates the configuration.
    ///
    /// # Errors
    ///
    /// Names the field and what to change:
    ///
    /// - Prefix rules, and `SameSite=None` or Partitioned without Secure.
    /// - A name, path or domain that cannot be in a cookie.
    /// - A former scope that is the present one, or that no cookie of this name can have had.
    /// - Sizes above what user agents accept (4,096 bytes for name and value, 1,024 for an
    ///   attribute, 400 days).
    /// - Timeouts of zero or in the wrong order.
    /// - Keys over 250 bytes.
    /// - Settings that would have no effect beside an envelope or a token scheme.
    /// - A [known token](ConfigBuilder::known_token) that none of the keys made.
    /// - Signing keys and prefixes in quotes, or with white space around them.
    /// - Settings of the cookie with the token in a header.
    /// - [`seal_values`](ConfigBuilder::seal_values) beside what it cannot work with.
    /// - `end_all_within` out of its range, or for sessions that another system or the client
    ///   keeps.
    ///
    /// ```
    /// # use cloakroom_core::*;
    /// # use std::time::Duration;
    /// assert!(Config::builder().same_site(SameSite::None).build().is_ok());
    /// assert!(Config::builder().idle_timeout(Duration::ZERO).build().is_err());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn build(self) -> Result<Config, ConfigError> {
        let name = self.fields.cookie_name.clone().unwrap_or_else(|| {
            if self.fields.insecure_for_development {
                "session".into()
            } else {
                "__Host-session".into()
            }
        });
        let header = self.header_settings()?;
        check::cookie(&self, &name)?;
        check::former_scopes(&self, &name)?;
        check::times(&self)?;
        check::ignored(&self)?;
        sealing::check(&self)?;
        let prefix = (self.fields.key_prefix.clone()).unwrap_or_else(|| match &header {
            Some(header) => format!("{}:", header.name),
            None => format!("{name}:"),
        });
        let tokens = TokenRules {
            format: self.fields.token_format,
            key_format: self.fields.key_format,
            prefix: prefix.into_boxed_str(),
            signing_keys: self.fields.signing_keys.clone(),
            scheme: self.fields.token_scheme.clone(),
        };
        check::sizes(&self, &name, &tokens)?;
        self.check_known(&name, &tokens)?;
        let ending = self.ending(&tokens)?;
        Ok(Config(Arc::new(Settings {
            cookie: CookieSettings {
                attributes: self.attributes(&self.scope()),
                former: (self.fields.former_scopes.iter())
                    .map(|scope| self.attributes(scope))
                    .collect(),
                marks: ScopeMarks::new(&self.scope(), &self.fields.former_scopes),
                is_named: self.fields.cookie_name.is_some(),
                finder: memchr::memmem::Finder::new(&name).into_owned(),
                name: name.into_boxed_str(),
                insecure: self.fields.insecure_for_development,
            },
            header,
            tokens,
            lifetimes: Lifetimes {
                idle: self.fields.idle_timeout,
                absolute: self.fields.absolute_timeout,
            },
            grace: self.fields.rotation_grace,
            persistent: self.fields.persistent,
            idle_until_closed: self.fields.idle_timeout_until_closed,
            extend_on_read: self.fields.extend_on_read,
            touch_interval: self.fields.touch_interval,
            renew_cookie: self.fields.renew_cookie,
            delete_when_empty: self.fields.delete_when_empty,
            format: self.fields.format.clone(),
            envelope: self.fields.envelope.clone(),
            seal_values: self.fields.seal_values,
            public_values: self.public_names(),
            limits: self.fields.limits,
            save_on_server_error: self.fields.save_on_server_error,
            drop_superseded: self.fields.drop_superseded,
            cache_private: self.fields.cache_private,
            clear_site_data: self.fields.clear_site_data,
            reset_unreadable: self.fields.reset_unreadable,
            ending,
        })))
    }

    /// The scope of the cookies that are issued.
    pub(super) fn scope(&self) -> CookieScope {
        CookieScope {
            domain: self.fields.domain.clone(),
            path: self.fields.path.clone(),
            partitioned: self.fields.partitioned,
        }
    }

    /// Returns the attributes that follow the value in every Set-Cookie line: `; HttpOnly;
    /// SameSite=Lax; …`.
    fn attributes(&self, scope: &CookieScope) -> Box<str> {
        let mut cookie = cookie::Cookie::new("", "");
        cookie.set_path(&*scope.path);
        if let Some(domain) = &scope.domain {
            cookie.set_domain(&**domain);
        }
        cookie.set_secure(!self.fields.insecure_for_development);
        cookie.set_http_only(self.fields.http_only);
        cookie.set_same_site(match self.fields.same_site {
            SameSite::Strict => Some(cookie::SameSite::Strict),
            SameSite::Lax => Some(cookie::SameSite::Lax),
            SameSite::None => Some(cookie::SameSite::None),
            SameSite::Absent => None,
        });
        cookie.set_partitioned(scope.partitioned);
        cookie.to_string().split_off("=".len()).into_boxed_str()
    }
}

impl TryFrom<ConfigBuilder> for Config {
    type Error = ConfigError;

    fn try_from(builder: ConfigBuilder) -> Result<Self, ConfigError> {
        builder.build()
    }
}
