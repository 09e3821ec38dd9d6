//! The tables of axum_session_sqlx.

use cloakroom_flask_stores::{Columns, SqlAlchemyStore};
use cloakroom_store::StoreError;

use crate::store::AxumSessions;

impl AxumSessions<SqlAlchemyStore> {
    /// Connects to the table `sessions` of axum_session_sqlx. The URL is sqlx's: `postgres://…`,
    /// `mysql://…`, `sqlite:…`. Each needs the feature of that name.
    ///
    /// The store has connections of its own, ten at most. An operation takes 5 seconds at most, and
    /// then fails with a transient error. For another table, or other limits, see
    /// [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, or the database cannot be reached. None contains the URL.
    ///
    /// ```
    /// # use cloakroom_axum_session::AxumSessions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = AxumSessions::connect_sql("oracle://user:secret@localhost").await;
    /// assert!(!error.unwrap_err().to_string().contains("secret"));
    /// # }
    /// ```
    pub async fn connect_sql(url: &str) -> Result<Self, StoreError> {
        let inner = SqlAlchemyStore::builder_of_sqlx(url).columns(Columns::AxumSession);
        Ok(Self::new(inner.connect().await?))
    }
}
