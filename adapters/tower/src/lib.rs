//! cloakroom-tower
