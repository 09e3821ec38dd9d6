//! The cookie's attributes, as Flask and werkzeug derive them from the settings.

use cloakroom_core::{ConfigBuilder, ConfigError, SameSite};

use super::{SessionType, Settings};

impl Settings {
    pub(super) fn cookie(&self, builder: ConfigBuilder) -> Result<ConfigBuilder, ConfigError> {
        let fail = |field, problem| Err(ConfigError::new(field, problem));
        // Flask-Session ignores it.
        let partitioned =
            self.session_cookie_partitioned && self.session_type == SessionType::Cookie;
        let secure = self.session_cookie_secure || partitioned;
        if !secure {
            if self.session_cookie_samesite == Some(SameSite::None) {
                return fail(
                    "SESSION_COOKIE_SAMESITE",
                    "`None` needs SESSION_COOKIE_SECURE, or user agents drop the cookie; set that, or use Lax or Strict",
                );
            }
            let name = self.session_cookie_name.to_ascii_lowercase();
            if ["__host-", "__http-", "__secure-"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                return fail(
                    "SESSION_COOKIE_NAME",
                    "needs SESSION_COOKIE_SECURE because of its prefix; set that, or use another name",
                );
            }
        }
        let samesite = self.session_cookie_samesite.unwrap_or(SameSite::Absent);
        let mut builder = builder
            .cookie_name(&*self.session_cookie_name)
            .path(quoted(self.path()))
            .http_only(self.session_cookie_httponly)
            .same_site(samesite)
            .partitioned(partitioned);
        if let Some(domain) = self.session_cookie_domain.as_deref()
            && !domain.is_empty()
        {
            builder = builder.domain(host(domain));
        }
        if !secure {
            builder = builder.insecure_for_development();
        }
        Ok(builder)
    }

    fn own_path(&self) -> Option<&str> {
        let path = self.session_cookie_path.as_deref();
        path.filter(|path| !path.is_empty())
    }

    fn path(&self) -> &str {
        self.own_path().unwrap_or(&self.application_root)
    }

    /// Returns the key that sets the path.
    pub(super) fn path_key(&self) -> &'static str {
        match self.own_path() {
            Some(_) => "SESSION_COOKIE_PATH",
            None => "APPLICATION_ROOT",
        }
    }
}

/// Returns the domain without the port, and without leading dots.
fn host(domain: &str) -> &str {
    let host = domain.split(':').next().unwrap_or_default();
    host.trim_start_matches('.')
}

/// Does the same as werkzeug's `urllib.parse.quote(path, safe="%!$&'()*+,/:=@")`.
fn quoted(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"_.-~%!$&'()*+,/:=@".contains(&byte) => {
                quoted.push(char::from(byte));
            }
            byte => {
                quoted.push('%');
                for digit in [byte >> 4, byte & 0x0f] {
                    let digit = char::from_digit(digit.into(), 16).unwrap_or_default();
                    quoted.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
    quoted
}
