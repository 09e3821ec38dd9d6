//! Values are read back as the same type (R70).

mod kinds;
mod support;

use kinds::Matrix;
use support::World;

#[test]
fn accepted_values_are_read_back_in_every_position_r70() {
    Matrix::new(World::new()).run(6_000, kinds::is_beyond_serde);
}

#[test]
fn values_of_the_first_version_are_read_in_every_position_r70() {
    Matrix::older(World::new()).run(1_900, |_| false);
}
