//! The simulator on mutants. core is copied next to cargo's output with every mutation in it, and
//! the simulator is built against that copy. So core itself contains nothing for its mutants.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use cloakroom_conformance::Tally;
use tokio::process::Command;

use super::mutations::{self, Mutation};
use crate::workspace;
use cloakroom_servers::say;

/// The environment variable that selects a mutated machine's mutation.
const VARIABLE: &str = "CLOAKROOM_MUTATION";

/// How long a mutant may stay undetected.
const SECONDS: &str = "60";

/// The files that the copy of core has besides its sources.
const CHOICE: &str = "
pub(crate) mod mutation {
    /// Whether this is the mutation that is asked for.
    pub(crate) fn is(name: &str) -> bool {
        static ASKED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let asked = ASKED.get_or_init(|| std::env::var(\"CLOAKROOM_MUTATION\").ok());
        asked.as_deref() == Some(name)
    }
}
";

/// The name of a mutant's case.
pub(super) fn id(mutation: &Mutation) -> String {
    format!("simulate/finds-machine-that-{}", mutation.name)
}

/// Shows of each of these that the simulator finds it, and that what it prints can be played again.
pub(super) async fn test(mutations: &[&Mutation], stories: bool) -> Tally {
    let mut tally = Tally::default();
    if mutations.is_empty() {
        return tally;
    }
    let simulator = match build().await {
        Ok(simulator) => simulator,
        Err(error) => {
            say(format_args!("FAILED  simulate/finds-machine-that: {error}"));
            tally.failed += 1;
            return tally;
        }
    };
    for mutation in mutations {
        let begin = Instant::now();
        match find(&simulator, mutation, stories).await {
            Ok(wrong) => {
                let (id, took) = (id(mutation), begin.elapsed().as_secs_f64());
                say(format_args!(
                    "ok      {id}: {wrong}, and {took:.1} s in all"
                ));
                tally.passed += 1;
            }
            Err(error) => {
                say(format_args!("FAILED  {}: {error}", id(mutation)));
                tally.failed += 1;
            }
        }
    }
    tally
}

/// Runs the simulator on this mutant with the user's options.
pub(super) async fn run(name: &str, arguments: &[String]) -> io::Result<Command> {
    if !mutations::ALL.iter().any(|mutation| mutation.name == name) {
        let names: Vec<_> = mutations::ALL
            .iter()
            .map(|mutation| mutation.name)
            .collect();
        let names = names.join(", ");
        return Err(io::Error::other(format!(
            "there is no machine that {name}; known: {names}"
        )));
    }
    let mut command = Command::new(build().await?);
    command.args(arguments).env(VARIABLE, name);
    Ok(command)
}

/// The simulator's finding. An error if it finds nothing, or if its trace does not reproduce the
/// finding.
async fn find(simulator: &Path, mutation: &Mutation, stories: bool) -> io::Result<String> {
    let asked = ["--seconds", SECONDS, "--seed", "0", "all-promises-hold"];
    let lines = output(simulator, mutation.name, &asked).await?;
    let printed = lines.iter().find_map(|line| {
        let (_, printed) = line.strip_prefix("FAILED")?.split_once(": ")?;
        Some(printed.split(" requests").next()?.to_owned())
    });
    let Some(printed) = printed else {
        let message = format!("it was not found within {SECONDS} s");
        return Err(io::Error::other(message));
    };
    let trace = lines.iter().find_map(|line| {
        let (_, trace) = line.split_once("--trace '")?;
        trace.strip_suffix('\'')
    });
    let trace = trace.ok_or_else(|| io::Error::other("no trace was printed"))?;
    let wrong = printed.split(", after").next().unwrap_or_default();
    let replay = ["--trace", trace];
    let fails = |line: &String| line.starts_with("FAILED") && line.contains(wrong);
    if !output(simulator, mutation.name, &replay)
        .await?
        .iter()
        .any(fails)
    {
        let message = format!("the trace does not show it again: {trace}");
        return Err(io::Error::other(message));
    }
    // The machine as it is does not do that.
    let right = output(simulator, "none", &replay).await?;
    if right.iter().any(|line| line.starts_with("FAILED")) {
        let message = format!("the machine that is right fails as well: {trace}");
        return Err(io::Error::other(message));
    }
    if stories {
        let story = lines.iter().filter(|line| line.starts_with(' '));
        story.for_each(say);
    }
    Ok(printed)
}

async fn output(simulator: &Path, name: &str, arguments: &[&str]) -> io::Result<Vec<String>> {
    let output = Command::new(simulator)
        .args(arguments)
        .env(VARIABLE, name)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

/// Copies, and builds.
async fn build() -> io::Result<PathBuf> {
    let built = env::current_exe()?;
    let Some(target) = built.parent().and_then(Path::parent) else {
        return Err(io::Error::other("there is no directory to build in"));
    };
    let copy = target.join("conformance/machine");
    let mut core = sources("core/src")?;
    mutations::mutate(&mut core).map_err(io::Error::other)?;
    let library = core.entry("core/src/lib.rs".into()).or_default();
    // Of what is done otherwise not all is as the lints want it.
    *library = format!("#![allow(warnings)]\n{library}{CHOICE}");
    let manifest = |path: &str| fs::read_to_string(root().join(path));
    let mut files = sources("conformance/simulator/src")?;
    files.append(&mut core);
    files.append(&mut sources("stores/contract/src")?);
    files.insert(
        "Cargo.toml".into(),
        workspace_of_three(&manifest("Cargo.toml")?),
    );
    files.insert("Cargo.lock".into(), manifest("Cargo.lock")?);
    let core = manifest("core/Cargo.toml")?;
    let core = core.split("[dev-dependencies]").next().unwrap_or_default();
    files.insert("core/Cargo.toml".into(), core.to_owned());
    let contract = manifest("stores/contract/Cargo.toml")?;
    files.insert("stores/contract/Cargo.toml".into(), contract);
    let simulator = manifest("conformance/simulator/Cargo.toml")?;
    let simulator = simulator.replace("name = \"simulate\"", "name = \"simulate-mutants\"");
    files.insert("conformance/simulator/Cargo.toml".into(), simulator);
    for (path, content) in &files {
        let path = copy.join(path);
        // Unchanged files are not built again. Cargo may rewrite the lock file.
        let keeps = path.ends_with("Cargo.lock") && path.exists();
        if !keeps && fs::read_to_string(&path).ok().as_ref() != Some(content) {
            fs::create_dir_all(path.parent().unwrap_or(&copy))?;
            fs::write(&path, content)?;
        }
    }
    let status = workspace::cargo()
        .args(["build", "--quiet", "--profile", "simulation"])
        .args([
            "--package",
            "cloakroom-simulator",
            "--bin",
            "simulate-mutants",
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(&copy)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    match status.success() {
        true => Ok(target.join("simulation/simulate-mutants")),
        false => Err(io::Error::other("the mutants could not be built")),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The workspace's manifest, for the store contract, core and the simulator alone.
fn workspace_of_three(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| match line.split(' ').next() {
        Some("members") => "members = [\"stores/contract\", \"core\", \"conformance/simulator\"]",
        Some("exclude" | "default-members") => "",
        // Of another version, so that cargo does not take what it builds of the copy for the
        // original.
        Some("version") => "version = \"0.1.999\"",
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// The sources below this directory, by their paths from the repository's root.
pub(super) fn sources(directory: &str) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(root().join(directory))? {
        let entry = entry?;
        let path = Path::new(directory).join(entry.file_name());
        if entry.file_type()?.is_dir() {
            let Some(directory) = path.to_str() else {
                continue;
            };
            sources.append(&mut self::sources(directory)?);
        } else {
            sources.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(sources)
}
