//! Error pages. They show a visitor no internals. The details go to the log.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom_axum::Error;

use crate::pages;

/// Why a handler has no page to show.
pub(crate) enum Failure {
    /// The page needs a signed-in user.
    SignedOut,
    /// A form without the CSRF token of its session.
    Forged { without_session: bool },
    /// A form that is none of ours: too long, without a field, not a form at all.
    Form(StatusCode),
    /// The session could not be loaded or used, or the list of them.
    Session(Error),
}

/// From what the methods of a session, and of `Sessions`, return.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Session(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::SignedOut => Redirect::to("/sign-in").into_response(),
            Self::Forged {
                without_session: false,
            } => page(
                StatusCode::FORBIDDEN,
                "This form is no longer valid",
                "You may have signed in or out in another tab since it was loaded. Go back, reload the page, and send it again. Nothing has been changed.",
            ),
            Self::Forged {
                without_session: true,
            } => page(
                StatusCode::FORBIDDEN,
                "Your session has ended",
                "It may have expired, or been signed out from another device. If this page comes again, your browser does not keep our cookie: \
                 allow cookies for this site, and reach it over https or on your own machine. Nothing has been changed.",
            ),
            Self::Form(status) => page(
                status,
                "That form makes no sense here",
                "Go back, reload the page, and try again. Nothing has been changed.",
            ),
            Self::Session(error) => {
                tracing::error!(%error, "a session could not be used");
                match error.status() {
                    StatusCode::SERVICE_UNAVAILABLE => page(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "We cannot reach your session",
                        "It is kept safe, but we cannot get at it right now. Please try again in a moment.",
                    ),
                    status => page(
                        status,
                        "Something is wrong with your session",
                        "We have been told about it, and are looking into it.",
                    ),
                }
            }
        }
    }
}

/// The answer in place of a handler's, if what it did could not be saved. See
/// `SessionLayer::on_commit_error`.
pub(crate) fn not_saved(error: &Error) -> Response {
    tracing::error!(%error, "a session could not be saved");
    let status = error.status();
    page(
        status,
        "That could not be saved",
        "Your last step may not have been kept. Please go back, reload the page, and look before you try again.",
    )
}

pub(crate) async fn no_such_page() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "Nothing hangs here",
        "There is no page at this address.",
    )
}

pub(crate) async fn wrong_method() -> Response {
    page(
        StatusCode::METHOD_NOT_ALLOWED,
        "Not this way",
        "This address is there for the site's own forms.",
    )
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    (status, pages::failure(status, title, text)).into_response()
}
