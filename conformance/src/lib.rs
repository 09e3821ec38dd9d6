//! cloakroom-conformance
