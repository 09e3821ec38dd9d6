//! Values in an encrypted cookie are read back as the same type (R70).

#[path = "../../tests/kinds/mod.rs"]
mod kinds;
#[path = "../../tests/support/mod.rs"]
mod support;

use cloakroom_core::Config;
use cloakroom_sealed::{Sealed, SealingKey};
use kinds::Matrix;
use support::World;

#[test]
fn accepted_values_are_read_back_in_every_position_r70() {
    let sealed = Sealed::new(SealingKey::new([1; 32]));
    let config = Config::builder().envelope(sealed).build().expect("good");
    Matrix::new(World::with(config)).run(6_000, kinds::is_beyond_serde);
}
