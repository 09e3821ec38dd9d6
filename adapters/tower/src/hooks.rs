use http::{HeaderMap, StatusCode};
use std::sync::Arc;

type Failed = dyn Fn(StatusCode, &HeaderMap) -> bool + Send + Sync;

/// The application's choices: the page for failed commits, and which responses are failures.
pub(crate) struct Hooks<E> {
    pub(crate) on_commit_error: Arc<E>,
    pub(crate) failed: Option<Arc<Failed>>,
}

impl<E> Hooks<E> {
    /// Whether the changes of a request with this response are dropped.
    pub(crate) fn drops(
        &self,
        config: &cloakroom::Config,
        parts: (StatusCode, &HeaderMap),
    ) -> bool {
        let (status, headers) = parts;
        let failed = self.failed.as_ref();
        status.is_server_error() && !config.saves_on_server_error()
            || failed.is_some_and(|failed| failed(status, headers))
    }
}

/// Returns whether a gRPC response is a failure: its head has a `grpc-status` other than 0. For
/// [`SessionLayer::failed_if`](crate::SessionLayer::failed_if).
///
/// A handler that returns an error answers with such a head. The status of a stream that fails
/// later is in its trailers. They follow when the changes have been saved.
///
/// ```
/// use http::{HeaderMap, StatusCode};
///
/// let mut headers = HeaderMap::new();
/// assert!(!cloakroom_tower::grpc_failed(StatusCode::OK, &headers));
/// headers.insert("grpc-status", "13".parse()?);
/// assert!(cloakroom_tower::grpc_failed(StatusCode::OK, &headers));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn grpc_failed(_: StatusCode, headers: &HeaderMap) -> bool {
    let status = headers.get("grpc-status");
    status.is_some_and(|status| status.as_bytes() != b"0")
}
