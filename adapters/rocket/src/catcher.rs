use rocket::catcher::Catcher;
use rocket::http::Status;
use rocket::{Request, Response};

use crate::Error;

/// The application's own page for this error, as if a handler had failed with it.
pub(crate) async fn respond<'r>(error: Error, request: &'r Request<'_>) -> Response<'r> {
    let status = error.report(request);
    if let Some(catcher) = catcher(status, request)
        && let Ok(response) = catcher.handler.handle(status, request).await
    {
        return response;
    }
    let mut response = Response::new();
    response.set_status(status);
    response
}

/// The one that Rocket would choose: of the longest base, and of those rather one for this status than one for all.
fn catcher<'r>(status: Status, request: &'r Request<'_>) -> Option<&'r Catcher> {
    let path = request.uri().path();
    let responsible = request.rocket().catchers().filter(|catcher| {
        catcher.code.is_none_or(|code| code == status.code)
            && catcher.base.path().segments().prefix_of(path.segments())
    });
    responsible.max_by_key(|catcher| (catcher.base.path().segments().len(), catcher.code.is_some()))
}
