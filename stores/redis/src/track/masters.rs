//! The masters of a cluster, each of which announces the changes of its own records.
//!
//! A listener is complete as long as it listens to every master. So with each question the masters
//! say which masters there are, and the number of the cluster's epoch. A replica takes over only
//! after most of the masters have voted, and a vote raises the number first. So a question that
//! all masters answer with the same number was answered before any other master got a write.
//!
//! A slot may move from one of them to another. Its changes are announced by either.

use std::collections::BTreeSet;
use std::time::Duration;

use cloakroom_store::StoreError;
use futures_util::future::{join_all, try_join_all};
use redis::{Cmd, PushInfo, Value};
use tokio::sync::broadcast::Sender;

use super::{answer, sent, tracking};
use crate::failure;
use crate::link::Link;
use crate::way::One;

/// Connections to all masters.
#[derive(Clone)]
pub(super) struct Masters {
    connections: Vec<One>,
    view: View,
}

/// The masters as one of them sees the cluster, and the number of the epoch.
#[derive(Clone, PartialEq, Eq)]
struct View {
    masters: BTreeSet<Master>,
    epoch: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Master {
    id: String,
    /// Empty where a node does not know its own.
    host: String,
    port: u16,
}

impl Masters {
    /// Listens to each master that a node names.
    pub(super) async fn listen(
        link: &Link,
        prefix: &str,
        pushes: &Sender<PushInfo>,
    ) -> Result<Self, StoreError> {
        let (any, host) = link.any_node().await?;
        let listed = listed(&text(answer(link, &any, &nodes()).await?)?);
        let all = listed.iter().map(|(master, _)| {
            let host = match &*master.host {
                "" => &*host,
                known => known,
            };
            one(link, host, master.port, prefix, pushes)
        });
        let connections = try_join_all(all).await?;
        let views = connections.iter().map(|connection| async {
            let nodes = text(answer(link, connection, &nodes()).await?)?;
            let info = text(answer(link, connection, &info()).await?)?;
            Ok::<_, StoreError>(View::parse(&nodes, &info))
        });
        let views = try_join_all(views).await?;
        let ids: BTreeSet<_> = listed.iter().map(|(master, _)| &*master.id).collect();
        match one_view(&views) {
            // Each connection leads to the node that it is for, and no master is missing.
            Some((view, here)) if here == ids && view.ids() == ids => Ok(Self {
                view: view.clone(),
                connections,
            }),
            _ => Err(failure::changing()),
        }
    }

    /// Returns whether these are still all masters, as each of them has it now.
    ///
    /// A server writes the answers of a turn of its loop before the announcements of that turn. The
    /// second question is in a later turn.
    pub(super) async fn are_all(&self, patience: Duration) -> bool {
        let views = self.connections.iter().map(|connection| async {
            let nodes = sent(connection, &nodes(), patience).await.ok()?;
            let info = sent(connection, &info(), patience).await.ok()?;
            View::parse(&text(nodes).ok()?, &text(info).ok()?)
        });
        let views = join_all(views).await;
        one_view(&views).is_some_and(|(view, here)| *view == self.view && here == self.view.ids())
    }
}

/// Opens a connection to a master, on which it announces what changes from now on.
async fn one(
    link: &Link,
    host: &str,
    port: u16,
    prefix: &str,
    pushes: &Sender<PushInfo>,
) -> Result<One, StoreError> {
    let connection = link.node(host, port, pushes.clone()).await?;
    answer(link, &connection, &tracking(prefix)).await?;
    Ok(connection)
}

/// Returns the view that all nodes share, and the ids of these nodes.
fn one_view(views: &[Option<(View, String)>]) -> Option<(&View, BTreeSet<&str>)> {
    let (view, _) = views.first()?.as_ref()?;
    let mut here = BTreeSet::new();
    for found in views {
        let (other, id) = found.as_ref()?;
        if other != view {
            return None;
        }
        here.insert(&**id);
    }
    Some((view, here))
}

impl View {
    /// Reads a node's answers. Returns its own id too. None if it is no master.
    fn parse(nodes: &str, info: &str) -> Option<(Self, String)> {
        let mut me = None;
        let mut masters = BTreeSet::new();
        for (mut master, is_me) in listed(nodes) {
            if is_me {
                me = Some(master.id.clone());
            }
            // Nodes may disagree about the addresses: each may not have its own.
            master.host.clear();
            masters.insert(master);
        }
        let epoch = info.lines().find_map(|line| {
            let number = line.strip_prefix("cluster_current_epoch:")?;
            number.trim().parse().ok()
        })?;
        Some((Self { masters, epoch }, me?))
    }

    fn ids(&self) -> BTreeSet<&str> {
        self.masters.iter().map(|master| &*master.id).collect()
    }
}

/// Returns the masters in an answer to `CLUSTER NODES`, and which of them has sent it.
///
/// A master without slots is one of them: it may be about to get some, and has writes before that.
/// A master that has failed is one as long as no other has its slots.
fn listed(nodes: &str) -> Vec<(Master, bool)> {
    let master = |line: &str| {
        let mut fields = line.split_whitespace();
        let (id, address, flags) = (fields.next()?, fields.next()?, fields.next()?);
        let has_slots = fields.nth(5).is_some();
        let is = |flag: &str| flags.split(',').any(|given| given == flag);
        if !is("master") || ((is("fail") || is("noaddr")) && !has_slots) {
            return None;
        }
        // Address, port, the bus' port, and since version 7 the host's name.
        let (address, _) = address.split_once('@').unwrap_or((address, ""));
        let (host, port) = address.rsplit_once(':')?;
        let master = Master {
            id: id.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.parse().ok()?,
        };
        Some((master, is("myself")))
    };
    nodes.lines().filter_map(master).collect()
}

fn nodes() -> Cmd {
    let mut nodes = redis::cmd("CLUSTER");
    nodes.arg("NODES");
    nodes
}

fn info() -> Cmd {
    let mut info = redis::cmd("CLUSTER");
    info.arg("INFO");
    info
}

fn text(answer: Value) -> Result<String, StoreError> {
    redis::from_redis_value(answer).map_err(|_| failure::answer())
}

#[cfg(test)]
mod tests {
    use super::{View, listed, one_view};

    const INFO: &str = "cluster_state:ok\r\ncluster_current_epoch:6\r\ncluster_my_epoch:2\r\n";

    /// `CLUSTER NODES` as node `me` answers it.
    fn nodes(me: &str, more: &str) -> String {
        let line = |id: &str, port: u16, rest: &str| {
            let myself = if id == me { "myself," } else { "" };
            format!("{id} 10.0.0.1:{port}@1{port},host {myself}master - 0 {port} {rest}\n")
        };
        let slave = "d 10.0.0.1:7003@17003 slave a 0 1 1 connected\n";
        let [a, b] = [
            ("a", 7000, "1 connected 0-99 [93->-b]"),
            ("b", 7001, "2 connected"),
        ]
        .map(|(id, port, rest)| line(id, port, rest));
        format!("{a}{b}{slave}{more}")
    }

    #[test]
    fn masters_without_slots_count_and_replicas_do_not() {
        let nodes = nodes("a", "");
        let found = listed(&nodes);
        let found: Vec<_> = found
            .iter()
            .map(|(master, is_me)| (&*master.id, &*master.host, master.port, *is_me))
            .collect();
        assert_eq!(
            found,
            [
                ("a", "10.0.0.1", 7000, true),
                ("b", "10.0.0.1", 7001, false)
            ]
        );
    }

    #[test]
    fn a_dead_master_counts_until_another_one_has_its_slots() {
        for (line, counts) in [
            ("c :0@0 master,fail,noaddr - 0 1 3 disconnected\n", false),
            (
                "c 10.0.0.1:7002@1 master,fail - 0 1 3 disconnected\n",
                false,
            ),
            (
                "c 10.0.0.1:7002@1 master,fail - 0 1 3 disconnected 100-200\n",
                true,
            ),
            ("c 10.0.0.1:7002@1 master,fail? - 0 1 3 connected\n", true),
            ("c ::1:7002@1 master - 0 1 3 connected 100\n", true),
            ("c 10.0.0.1:7002@1 handshake - 0 0 0 connected\n", false),
        ] {
            let found = listed(&nodes("a", line));
            let found = found.iter().any(|(master, _)| master.id == "c");
            assert_eq!(found, counts, "{line}");
        }
    }

    #[test]
    fn all_masters_must_see_the_same_ones_in_the_same_epoch() {
        let view = |me: &str, more: &str, info: &str| View::parse(&nodes(me, more), info);
        let (a, b) = (view("a", "", INFO), view("b", "", INFO));
        let both = [a.clone(), b];
        let (_, here) = one_view(&both).expect("they agree");
        assert_eq!(here.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let voted = INFO.replace("epoch:6", "epoch:7");
        let new = "e 10.0.0.1:7004@17004 master - 0 1 0 connected\n";
        for other in [view("b", "", &voted), view("b", new, INFO), None] {
            assert!(one_view(&[a.clone(), other]).is_none());
        }
        // A node that has become a replica names no master as itself.
        assert!(view("d", "", INFO).is_none());
        assert!(view("a", "", "cluster_state:ok\r\n").is_none());
    }
}
