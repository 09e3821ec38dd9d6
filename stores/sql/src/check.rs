use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::file::File;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::health::Health;

/// What is asked before a connection that was used before is used again.
#[derive(Clone)]
pub(crate) enum Check {
    /// Nothing: it is all there is, as a database in memory.
    #[cfg(feature = "sqlite")]
    None,
    /// Whether it has the file open that is there now.
    #[cfg(feature = "sqlite")]
    File(File),
    /// Whether the server is still there, if there is a doubt. It may take so long to say so.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Server(Health, Duration),
}

impl Check {
    /// What to do with a connection that nobody has used for so long, and that is at least of this age. An error means to close
    /// it without another word to the server.
    pub(crate) async fn is_passed(
        &self,
        #[cfg_attr(
            not(any(feature = "postgres", feature = "mysql")),
            expect(unused_variables, reason = "there is no server that could go")
        )]
        connection: &mut impl sqlx::Connection,
        #[cfg_attr(
            not(any(feature = "postgres", feature = "mysql")),
            expect(unused_variables, reason = "there is no server that could go")
        )]
        unused: Duration,
        #[cfg_attr(
            not(feature = "sqlite"),
            expect(unused_variables, reason = "there is no file")
        )]
        age: Duration,
    ) -> sqlx::Result<bool> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::None => Ok(true),
            #[cfg(feature = "sqlite")]
            Self::File(file) => Ok(file.is_that_of(age)),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Server(health, patience) => health.check(connection, unused, *patience).await,
        }
    }
}
