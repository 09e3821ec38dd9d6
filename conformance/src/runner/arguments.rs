//! The arguments that a test without a harness takes: as much of libtest's as cargo and other
//! runners pass.

/// The selection of cases to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) wish: Wish,
    chosen: Vec<String>,
    skipped: Vec<String>,
    /// Parts that a name must have, all of them.
    required: Vec<String>,
    exact: bool,
    /// Only what is ignored by default, which is nothing.
    ignored: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    Run,
    List,
}

impl Arguments {
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, mut value) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            match flag {
                "--list" => parsed.wish = Wish::List,
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.ignored = true,
                "--skip" | "--only" => {
                    let part = value.take().or_else(|| arguments.next());
                    let part = part.ok_or_else(|| format!("{flag} needs a part of a name"))?;
                    match flag {
                        "--skip" => parsed.skipped.push(part),
                        _ => parsed.required.push(part),
                    }
                }
                // Not for us, but passed to every test.
                "--include-ignored" | "--nocapture" | "--no-capture" | "--quiet" | "-q"
                | "--show-output" => {}
                "--format" | "--color" | "--test-threads" | "-Z" => {
                    if value.is_none() {
                        arguments.next();
                    }
                }
                _ if flag.starts_with('-') => {
                    return Err(format!(
                        "unknown argument {flag}; known are parts of names, --only PART, --skip PART, --exact and --list"
                    ));
                }
                _ => parsed.chosen.push(argument),
            }
        }
        Ok(parsed)
    }

    /// Whether cases are chosen by name. Then a choice that fits none is a mistake.
    pub(super) fn chooses(&self) -> bool {
        self.ignored || !self.chosen.is_empty() || !self.required.is_empty()
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        let fits = |part: &String| {
            if self.exact {
                name == part
            } else {
                name.contains(part.as_str())
            }
        };
        !self.ignored
            && !self.skipped.iter().any(fits)
            && self
                .required
                .iter()
                .all(|part| name.contains(part.as_str()))
            && (self.chosen.is_empty() || self.chosen.iter().any(fits))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Wish};

    fn check(arguments: &str, wanted: &[&str], unwanted: &[&str]) {
        let arguments = Arguments::parse(arguments.split_whitespace().map(String::from)).unwrap();
        for name in wanted {
            assert!(arguments.wants(name), "{arguments:?} {name}");
        }
        for name in unwanted {
            assert!(!arguments.wants(name), "{arguments:?} {name}");
        }
    }

    #[test]
    fn arguments_choose_as_those_of_libtest_do() {
        check("", &["a[x]", "b[x]"], &[]);
        check("a", &["a[x]", "bab"], &["b[x]"]);
        check("a c", &["a", "c"], &["b"]);
        check("--exact a", &["a"], &["ab"]);
        check("--skip b", &["a"], &["ab"]);
        check("--skip=b a", &["a"], &["ab", "c"]);
        check("--ignored", &[], &["a"]);
        check("--only a --only=b", &["a[b]"], &["a[c]", "b[b]"]);
        check(
            "--test-threads 1 --format=pretty --nocapture a",
            &["a"],
            &["b"],
        );
    }

    #[test]
    fn an_unknown_argument_is_an_error_that_names_the_known_ones() {
        let error = Arguments::parse(["--lits".to_owned()]).unwrap_err();
        assert!(error.contains("--lits") && error.contains("--list"));
    }

    #[test]
    fn a_list_is_asked_for_as_nextest_does() {
        let arguments = ["--list", "--format", "terse"].map(String::from);
        assert_eq!(Arguments::parse(arguments).unwrap().wish, Wish::List);
    }
}
