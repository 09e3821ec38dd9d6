//! The real packages, each set in a virtual environment of its own, next to cargo's output, where
//! the next run finds them.

use std::io;
use std::path::PathBuf;
use std::thread;

use cloakroom_servers::venv;

/// A release of Flask-Session with what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// The last before cachelib: Flask 1.1, werkzeug's own cache, pymongo's removed methods.
    V0_3_1,
    /// The last before 0.6: pickles, cookies as bytes, which werkzeug 2.2 still takes.
    V0_5_0,
    /// The newest, on Flask 3.1.
    V0_8_0,
}

impl Release {
    pub(super) const ALL: [Self; 3] = [Self::V0_3_1, Self::V0_5_0, Self::V0_8_0];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V0_3_1 => "0.3.1",
            Self::V0_5_0 => "0.5.0",
            Self::V0_8_0 => "0.8.0",
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::V0_3_1 => &[
                "Flask-Session==0.3.1",
                "Flask==1.1.4",
                "Werkzeug==0.16.1",
                "Jinja2==2.11.3",
                "MarkupSafe==2.0.1",
                "itsdangerous==1.1.0",
                "Flask-SQLAlchemy==2.5.1",
                "SQLAlchemy==1.4.54",
                "pymongo==3.13.0",
                "redis==5.2.1",
                "python-memcached==1.62",
                "PyMySQL==1.1.1",
                "pytz",
                "tzdata",
                "psycopg2-binary",
            ],
            Self::V0_5_0 => &[
                "Flask-Session==0.5.0",
                "Flask==2.2.5",
                "Werkzeug==2.2.3",
                "cachelib==0.10.2",
                "Flask-SQLAlchemy==3.0.5",
                "SQLAlchemy==2.0.*",
                "pymongo==3.13.0",
                "redis==5.2.1",
                "python-memcached==1.62",
                "PyMySQL==1.1.1",
                "pytz",
                "tzdata",
                "psycopg2-binary",
            ],
            Self::V0_8_0 => &[
                "Flask-Session==0.8.0",
                "Flask==3.1.*",
                "cachelib==0.17.*",
                "msgspec",
                "Flask-SQLAlchemy==3.1.1",
                "SQLAlchemy==2.0.*",
                "pymongo==4.*",
                "redis==5.2.1",
                "python-memcached==1.62",
                "pymemcache==4.0.0",
                // Elsewhere there is nothing built.
                "pylibmc==1.6.3; sys_platform == 'linux'",
                "PyMySQL==1.1.1",
                "pytz",
                "tzdata",
                "psycopg2-binary",
            ],
        }
    }
}

/// The Python of each release, made where it is missing, all at once.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] with what to do where there is no Python, or no PyPI.
pub(super) fn pythons() -> io::Result<[PathBuf; 3]> {
    let made = thread::scope(|scope| {
        let threads = Release::ALL.map(|release| scope.spawn(move || python(release)));
        threads.map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the installation panicked")))
        })
    });
    let [a, b, c] = made;
    Ok([a?, b?, c?])
}

fn python(release: Release) -> io::Result<PathBuf> {
    // The directory's name contains its packages, so other packages get another directory.
    let digest = release
        .packages()
        .iter()
        .flat_map(|package| package.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let name = format!("flask-{}-{digest:016x}", release.name());
    Ok(venv(&name, release.packages())?.join("bin/python"))
}
