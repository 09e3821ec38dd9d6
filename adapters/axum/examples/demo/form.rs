//! Forms whose CSRF token has been checked.

use axum::RequestExt as _;
use axum::extract::{Form, FromRequest, Request};
use cloakroom_axum::Session;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A form and its session. Handlers of POSTs take their session only from here, so none can skip
/// the check.
pub(crate) struct Posted<T = ()> {
    pub(crate) session: Session,
    pub(crate) form: T,
}

/// The CSRF token that `pages::form` puts into every form, and the rest.
#[derive(Deserialize)]
struct Sent<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Posted<T> {
    type Rejection = Failure;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Failure> {
        let session: Session = request.extract_parts().await?;
        let sent = Form::<Sent<T>>::from_request(request, state).await;
        let Form(Sent { csrf, form }) =
            sent.map_err(|rejection| Failure::Form(rejection.status()))?;
        if !session.verify_csrf(&csrf)? {
            return Err(Failure::Forged {
                without_session: session.is_new()?,
            });
        }
        Ok(Self { session, form })
    }
}
