use rocket::{Request, Response};

use crate::Error;

/// The application's own page for this error, as if a handler had failed with it.
pub(crate) async fn respond<'r>(error: Error, request: &'r Request<'_>) -> Response<'r> {
    let status = error.report(request);
    let path = request.uri().path().segments();
    // The one that Rocket would choose: of the longest base, and of those rather one for this status than one for all.
    let catchers = request.rocket().catchers().filter(|catcher| {
        catcher.code.is_none_or(|code| code == status.code)
            && catcher.base.path().segments().prefix_of(path.clone())
    });
    let catcher = catchers
        .max_by_key(|catcher| (catcher.base.path().segments().len(), catcher.code.is_some()));
    if let Some(catcher) = catcher
        && let Ok(response) = catcher.handler.handle(status, request).await
    {
        return response;
    }
    Response::build().status(status).finalize()
}
