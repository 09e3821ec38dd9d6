//! The table and its indexes: made where they are missing, and checked.

use std::sync::Arc;

use cloakroom_store::StoreError;

use crate::failure;
use crate::store::SqlStore;

/// The columns of the table, and which of them are numbers.
const COLUMNS: [(&str, bool); 6] = [
    ("session_key", false),
    ("value", false),
    ("expires_at", true),
    ("subject", false),
    ("version", true),
    ("created_at", true),
];

impl SqlStore {
    /// Makes the table and its indexes where they are missing, and in PostgreSQL a named schema.
    ///
    /// It looks first. Where everything is there, it needs no right to make anything. Call it at
    /// every start, in any number of processes at once. So far the table has had one form only. A
    /// later version of this crate that has another one will change the table here.
    ///
    /// If the production user may not create tables, have their owner run
    /// [`schema_sql`](Self::schema_sql).
    ///
    /// # Errors
    ///
    /// Permanent, if the user may not make what is missing, or if the table of this name has other
    /// columns. The error names the column, and the table is left as it is.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_sql::SqlStore;
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// store.migrate().await?;
    /// store.migrate().await?; // nothing left to do
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let statements = &self.inner.statements;
        let mut layout = self.layout().await?;
        if layout.is_empty() {
            if let Some(namespace) = &statements.namespace {
                // Where it is there already, one may lack the right to make it. Where it is not,
                // the next statement fails.
                let _ = self.make(namespace).await;
            }
            let made = self.make(&statements.table).await;
            made.map_err(|error| failure::not_made("the table", &error))?;
            layout = self.layout().await?;
        }
        // Before the indexes, so that another application's table gets none.
        self.check(&layout)?;
        for index in &statements.indexes {
            let is_it = |(name, kind): &(String, String)| {
                kind == "index" && index.name.ends_with(&format!("{name}\""))
            };
            if !layout.iter().any(is_it) {
                let made = self.make(&index.sql).await;
                made.map_err(|error| {
                    failure::not_made(&format!("the index {}", index.name), &error)
                })?;
            }
        }
        Ok(())
    }

    /// Returns whether a table has the columns of a store.
    fn check(&self, layout: &[(String, String)]) -> Result<(), StoreError> {
        for (column, is_number) in COLUMNS {
            let is_it = |(name, kind): &&(String, String)| name == column && kind != "index";
            let Some((_, found)) = layout.iter().find(is_it) else {
                return Err(failure::lacking(column));
            };
            if let Some(wanted) = self.inner.database.wants(is_number, found) {
                return Err(failure::unfit(column, found, wanted));
            }
        }
        Ok(())
    }

    async fn layout(&self) -> Result<Vec<(String, String)>, StoreError> {
        let columns = &self.inner.statements.columns;
        self.read(|deadline| self.inner.database.layout(deadline, columns))
            .await
    }

    async fn make(&self, sql: &Arc<str>) -> Result<(), StoreError> {
        self.write(|deadline| self.inner.database.make(deadline, sql))
            .await
    }

    /// Returns the SQL that [`migrate`](Self::migrate) executes on an empty database.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom_store::StoreError> {
    /// # use cloakroom_sql::SqlStore;
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// let sql = store.schema_sql();
    /// assert!(sql.starts_with("CREATE TABLE IF NOT EXISTS \"cloakroom_sessions\" ("));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn schema_sql(&self) -> String {
        self.inner.statements.script()
    }
}
