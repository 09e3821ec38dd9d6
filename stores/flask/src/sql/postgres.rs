//! Statements that PostgreSQL executes only if they are their own.
//!
//! sqlx names prepared statements from 1 on each connection. A pooler may give each transaction
//! another server connection. If it does not track the names, it executes another client's
//! statement of the same name. So each statement gets a proof as its first value, executes only
//! with its own, and returns it. If another proof comes back, nothing was done. From then on
//! statements are prepared without a name, inside a transaction, which no pooler divides.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _};

use super::STORE;
use super::connections::Connections;
use super::database::Value;
use super::failure::Failure;
use super::statements::Statement;
use crate::failure::{permanent, transient};

/// The statement that is written around the SQL of its proof. It can be no text in UTF-8 and no
/// number.
pub(super) fn proven(write: impl Fn(&str) -> String) -> Statement {
    let mut hasher = DefaultHasher::new();
    write("").hash(&mut hasher);
    let mut proof = vec![0xff];
    proof.extend(hasher.finish().to_be_bytes());
    let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
    Statement {
        sql: write(&format!("decode('{hex}', 'hex')")).into(),
        proof: proof.into(),
    }
}

/// The first row that a statement returns. Behind its first column, the proof, is what was asked
/// for.
pub(super) async fn row(
    connections: &Connections<Postgres>,
    writes: bool,
    statement: &Statement,
    values: &[Value<'_>],
) -> Result<PgRow, Failure> {
    let is_mixed_up = connections.is_mixed_up();
    let query = bound(statement, values, is_mixed_up);
    let asked = connections
        .run(writes, move |connection| {
            Box::pin(async move {
                if !is_mixed_up {
                    // To the end: a write may still fail after its row.
                    return query.fetch_all(connection).await;
                }
                let mut transaction = connection.begin().await?;
                match query.fetch_all(&mut *transaction).await {
                    Ok(rows) => transaction.commit().await.map(|()| rows),
                    Err(error) => {
                        transaction.rollback().await?;
                        Err(error)
                    }
                }
            })
        })
        .await;
    let proves = |row: &PgRow| {
        let proof = row.try_get::<&[u8], _>(0);
        proof.is_ok_and(|proof| *proof == *statement.proof)
    };
    match asked {
        Ok(rows) => {
            if let Some(row) = rows.into_iter().next().filter(proves) {
                return Ok(row);
            }
        }
        Err(Failure::MixedUp(_)) => {}
        Err(failure) => return Err(failure),
    }
    if is_mixed_up {
        let why = "the pooler before PostgreSQL keeps neither prepared statements nor transactions: set pool_mode = transaction, or \
                   max_prepared_statements (PgBouncer 1.21 and later)";
        return Err(Failure::Other(permanent(STORE, why)));
    }
    connections.mixed_up();
    let why = "something between here and PostgreSQL mixed up prepared statements";
    Err(Failure::Conflict(transient(STORE, why)))
}

fn bound(
    statement: &Statement,
    values: &[Value<'_>],
    is_mixed_up: bool,
) -> Query<'static, Postgres, PgArguments> {
    // Under another text, because a connection may have prepared this one by name.
    let sql: Arc<str> = match is_mixed_up {
        true => format!("{} ", statement.sql).into(),
        false => Arc::clone(&statement.sql),
    };
    let query = sqlx::query::<Postgres>(AssertSqlSafe(sql)).persistent(!is_mixed_up);
    let query = query.bind(&*statement.proof);
    values.iter().fold(query, |query, value| match *value {
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Number(number) => query.bind(number),
    })
}
