//! A retry layer between the session's layer and the handlers.

use std::future::{Ready, ready};

use http::{Request, Response, Uri};
use tower::retry::{Policy, Retry};

/// Repeats requests under `/repeated` whose response is 503, once, at the path `again` below.
#[derive(Clone)]
pub struct Again {
    prefix: &'static str,
}

/// Goes around the handlers. `prefix` is what they see of the path `/repeated`.
pub fn repeating<S>(handlers: S, prefix: &'static str) -> Retry<Again, S> {
    Retry::new(Again { prefix }, handlers)
}

impl<B: Default, C, E> Policy<Request<B>, Response<C>, E> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<C>, E>,
    ) -> Option<Ready<()>> {
        let unavailable = matches!(result, Ok(response) if response.status() == 503);
        let path = request.uri().path();
        if !unavailable || path.ends_with("/again") {
            return None;
        }
        let again = format!("{}/again", path.trim_end_matches('/'));
        *request.uri_mut() = again.parse::<Uri>().ok()?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        if !request.uri().path().starts_with(self.prefix) {
            return None;
        }
        let mut copy = Request::new(B::default());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}
