use std::sync::Arc;

/// A statement with values.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sql: Arc<str>,
    /// The proof that one statement and its answer share, for servers whose prepared statements may
    /// be mixed up.
    #[cfg(feature = "postgres")]
    pub(crate) proof: Arc<[u8]>,
}

impl<T: Into<Arc<str>>> From<T> for Statement {
    fn from(sql: T) -> Self {
        Self {
            sql: sql.into(),
            #[cfg(feature = "postgres")]
            proof: Arc::default(),
        }
    }
}

/// All SQL on one table. The values come in the same order in every database's statements.
#[derive(Debug)]
pub(crate) struct Statements {
    /// key, now
    pub(crate) load: Statement,
    /// key, value, expires_at, subject, version, created_at; then now, as often as the statement
    /// needs it
    pub(crate) create: Statement,
    pub(crate) create_nows: usize,
    /// value, expires_at, subject, version; key, version, now
    pub(crate) replace: Statement,
    /// expires_at; key, now
    pub(crate) touch: Statement,
    /// key, version, now
    pub(crate) delete: Statement,
    /// subject, now
    pub(crate) list: Statement,
    /// key, now, limit
    pub(crate) page: Statement,
    pub(crate) sweep: Sweeping,
    /// The name and the type of each column, as text. No row means that there is no table.
    pub(crate) columns: Arc<str>,
    /// Makes the schema where it is missing.
    pub(crate) namespace: Option<Arc<str>>,
    /// Makes the table where it is missing.
    pub(crate) table: Arc<str>,
    pub(crate) indexes: Vec<Made>,
}

/// An index that is made where it is missing.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) sql: Arc<str>,
}

/// How a batch of expired rows is removed.
#[derive(Debug)]
pub(crate) enum Sweeping {
    /// In one statement: now, limit, now
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    AtOnce(Statement),
    /// In two: `find` (now, limit) the keys, then delete (now, keys): the beginning of a statement
    /// that the list of keys ends.
    #[cfg(feature = "mysql")]
    ByKey { find: Statement, delete: Arc<str> },
}

impl Statements {
    /// The statements of databases that count their values by question marks.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    pub(crate) fn new<const N: usize>(
        table: &str,
        create: &str,
        sweep: Sweeping,
        columns: String,
        made: String,
        indexes: [Made; N],
    ) -> Self {
        const RECORD: &str = "value, expires_at, version";
        Self {
            load: format!("SELECT {RECORD} FROM {table} WHERE session_key = ? AND expires_at > ?")
                .into(),
            create: format!(
                "INSERT INTO {table} \
                 (session_key, value, expires_at, subject, version, created_at) \
                 VALUES (?, ?, ?, ?, ?, ?) {create}"
            )
            .into(),
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
                "SELECT {RECORD}, session_key FROM {table} WHERE subject = ? AND expires_at > ? \
                 LIMIT ?"
            )
            .into(),
            page: format!(
                "SELECT {RECORD}, session_key, subject FROM {table} \
                 WHERE session_key > ? AND expires_at > ? ORDER BY session_key LIMIT ?"
            )
            .into(),
            sweep,
            columns: columns.into(),
            namespace: None,
            table: made.into(),
            indexes: indexes.into(),
        }
    }

    /// The script that creates the table and its indexes.
    pub(crate) fn script(&self) -> String {
        let statements = self.namespace.iter().chain([&self.table]);
        statements
            .chain(self.indexes.iter().map(|index| &index.sql))
            .map(|statement| format!("{statement};\n"))
            .collect()
    }
}

/// Takes over a row that has expired. A living one is left as it is, and the statement then affects
/// no row.
#[cfg(feature = "sqlite")]
pub(crate) fn takeover(table: &str) -> String {
    format!(
        "ON CONFLICT (session_key) DO UPDATE SET value = excluded.value, \
         expires_at = excluded.expires_at, subject = excluded.subject, version = excluded.version, \
         created_at = excluded.created_at WHERE {table}.expires_at <= ?"
    )
}
