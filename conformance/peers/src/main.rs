//! The peers beside Cloakroom: the pages of the black-box suite for them, and what is measured. `cargo conformance scoreboard` and
//! `cargo conformance bench peers` build and start it.
//!
//! | arguments | |
//! |---|---|
//! | `page NAME PORT REDIS_URL` | serves a page of the black-box suite |
//! | `bench REDIS_URL` | what a request costs in process |
//! | `heap` | what a stored session takes in memory |
//! | `sockets REDIS_URL ROUNDS` | requests a second over sockets |
//! | `contention REDIS_URL` | many requests at once on one session |
//! | `plot DIRECTORY` | draws what was measured |
//!
//! `run` and `serve` are for the program itself, as a process of its own.

mod apps;
mod bench;
mod contention;
mod pages;
mod plot;
mod script;
mod server;
mod sockets;

use apps::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new;
    match arguments[..] {
        ["page", name, port, redis] => {
            runtime()?.block_on(pages::serve(name, port.parse()?, redis))
        }
        ["serve", name, port, place] => {
            runtime()?.block_on(apps::serve(name, port.parse()?, Place::new(place)))
        }
        ["bench", redis] => bench::bench(redis),
        ["heap"] => bench::heap(),
        ["run", library, scenario, place, turns] => {
            bench::run(library, scenario, place, turns.parse()?)
        }
        ["sockets", redis, rounds] => sockets::sockets(redis, rounds.parse()?),
        ["contention", redis] => runtime()?.block_on(contention::contention(redis)),
        ["plot", directory] => plot::plot(std::path::Path::new(directory)),
        _ => Err("see src/main.rs".into()),
    }
}
