use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::file::File;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::health::Health;

/// Decides whether a connection that was used before is used again.
#[derive(Clone)]
pub(crate) enum Check {
    /// Always: a database in memory has no other connection.
    #[cfg(feature = "sqlite")]
    Never,
    /// If it has the file open that is there now.
    #[cfg(feature = "sqlite")]
    File(File),
    /// If the server is still there. Where there is a doubt, it is asked, and has this long to
    /// answer.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Server(Health, Duration),
}

/// A connection's state, as far as it is known without waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sound,
    /// Only the server can tell.
    Doubtful,
    Gone,
}

impl Check {
    /// Judges a connection of this age that has been idle for this long.
    pub(crate) fn verdict(
        &self,
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
    ) -> Verdict {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Never => Verdict::Sound,
            #[cfg(feature = "sqlite")]
            Self::File(file) if file.is_that_of(age) => Verdict::Sound,
            #[cfg(feature = "sqlite")]
            Self::File(_) => Verdict::Gone,
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Server(health, _) => health.verdict(unused),
        }
    }

    /// Asks the server, for a connection in doubt.
    pub(crate) async fn answers(
        &self,
        #[cfg_attr(
            not(any(feature = "postgres", feature = "mysql")),
            expect(unused_variables, reason = "there is no server that could go")
        )]
        connection: &mut impl sqlx::Connection,
    ) -> bool {
        match self {
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Server(health, patience) => health.answers(connection, *patience).await,
            #[cfg(feature = "sqlite")]
            Self::Never | Self::File(_) => true,
        }
    }

    /// Returns whether a connection may be closed because it is idle or old.
    pub(crate) fn may_close(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Never => false,
            #[cfg(feature = "sqlite")]
            Self::File(_) => true,
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Server(..) => true,
        }
    }
}
