//! The black-box cases through reverse proxies, with the configurations of `adapters/PROXIES.md`.

use std::io;
use std::net::SocketAddr;

use cloakroom_conformance::{Tally, endpoint};
use cloakroom_servers::{ProxyKind, ReverseProxy, say};

use crate::scoreboard;

const PAGE: &str = include_str!("../../../adapters/PROXIES.md");

/// Runs the cases whose names contain each of `parts` through each proxy.
pub(crate) async fn test(parts: &[String]) -> Tally {
    let mut tally = Tally::default();
    for kind in ProxyKind::ALL {
        let mut chosen = endpoint::cases().filter(|case| {
            let name = format!("{}[{}]", case.id, kind.name());
            parts.iter().all(|part| name.contains(part.as_str()))
        });
        if chosen.next().is_none() {
            continue;
        }
        tally += match through(kind) {
            Ok((suite, _running)) => {
                scoreboard::run(suite, &parts.iter().collect::<Vec<_>>())
                    .await
                    .0
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                let mut skipped = Tally::default();
                for case in endpoint::cases() {
                    say(format_args!(
                        "skipped {}[{}]: {error}",
                        case.id,
                        kind.name()
                    ));
                    skipped.skipped += 1;
                }
                skipped
            }
            Err(error) => {
                say(format_args!("FAILED  {}: {error}", kind.name()));
                Tally {
                    failed: 1,
                    ..Tally::default()
                }
            }
        };
    }
    tally
}

/// Two pages on one store, each behind a proxy of its own.
fn through(kind: ProxyKind) -> io::Result<(cloakroom_conformance::Suite, [ReverseProxy; 2])> {
    let start = |url: &str| {
        let address = url.trim_start_matches("http://").parse::<SocketAddr>();
        kind.start(PAGE, address.map_err(io::Error::other)?)
    };
    let [first, second] = scoreboard::pages()?;
    let running = [start(&first)?, start(&second)?];
    let [first, second] = running.each_ref().map(ReverseProxy::url);
    let suite = endpoint::suite(kind.name(), first, Some(second)).map_err(io::Error::other)?;
    Ok((suite, running))
}
