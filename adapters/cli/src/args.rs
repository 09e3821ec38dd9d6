//! The arguments. Their documentation is the help and the man page.

use clap::{Args as Group, Parser, Subcommand};
use clap_complete::Shell;

const STATUSES: &str = "\
Exit statuses:
    0  done
    1  nothing found: no such session, or none of this subject
    2  the arguments are wrong
    3  the store cannot be reached, or did not answer; trying again may help
    4  the store refused or failed; `check` found a fault
    5  this store, or this build of the command, lacks the ability
  130  interrupted by Ctrl-C or SIGTERM; the next run goes on

No output contains a token, a key of a record or the password of a URL. Values of sessions are
printed by `export` alone.";

/// Looks after the sessions of an application, in any of its stores.
#[derive(Debug, Parser)]
#[command(
    name = "cloakroom",
    version,
    about,
    after_help = STATUSES,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    /// The store's URL: file:, sqlite:, postgres:, mysql:, redis:, mongodb:, memcached: and their
    /// variants.
    ///
    /// Other users of the machine can read a command's arguments. Put a URL with a password into
    /// the environment.
    #[arg(
        long,
        global = true,
        env = "CLOAKROOM_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store: Option<String>,

    /// The name of the sessions' place in the store: table, collection, prefix or directory.
    /// Default: that of the store's crate.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// The application's cookie.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "__Host-session"
    )]
    pub(crate) cookie: String,

    /// The application's header, if it takes the token from a header instead of a cookie.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) header: Option<String>,

    /// The store that `migrate` moves from.
    #[arg(
        long,
        global = true,
        env = "CLOAKROOM_FROM",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) from: Option<String>,

    /// The store that `migrate` moves to.
    #[arg(
        long,
        global = true,
        env = "CLOAKROOM_TO",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) to: Option<String>,

    /// Print JSON for programs, and no tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try the store: connection, rights, clock, latency, eviction policy. Say what would go wrong.
    ///
    /// Writes a record of its own under a key that no application uses, changes it, and deletes it.
    /// It expires after a minute if the command is killed in between.
    Check,
    /// List the sessions of one subject.
    List {
        /// The subject: the name that the application passes to `sign_in`.
        subject: String,
    },
    /// Show one session.
    ///
    /// Without `--of` the command looks through the whole store, and finds sessions without a
    /// subject too. Memcached and Redis Cluster cannot.
    Show {
        /// The session's public id, from `list`.
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// The session's subject.
        #[arg(long, value_name = "SUBJECT")]
        of: Option<String>,
    },
    /// Count the sessions, by looking through the whole store.
    ///
    /// Memcached and Redis Cluster cannot.
    Stats,
    /// End the sessions of one subject, or one session.
    ///
    /// Ends them until the store lists none, so that rotations in flight do not save a session. A
    /// sign-in that is in flight at the end makes a session that stays. So lock the account first,
    /// then revoke.
    Revoke(Revoke),
    /// End all sessions of the application, those of visitors who are not signed in too.
    ///
    /// Writes one record, which every process of the application heeds within its lease. Each must
    /// have `end_all_within` set in its configuration: others go on with their sessions. On a
    /// terminal the command asks first. Elsewhere it needs `--yes`.
    EndAll(EndAll),
    /// Remove expired sessions, in small steps.
    ///
    /// Expired sessions are invisible in any case. Removing them frees their space.
    Purge(Purge),
    /// Move all sessions from one store to another: `cloakroom --from URL --to URL migrate`.
    ///
    /// Each record is created in the new store under the same key, unless one is there, and then
    /// removed from the old one. Stop the application meanwhile, or have all its processes use
    /// `cloakroom_adopting::Adopting` on both stores. The new store's table or directory must be
    /// there. The old store is any but Memcached and a Redis Cluster.
    Migrate(Migrate),
    /// Print all sessions of one subject with their values, as JSON.
    ///
    /// Values are private. On a terminal the command asks first. Elsewhere it needs `--yes`.
    Export {
        /// The subject: the name that the application passes to `sign_in`.
        subject: String,
        /// Print the values without a question.
        #[arg(long)]
        yes: bool,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page.
    Man,
}

#[derive(Debug, Group)]
pub(crate) struct Revoke {
    /// The subject: the name that the application passes to `sign_in`. Optional with `--id`: then
    /// the command looks through the whole store, and ends a session without a subject too.
    #[arg(required_unless_present = "id")]
    pub(crate) subject: Option<String>,
    /// End only the session of this public id.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: Option<String>,
    /// Change nothing, and print what would end.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Group)]
pub(crate) struct EndAll {
    /// Change nothing, and try whether the store could be reached.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// End them without a question.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Purge {
    /// How many records one step removes.
    #[arg(long, value_name = "RECORDS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) step: u32,
    /// The pause between two steps, in which applications get the store.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10)]
    pub(crate) pause: u64,
    /// Change nothing, and print what a run would do.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Migrate {
    /// Change nothing, and print how many records would move.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn an_id_may_begin_with_a_hyphen() {
        let show = [
            "cloakroom",
            "show",
            "-qTm41u_QrgbzJ0K",
            "--of",
            "ada",
            "--json",
        ];
        let args = Args::try_parse_from(show).unwrap();
        assert!(args.json);
        assert!(matches!(args.command, Command::Show { id, .. } if id == show[2]));
        let revoke = [
            "cloakroom",
            "revoke",
            "ada",
            "--id",
            "-qTm41u_QrgbzJ0K",
            "--dry-run",
        ];
        let args = Args::try_parse_from(revoke).unwrap();
        assert!(matches!(args.command, Command::Revoke(what) if what.dry_run && what.id.is_some()));
    }
}
