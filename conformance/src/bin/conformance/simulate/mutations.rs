//! What can be wrong with the machine: each of these is one thing of core's source done otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One thing done otherwise.
pub(super) struct Mutation {
    /// What the machine then is: one that …
    pub(super) name: &'static str,
    /// A piece of the source that stands there once.
    from: &'static str,
    to: To,
}

/// What stands there instead.
enum To {
    /// Another expression, where the mutation is asked for.
    Expression(&'static str),
    /// This code, in which `{is}` is whether the mutation is asked for.
    Code(&'static str),
}

use To::{Code, Expression};

const fn that(name: &'static str, from: &'static str, to: To) -> Mutation {
    Mutation { name, from, to }
}

pub(super) const ALL: [Mutation; 36] = [
    // What is loaded.
    that(
        "trusts-one-of-two-tokens",
        "match self.work.untrusted.is_empty() {",
        Code("match {is} || self.work.untrusted.is_empty() {"),
    ),
    that(
        "reads-what-was-retired-without-an-end",
        "end.is_some_and(|end| self.config.alive(&end, self.opened))",
        Expression("end.is_none_or(|end| self.config.alive(&end, self.opened))"),
    ),
    that(
        "reads-what-was-retired-though-the-end-is-dead",
        "end.is_some_and(|end| self.config.alive(&end, self.opened))",
        Expression("end.is_some()"),
    ),
    that(
        "ignores-the-end-of-the-grace",
        "!grace.is_zero() && now < retired.until && retired.until <= now + grace + SKEW",
        Expression("!grace.is_zero()"),
    ),
    that(
        "reads-on-without-a-grace",
        "!grace.is_zero() && now < retired.until && retired.until <= now + grace + SKEW",
        Expression("now < retired.until && retired.until <= now + grace + SKEW"),
    ),
    that(
        "believes-any-expiry",
        "record.retired.is_none() && lifetime.alive(record.created, record.stored.expires_at, now)",
        Expression("record.retired.is_none()"),
    ),
    that(
        "lets-use-extend-the-absolute-timeout",
        "(now + self.idle).min(created + self.absolute)",
        Expression("now + self.idle"),
    ),
    that(
        "believes-records-of-the-future",
        "now < expires_at && now < created + self.absolute && created <= now + SKEW",
        Expression("now < expires_at && now < created + self.absolute"),
    ),
    that(
        "touches-each-time",
        "(!lag.is_zero() && lag >= self.extend_after).then_some(wanted)",
        Expression("(!lag.is_zero()).then_some(wanted)"),
    ),
    that(
        "touches-never",
        "(!lag.is_zero() && lag >= self.extend_after).then_some(wanted)",
        Expression("None"),
    ),
    // A plain change.
    that(
        "starts-anew-with-a-retired-token",
        "(Some(false), _) => self.done(Fate::Superseded, Directive::Keep),",
        Code(
            "(Some(false), _) if {is} => { self.work.base = None; self.work.issue = Issue::No; self.mint() }
            (Some(false), _) => self.done(Fate::Superseded, Directive::Keep),",
        ),
    ),
    that(
        "takes-a-conflict-for-a-success",
        "(Replaced::Stored, ReplaceStep::Save) => Ok(machine.kept(Fate::Saved)),",
        Code("(answer, ReplaceStep::Save) if answer == Replaced::Stored || {is} => Ok(machine.kept(Fate::Saved)),"),
    ),
    that(
        "compares-with-what-is-there-and-writes-what-was",
        "        self.work.base = Some(current);
        self.save()",
        Code(
            "        match &mut self.work.base {
            Some(base) if {is} => base.record.stored.version = current.record.stored.version,
            base => *base = Some(current),
        }
        self.save()",
        ),
    ),
    that(
        "runs-no-update-again",
        "        self.work.journal.replay(Some(&current.record), limits)?;",
        Code("        if !{is} { self.work.journal.replay(Some(&current.record), limits)?; }"),
    ),
    that(
        "does-not-know-its-own-mark",
        "current.record.written_by(&self.writer) || *now == write.bytes",
        Expression("false"),
    ),
    that(
        "takes-any-mark-for-its-own",
        "current.record.written_by(&self.writer) || *now == write.bytes",
        Expression("true"),
    ),
    that(
        "writes-over-what-was-retired",
        "if current.record.retired.is_some() {",
        Code("if current.record.retired.is_some() && !{is} {"),
    ),
    that(
        "takes-a-lost-write-for-dropped",
        "if self.uncertain {",
        Code("if self.uncertain && !{is} {"),
    ),
    that(
        "creates-again-what-is-gone",
        "(Replaced::Gone, _) => machine.save_gone(),",
        Code(
            "(Replaced::Gone, ReplaceStep::Save) if {is} => { machine.work.base = None; Ok(machine.mint()) }
            (Replaced::Gone, _) => machine.save_gone(),",
        ),
    ),
    that(
        "takes-over-the-record-of-a-token-that-is-taken",
        "            Created::Taken => {",
        Code(
            "            Created::Taken if {is} => machine.created(),
            Created::Taken => {",
        ),
    ),
    that(
        "repeats-a-lost-create-under-its-token",
        "false => Ok(machine.mint()),",
        Code(
            "false if {is} => machine.create(),
                    false => Ok(machine.mint()),",
        ),
    ),
    that(
        "takes-a-lost-create-for-done",
        "match landed {",
        Code("match landed || {is} {"),
    ),
    // A rotation, a sign-in.
    that(
        "retires-nothing",
        "Some(base) if base.record.retired.is_none() => self.retire(),",
        Code("Some(base) if base.record.retired.is_none() && !{is} => self.retire(),"),
    ),
    that(
        "keeps-what-was-retired-for-the-grace-alone",
        "let write = Write::new(bytes, self.now + self.config.kept(), None);",
        Code(
            "let kept = if {is} { self.config.settings().grace } else { self.config.kept() };
        let write = Write::new(bytes, self.now + kept, None);",
        ),
    ),
    that(
        "issues-a-second-token-after-another-rotation",
        "return match own || signs_in {",
        Code("return match own || signs_in || {is} {"),
    ),
    that(
        "retires-what-has-changed-without-taking-it-over",
        "_ => self.reload_new(ReloadStep::New(ReplaceStep::Rewrite, None)),",
        Code(
            "_ if {is} => self.retire(),
            _ => self.reload_new(ReloadStep::New(ReplaceStep::Rewrite, None)),",
        ),
    ),
    that(
        "signs-in-with-the-data-of-what-was-signed-out",
        "true => ReloadStep::New(ReplaceStep::Strip, None),",
        Code(
            "true if {is} => return self.issue(),
                true => ReloadStep::New(ReplaceStep::Strip, None),",
        ),
    ),
    that(
        "rotates-what-was-signed-out",
        "false => ReloadStep::Withdraw(Fate::Gone),",
        Code(
            "false if {is} => return self.issue(),
                false => ReloadStep::Withdraw(Fate::Gone),",
        ),
    ),
    that(
        "lets-a-rotation-extend-the-absolute-timeout",
        "(Issue::Rotate, Some(record)) => record.created,",
        Code("(Issue::Rotate, Some(record)) if !{is} => record.created,"),
    ),
    that(
        "forgets-the-sign-in-when-it-rotates",
        "_ => rotated.and_then(|record| record.authenticated),",
        Code("_ => rotated.and_then(|record| record.authenticated).filter(|_| !{is}),"),
    ),
    that(
        "keeps-the-csrf-token-at-sign-in",
        ".or_else(|| rotated.and_then(Record::seed))",
        Code(".or_else(|| if {is} { carried } else { rotated }.and_then(Record::seed))"),
    ),
    // A sign-out.
    that(
        "takes-a-changed-record-for-deleted",
        "            (Deleted::Changed, _) => {",
        Code(
            "            (Deleted::Changed, DeleteStep::SignOut) if {is} => Ok(machine.ended(Fate::Saved)),
            (Deleted::Changed, _) => {",
        ),
    ),
    that(
        "signs-out-of-the-retired-record-alone",
        "Some(base) if base.chain.is_empty() => self.delete_base(base, DeleteStep::SignOut),",
        Code("Some(base) if base.chain.is_empty() || {is} => self.delete_base(base, DeleteStep::SignOut),"),
    ),
    that(
        "forgets-which-successor-it-deleted",
        "        self.dead = Some(key);",
        Code("        if !{is} { self.dead = Some(key); }"),
    ),
    that(
        "signs-out-of-one-of-two-tokens",
        "        if !self.work.untrusted.is_empty() {",
        Code("        if !{is} && !self.work.untrusted.is_empty() {"),
    ),
    that(
        "claims-a-sign-out-after-the-grace",
        "self.now.since(self.opened) >= self.config.hold()",
        Expression("false"),
    ),
];

/// Puts all mutations into core's sources, each to be done only where it is asked for.
///
/// The error names the mutation that no longer fits the sources.
pub(super) fn mutate(sources: &mut BTreeMap<PathBuf, String>) -> Result<(), String> {
    let found = ALL.iter().map(|mutation| mutation.place(sources));
    let places: Vec<PathBuf> = found.collect::<Result<_, _>>()?;
    for (mutation, place) in ALL.iter().zip(places) {
        let source = sources.entry(place).or_default();
        *source = mutation.apply(source);
    }
    Ok(())
}

impl Mutation {
    /// The one file that has the piece, once.
    fn place(&self, sources: &BTreeMap<PathBuf, String>) -> Result<PathBuf, String> {
        let times = |source: &String| source.matches(self.from).count();
        let mut with = sources.iter().filter(|(_, source)| times(source) > 0);
        match (with.next(), with.next()) {
            (Some((path, source)), None) if times(source) == 1 => Ok(path.clone()),
            _ => Err(format!(
                "the mutation `{}` wants this once in core's sources, and it is not there, or more often: `{}`",
                self.name, self.from
            )),
        }
    }

    /// Where another expression was put beside the same piece before, the piece is still there.
    fn apply(&self, source: &str) -> String {
        let is = format!("crate::mutation::is(\"{}\")", self.name);
        let to = match self.to {
            Expression(to) => format!("(if {is} {{ {to} }} else {{ {} }})", self.from),
            Code(to) => to.replace("{is}", &is),
        };
        source.replacen(self.from, &to, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, mutate};
    use std::collections::HashSet;

    #[test]
    fn every_mutation_fits_the_machine_as_it_is() {
        let mut sources = super::super::mutants::sources("core/src").unwrap();
        let before = sources.clone();
        mutate(&mut sources).unwrap();
        assert_ne!(sources, before);
        for mutation in &ALL {
            let is = format!("is(\"{}\")", mutation.name);
            let mut sources = sources.values();
            assert!(sources.any(|source| source.contains(&is)), "{is}");
        }
    }

    #[test]
    fn no_two_mutations_have_one_name() {
        let names: HashSet<_> = ALL.iter().map(|mutation| mutation.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
