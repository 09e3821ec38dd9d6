//! The peers: `peers page NAME PORT REDIS_URL` serves a page of the black-box suite, `peers bench` measures.

mod bench;
mod pages;
mod script;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["page", name, port, redis] => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(pages::serve(name, port.parse()?, redis))
        }
        ["bench"] => bench::bench(),
        ["run", library, scenario, requests] => bench::run(library, scenario, requests.parse()?),
        _ => Err("peers page NAME PORT REDIS_URL | bench".into()),
    }
}
