//! Feeds the fuzzers' corpora to the same functions in an ordinary test.

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom_hostile::{feed, names};

fn corpus(name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let files = fs::read_dir(directory.join(name)).expect("a corpus");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    files
}

// R03, R15, R36, R38, R39, R51, R52
#[test]
fn no_file_of_any_corpus_breaks_a_promise() {
    for name in names() {
        let files = corpus(name);
        assert!(files.len() > 3, "the corpus of {name} is {files:?}");
        for file in files {
            let data = fs::read(&file).expect("readable");
            assert!(data.len() <= 4_096, "{} is large", file.display());
            let fed = std::panic::catch_unwind(|| feed(name, &data));
            assert!(fed.is_ok(), "{} with {}", name, file.display());
        }
    }
}

// R39: and each of them cut short, doubled, and with a bit flipped.
#[test]
fn no_file_that_is_bent_breaks_a_promise() {
    for name in names() {
        for file in corpus(name) {
            let data = fs::read(&file).expect("readable");
            for n in 0..data.len().min(24) {
                let at = n * data.len() / data.len().min(24);
                feed(name, &data[..at]);
                let mut bent = data.clone();
                bent[at] ^= 1 << (n % 8);
                feed(name, &bent);
            }
            feed(name, &[&data[..], &data[..]].concat());
        }
    }
}
