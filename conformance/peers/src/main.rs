//! Other session libraries: their pages for the black-box suite, and measurements of them. `cargo
//! conformance scoreboard` and `cargo conformance bench peers` build and start this program.
//!
//! | arguments | |
//! |---|---|
//! | `page NAME PORT REDIS_URL` | serves a page of the black-box suite |
//! | `bench REDIS_URL` | measures requests in process |
//! | `heap` | measures the memory of a stored session |
//! | `sockets REDIS_URL ROUNDS` | measures requests per second over sockets |
//! | `near REDIS_URL ROUNDS` | the same of caches in the process |
//! | `stale REDIS_URL` | how long a session that has ended elsewhere is still read |
//! | `contention REDIS_URL` | many requests at once on one session |
//! | `plot DIRECTORY` | draws the measurements |
//!
//! The program starts itself with `run` and `serve`.

mod apps;
mod bench;
mod contention;
mod pages;
mod plot;
mod script;
mod server;
mod sockets;
mod stale;

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
        ["sockets", redis, rounds] => sockets::sockets(redis, rounds.parse()?, sockets::PLAIN),
        ["near", redis, rounds] => sockets::sockets(redis, rounds.parse()?, sockets::CACHES),
        ["stale", redis] => stale::stale(redis),
        ["contention", redis] => runtime()?.block_on(contention::contention(redis)),
        ["plot", directory] => plot::plot(std::path::Path::new(directory)),
        _ => Err("see src/main.rs".into()),
    }
}
