//! The peers: `peers page NAME PORT REDIS_URL` serves a page of the black-box suite, `peers bench` and
//! `peers sockets REDIS_URL` measure, `peers plot DIRECTORY` draws.

mod bench;
mod pages;
mod plot;
mod script;
mod sockets;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["page", name, port, redis] => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(pages::serve(name, port.parse()?, redis))
        }
        ["serve", name, port, redis] => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(sockets::serve(name, port.parse()?, redis))
        }
        ["sockets", redis] => sockets::sockets(redis),
        ["plot", directory] => plot::plot(std::path::Path::new(directory)),
        ["bench"] => bench::bench(),
        ["run", library, scenario, requests] => bench::run(library, scenario, requests.parse()?),
        _ => Err(
            "peers page NAME PORT REDIS_URL | bench | sockets REDIS_URL | plot DIRECTORY".into(),
        ),
    }
}
