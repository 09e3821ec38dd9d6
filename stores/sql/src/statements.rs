use std::sync::Arc;

/// All SQL on one table. `?` stands for a value; in every database's statements the values come in the same order.
#[derive(Debug)]
pub(crate) struct Statements {
    /// key, now
    pub(crate) load: Arc<str>,
    /// key, value, expires_at, subject, version, created_at; then now, as often as the statement needs it
    pub(crate) create: Arc<str>,
    pub(crate) create_nows: usize,
    /// value, expires_at, subject, version; key, version, now
    pub(crate) replace: Arc<str>,
    /// expires_at; key, now
    pub(crate) touch: Arc<str>,
    /// key, version, now
    pub(crate) delete: Arc<str>,
    /// subject, now
    pub(crate) list: Arc<str>,
    pub(crate) sweep: Sweeping,
    /// Fails unless the table is there and has the columns.
    pub(crate) probe: Arc<str>,
    /// The name and the type of each column, as text.
    pub(crate) columns: Arc<str>,
    /// Makes the schema where it is missing.
    pub(crate) namespace: Option<Arc<str>>,
    /// Makes the table where it is missing.
    pub(crate) table: Arc<str>,
    /// Makes each index where it is missing.
    pub(crate) indexes: Vec<Arc<str>>,
}

/// How a batch of expired rows is removed.
#[derive(Debug)]
pub(crate) enum Sweeping {
    /// In one statement: now, limit, now
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    AtOnce(Arc<str>),
    /// In two: `find` (now, limit) the keys, then delete (now, keys): the beginning of a statement that the list of keys ends.
    #[cfg(feature = "mysql")]
    ByKey { find: Arc<str>, delete: Arc<str> },
}

impl Statements {
    /// `columns` tells those of the table; `made` makes it, then its indexes.
    pub(crate) fn new<const N: usize>(
        table: &str,
        create: &str,
        sweep: Sweeping,
        columns: String,
        (made, indexes): (String, [String; N]),
    ) -> Self {
        const RECORD: &str = "value, expires_at, version";
        let insert = format!(
            "INSERT INTO {table} (session_key, value, expires_at, subject, version, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        );
        Self {
            load: format!("SELECT {RECORD} FROM {table} WHERE session_key = ? AND expires_at > ?")
                .into(),
            create: format!("{insert} {create}").into(),
            create_nows: create.matches('?').count(),
            replace: format!(
                "UPDATE {table} SET value = ?, expires_at = ?, subject = ?, version = ? \
                 WHERE session_key = ? AND version = ? AND expires_at > ?"
            )
            .into(),
            touch: format!(
                "UPDATE {table} SET expires_at = ? WHERE session_key = ? AND expires_at > ?"
            )
            .into(),
            delete: format!(
                "DELETE FROM {table} WHERE session_key = ? AND version = ? AND expires_at > ?"
            )
            .into(),
            list: format!(
                "SELECT {RECORD}, session_key FROM {table} WHERE subject = ? AND expires_at > ?"
            )
            .into(),
            sweep,
            // Its answer has the same type whatever the columns have: it may be asked again when they have been altered.
            probe: format!(
                "SELECT COUNT(*) FROM (SELECT session_key, {RECORD}, subject, created_at FROM {table} WHERE 1 = 0) AS probe"
            )
            .into(),
            columns: columns.into(),
            namespace: None,
            table: made.into(),
            indexes: indexes.map(Arc::from).into(),
        }
    }

    /// What makes all that is needed, as a script.
    pub(crate) fn script(&self) -> String {
        let statements = self.namespace.iter().chain([&self.table]);
        statements
            .chain(&self.indexes)
            .map(|statement| format!("{statement};\n"))
            .collect()
    }
}

/// What SQLite and PostgreSQL have for taking over a row that has expired. A living one is left as it is, and the statement
/// then affects no row.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn takeover(table: &str) -> String {
    format!(
        "ON CONFLICT (session_key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, \
         subject = excluded.subject, version = excluded.version, created_at = excluded.created_at \
         WHERE {table}.expires_at <= ?"
    )
}
