use cloakroom::Error;
use cloakroom::frameworks::rocket as shared;
use rocket::http::ContentType;
use rocket::response::Responder as _;
use rocket::{Request, Response};

/// Returns the session's error of this request, if there was one: for catchers.
///
/// ```
/// use cloakroom_rocket::error_of;
/// use rocket::{Request, http::Status};
///
/// #[rocket::catch(default)]
/// fn sorry(status: Status, request: &Request<'_>) -> String {
///     match error_of(request) {
///         Some(error) => error.sentence().to_owned(),
///         None => status.to_string(),
///     }
/// }
/// ```
#[must_use]
pub fn error_of(request: &Request<'_>) -> Option<Error> {
    shared::error_of(request)
}

/// The application's page for an error, as if a handler had failed with it.
pub(crate) async fn page<'r>(error: Error, request: &'r Request<'_>) -> Response<'r> {
    let (status, text) = shared::report(error, request);
    // Rocket's choice: the longest base, and of those rather the catcher of this status.
    let path = request.uri().path();
    let catchers = request.rocket().catchers().filter(|catcher| {
        catcher.code.is_none_or(|code| code == status.code)
            && catcher.base.path().segments().prefix_of(path.segments())
    });
    let catcher = catchers
        .max_by_key(|catcher| (catcher.base.path().segments().len(), catcher.code.is_some()));
    if let Some(catcher) = catcher
        && let Ok(response) = catcher.handler.handle(status, request).await
    {
        return response;
    }
    // Rocket's own catcher is out of reach.
    let text = (ContentType::Plain, text).respond_to(request);
    let mut response = text.unwrap_or_default();
    response.set_status(status);
    response
}
