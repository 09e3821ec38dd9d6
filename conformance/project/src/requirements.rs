//! The proof of each requirement. Cases name their requirements. Tests name them in a comment
//! directly above, at the beginning of their body, or in their name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use cloakroom_conformance::{Tally, requirements};

use crate::suites::cases;
use crate::{browser, faults, services};
use cloakroom_servers::say;

/// The proofs of each requirement, by its id.
type Proofs = BTreeMap<String, Vec<String>>;

/// Prints the table; counts a requirement without a proof as failed.
pub(crate) fn table() -> Tally {
    let mut tally = Tally::default();
    let proofs = match proofs() {
        Ok(proofs) => proofs,
        Err(error) => {
            say(format_args!("FAILED  the tests cannot be read: {error}"));
            tally.failed += 1;
            return tally;
        }
    };
    let mut topic = "";
    for requirement in requirements() {
        if requirement.topic != topic {
            topic = requirement.topic;
            say(format_args!("\n{topic}"));
        }
        say(requirement);
        match proofs.get(requirement.id) {
            Some(proofs) => {
                for proof in proofs {
                    say(format_args!("      {proof}"));
                }
                tally.passed += 1;
            }
            None => {
                say(format_args!(
                    "FAILED  {}: nothing proves it",
                    requirement.id
                ));
                tally.failed += 1;
            }
        }
    }
    for id in proofs.keys() {
        if requirements().all(|requirement| requirement.id != id) {
            say(format_args!(
                "FAILED  {id} is named by a proof, and is not a requirement"
            ));
            tally.failed += 1;
        }
    }
    tally
}

fn proofs() -> io::Result<Proofs> {
    let mut proofs = Proofs::new();
    let mut note = |ids: &str, proof: &str| {
        for id in ids_in(ids) {
            let all = proofs.entry(id).or_default();
            if !all.iter().any(|known| known == proof) {
                all.push(proof.to_owned());
            }
        }
    };
    for case in cases() {
        note(&case.requirements.join(" "), case.id);
    }
    let lines = faults::cases()
        .chain(services::cases().map(|case| case.to_string()))
        .chain(browser::cases().map(|case| case.to_string()));
    for line in lines {
        let id = line.split_whitespace().next().unwrap_or_default();
        note(&line, id);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    rust_files(&root, &mut files)?;
    // The examples in the tests below prove nothing.
    files.retain(|file| !file.ends_with("project/src/requirements.rs"));
    files.sort();
    for file in files {
        let name = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .display()
            .to_string();
        for test in tests(&fs::read_to_string(&file)?) {
            note(&test.ids, &format!("{name}: {}", test.name));
        }
    }
    Ok(proofs)
}

/// The Rust files of the workspace.
fn rust_files(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// A test function.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    name: String,
    /// The comment directly above it, its first comment, and its name.
    ids: String,
}

/// The test functions of a file: those with an attribute that ends in `test`.
fn tests(text: &str) -> Vec<Test> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut tests = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let attribute = line.strip_prefix("#[").map(|rest| {
            let end = rest.find(['(', ']']).unwrap_or(rest.len());
            &rest[..end]
        });
        if !attribute.is_some_and(|name| name == "test" || name.ends_with("::test")) {
            continue;
        }
        let mut below = lines[at + 1..].iter();
        let signature = below.by_ref().find_map(|line| {
            let rest = line.strip_prefix("async ").unwrap_or(line);
            rest.strip_prefix("fn ")
        });
        let Some(name) = signature.and_then(|rest| rest.split(['(', '<']).next()) else {
            continue;
        };
        let above = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("//") || line.starts_with("#["));
        let above = above.filter(|line| line.starts_with("//"));
        let first = below.take_while(|line| line.starts_with("//"));
        let comments: Vec<&str> = above.chain(first).copied().collect();
        tests.push(Test {
            name: name.to_owned(),
            ids: format!(
                "{} {}",
                comments.join(" "),
                name.to_uppercase().replace('_', " ")
            ),
        });
    }
    tests
}

/// The ids in a text: `R` and two digits, as a word. `R01 to R04` names four.
fn ids_in(text: &str) -> Vec<String> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &str| {
        let digits = word.strip_prefix('R').filter(|digits| digits.len() == 2)?;
        digits.parse::<u8>().ok()
    };
    let mut ids = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(first) = number(word) else { continue };
        let to = words.get(at + 1).filter(|word| **word == "to");
        let last = to.and_then(|_| number(words.get(at + 2)?)).unwrap_or(first);
        for id in (first..=last.max(first)).map(|n| format!("R{n:02}")) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::{ids_in, tests};
    use cloakroom_conformance::requirements;

    #[test]
    fn ids_are_words_of_r_and_two_digits() {
        assert_eq!(
            ids_in("// R06, R07 (R08): PR09 R1 R100 R20"),
            ["R06", "R07", "R08", "R20"]
        );
        assert_eq!(ids_in("R48 to R50"), ["R48", "R49", "R50"]);
    }

    #[test]
    fn only_test_functions_prove_the_ids_directly_above_them() {
        let text = "\
            //! R01\n\
            // R02\n\
            fn helper() {}\n\
            // R03\n\
            \n\
            // R04: and more,\n\
            // of two lines R05.\n\
            #[allow(unused)]\n\
            #[tokio::test(flavor = \"x\")]\n\
            async fn a_test() { /* R06 */ }\n\
            #[test]\n\
            fn r07_a_name() {\n\
            // R08\n\
            code();\n\
            // R09\n\
            }\n";
        let found: Vec<_> = tests(text)
            .into_iter()
            .map(|test| (test.name, ids_in(&test.ids)))
            .collect();
        let ids = |ids: &[&str]| ids.iter().copied().map(String::from).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                ("a_test".to_owned(), ids(&["R05", "R04"])),
                ("r07_a_name".to_owned(), ids(&["R08", "R07"])),
            ]
        );
    }

    #[test]
    fn the_table_of_requirements_in_security_md_is_the_list() {
        let page = include_str!("../../../SECURITY.md");
        let mut rows = page.lines().filter(|line| line.starts_with("| R"));
        for requirement in requirements() {
            let (id, sentence, source) = (requirement.id, requirement.sentence, requirement.source);
            assert_eq!(
                rows.next(),
                Some(format!("| {id} | {sentence} | {source} |").as_str())
            );
        }
        assert_eq!(rows.next(), None);
    }
}
