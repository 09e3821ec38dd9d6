//! R76: a change of Domain, Path or Partitioned, with Flask's own cookie. Its time has whole
//! seconds.

#[path = "../../tests/scopes/mod.rs"]
mod scopes;
#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_core::ConfigBuilder;
use cloakroom_flask::{SessionType, Settings};
use proptest::prelude::*;
use scopes::{check, deployments, steps};

fn flask() -> ConfigBuilder {
    let mut settings = Settings::new(SessionType::Cookie);
    settings.secret_key = Some("dev-secret-key".into());
    settings.session_cookie_secure = true;
    settings.builder().expect("good settings")
}

proptest! {
    #[test]
    fn a_cookie_of_a_named_former_scope_is_removed(steps in steps(0..2_000)) {
        check(&deployments(&flask, true), &steps, true);
    }

    #[test]
    fn a_sign_in_and_a_sign_out_outrank_older_cookies(steps in steps(1..2_000)) {
        check(&deployments(&flask, false), &steps, false);
    }
}
