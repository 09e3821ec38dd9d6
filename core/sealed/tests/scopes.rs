//! R76: a change of Domain, Path or Partitioned, with sessions in a store and in the cookie.

#[path = "../../tests/scopes/mod.rs"]
mod scopes;
#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_core::{Config, ConfigBuilder};
use cloakroom_sealed::{Sealed, SealingKey};
use proptest::prelude::*;
use scopes::{check, deployments, steps};

fn sealed() -> ConfigBuilder {
    Config::builder().envelope(Sealed::new(SealingKey::new([1; 32])))
}

proptest! {
    #[test]
    fn a_cookie_of_a_named_former_scope_is_removed(steps in steps(0..2_000)) {
        check(&deployments(&Config::builder, true), &steps, true);
        check(&deployments(&sealed, true), &steps, true);
    }

    // In nodes that do not know of one another's scope.
    #[test]
    fn a_sign_in_and_a_sign_out_outrank_older_cookies(steps in steps(0..2_000)) {
        check(&deployments(&sealed, false), &steps, false);
    }
}
