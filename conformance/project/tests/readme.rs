//! The README's first program, built and run in an empty directory from the README's own lines.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error>;

const ADDRESS: &str = "127.0.0.1:3000";
const TIMEOUT: Duration = Duration::from_secs(120);

/// Lets git read the checkout that is tested where the README names the public repository.
fn this_checkout_for(command: &mut Command, root: &Path, repository: &str) {
    command
        .env("CARGO_NET_GIT_FETCH_WITH_CLI", "true")
        .env("GIT_CONFIG_COUNT", "2")
        .env(
            "GIT_CONFIG_KEY_0",
            format!("url.{}.insteadOf", root.display()),
        )
        .env("GIT_CONFIG_VALUE_0", repository)
        .env("GIT_CONFIG_KEY_1", "safe.directory")
        .env("GIT_CONFIG_VALUE_1", "*");
}

/// Makes a home for cargo that shares the registry and nothing else, so that no cache of the public
/// repository is mixed with this checkout.
fn cargo_home(of: &Path) -> Result<std::path::PathBuf, Failure> {
    let home = of.join("cargo-home");
    fs::create_dir(&home)?;
    let real = match std::env::var_os("CARGO_HOME") {
        Some(home) => home.into(),
        None => Path::new(&std::env::var_os("HOME").ok_or("HOME is not set")?).join(".cargo"),
    };
    for shared in ["registry", "config.toml", "credentials.toml"] {
        if real.join(shared).exists() {
            std::os::unix::fs::symlink(real.join(shared), home.join(shared))?;
        }
    }
    Ok(home)
}

fn block<'r>(readme: &'r str, fence: &str) -> Result<&'r str, Failure> {
    let (_, from) = readme
        .split_once(fence)
        .ok_or("the README has no such block")?;
    let (block, _) = from
        .split_once("```")
        .ok_or("a block of the README does not end")?;
    Ok(block)
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Ends with the test, whatever its result.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, cookie: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{cookie}\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn the_readmes_commands_build_the_readmes_program() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .ok_or("no root")?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    let directory = tempfile::tempdir()?;

    let commands = block(&readme, "from git:\n\n```console\n")?;
    let script: Vec<_> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    let repository = script
        .iter()
        .find_map(|line| line.split(' ').find(|word| word.starts_with("https://")))
        .ok_or("the README's commands name no repository")?;
    let home = cargo_home(directory.path())?;
    let prepared = |program: &str| {
        let mut command = Command::new(program);
        this_checkout_for(&mut command, root, repository);
        command
            .env("CARGO_HOME", &home)
            .env("CARGO_TARGET_DIR", directory.path().join("target"))
            .env("CARGO_PROFILE_DEV_DEBUG", "false");
        command
    };
    run(prepared("sh")
        .args(["-e", "-c", &script.join("\n")])
        .current_dir(directory.path()))?;

    // The port is the only thing that the test changes.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let program = block(&readme, "```rust,no_run\n")?;
    assert!(program.contains(ADDRESS));
    let package = directory.path().join("counter");
    fs::write(
        package.join("src/main.rs"),
        program.replace(ADDRESS, &address),
    )?;
    run(prepared("cargo")
        .args(["build", "--quiet"])
        .current_dir(&package))?;

    let built = directory.path().join("target/debug/counter");
    let _running = Running(Command::new(built).current_dir(&package).spawn()?);
    let started = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(started.elapsed() < TIMEOUT, "the program does not listen");
        thread::yield_now();
    }
    let first = get(&address, "")?;
    assert!(first.ends_with("visit number 1\n"), "{first}");
    let cookie = first
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .and_then(|line| line.split(';').next())
        .ok_or("no cookie was set")?;
    let second = get(&address, &format!("Cookie: {cookie}\r\n"))?;
    assert!(second.ends_with("visit number 2\n"), "{second}");
    Ok(())
}
