//! cloakroom-axum
