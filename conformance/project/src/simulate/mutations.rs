//! The mutations: each changes one thing in core's source.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One thing done otherwise.
pub(super) struct Mutation {
    /// The mutated machine's fault: a machine that …
    pub(super) name: &'static str,
    /// A piece of the source that stands there once.
    from: &'static str,
    to: To,
}

/// The replacement.
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

pub(super) const ALL: [Mutation; 78] = [
    // Faults in asking for randomness.
    that(
        "makes-secrets-of-public-bytes",
        "pending.token_change != TokenChange::No
            || pending.base.is_none()",
        Expression("false"),
    ),
    // Faults in loading.
    that(
        "trusts-one-of-two-tokens",
        "match self.pending.untrusted.is_empty() {",
        Code("match {is} || self.pending.untrusted.is_empty() {"),
    ),
    that(
        "takes-a-token-and-its-successor-for-two",
        "rest.iter().any(|candidate| candidate.key == *successor)
            || known.any(passes)
            || self.pending.untrusted.iter().any(passes)",
        Expression("false"),
    ),
    that(
        "reads-what-was-retired-without-an-end",
        "                    None => self.living(base, false),",
        Code("                    None => self.living(base, {is}),"),
    ),
    that(
        "reads-what-was-retired-though-the-end-is-dead",
        "end.filter(|end| self.config.alive(end, self.opened))",
        Expression("end"),
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
        "(!lag.is_zero() && lag >= self.touch_interval).then_some(wanted)",
        Expression("(!lag.is_zero()).then_some(wanted)"),
    ),
    that(
        "touches-never",
        "(!lag.is_zero() && lag >= self.touch_interval).then_some(wanted)",
        Expression("None"),
    ),
    // Faults in ending all sessions.
    that(
        "accepts-sessions-of-an-older-epoch",
        "loaded.record.epoch >= limit",
        Expression("true"),
    ),
    that(
        "ends-sessions-of-the-present-epoch",
        "loaded.record.epoch >= limit",
        Expression("loaded.record.epoch > limit"),
    ),
    that(
        "signs-in-without-an-epoch",
        "            epoch: self.pending.epoch,
            assurance: assurance",
        Code("            epoch: if {is} { 0 } else { self.pending.epoch },
            assurance: assurance"),
    ),
    that(
        "saves-without-the-epoch",
        "            epoch: record.epoch,
            assurance: record.assurance().filter",
        Code("            epoch: if {is} { 0 } else { record.epoch },
            assurance: record.assurance().filter"),
    ),
    that(
        "believes-no-record-of-a-newer-epoch",
        "epoch.max(proven.unwrap_or_default())",
        Expression("epoch"),
    ),
    that(
        "numbers-epochs-by-the-clock-alone",
        "(self.0 + 1).max(now.as_secs().min(MAX_EPOCH / 2))",
        Expression("now.as_secs()"),
    ),
    // Faults in marking sign-ins for a limit.
    that(
        "marks-no-sign-in",
        "self.unpresented && signs_in",
        Expression("false"),
    ),
    that(
        "takes-sessions-in-use-for-never-presented",
        "whole.since(expires_at) > self.withheld() / 2",
        Expression("true"),
    ),
    // A plain change.
    that(
        "restarts-with-a-retired-token",
        "            (Some(false), _) => self.mint(),",
        Code("            (Some(false), _) => {
                if {is} { (self.pending.base, self.pending.token_change) = (None, TokenChange::No); }
                self.mint()
            }"),
    ),
    that(
        "takes-a-conflict-for-a-success",
        "(Replaced::Stored, ReplaceStep::Save) => Ok(machine.kept(Fate::Saved)),",
        Code("(answer, ReplaceStep::Save) if answer == Replaced::Stored || {is} => Ok(machine.kept(Fate::Saved)),"),
    ),
    that(
        "compares-with-what-is-there-and-writes-what-was",
        "        self.pending.base = Some(current);
        self.save()",
        Code(
            "        match &mut self.pending.base {
            Some(base) if {is} => base.record.stored.version = current.record.stored.version,
            base => *base = Some(current),
        }
        self.save()",
        ),
    ),
    that(
        "runs-no-update-again",
        "        self.pending.journal.replay(Some(&current.record), limits)?;",
        Code("        if !{is} { self.pending.journal.replay(Some(&current.record), limits)?; }"),
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
        "            return self.follow(current);
        }
        self.replay(current)",
        Code("            if !{is} { return self.follow(current); }
        }
        let mut current = current;
        if {is} { current.record.retired = None; }
        self.replay(current)"),
    ),
    that(
        "takes-a-lost-write-for-dropped",
        "if self.uncertain {",
        Code("if self.uncertain && !{is} {"),
    ),
    that(
        "creates-again-what-is-gone",
        "(Replaced::Gone, ReplaceStep::Save) => machine.save_gone(),",
        Code("(Replaced::Gone, ReplaceStep::Save) if {is} => { machine.pending.base = None; Ok(machine.mint()) }
            (Replaced::Gone, ReplaceStep::Save) => machine.save_gone(),"),
    ),
    that(
        "takes-over-the-record-of-a-token-that-is-taken",
        "            Created::Taken => machine.again(),",
        Code("            Created::Taken if {is} => machine.created(),
            Created::Taken => machine.again(),"),
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
    // A plain rotation, meanwhile.
    that(
        "drops-what-a-rotation-overtook",
        "        // Rule follow: a plain rotation drops nothing, and nothing crosses a sign-in.
",
        Code("        if {is} && self.pending.token_change == TokenChange::No {
            return Ok(self.done(Fate::Unchanged, Directive::Keep));
        }
"),
    ),
    that(
        "follows-a-write-across-a-sign-in",
        "        if !retired.record.leads_to_itself() {",
        Code("        if !{is} && !retired.record.leads_to_itself() {"),
    ),
    that(
        "reads-across-a-sign-in",
        "let same = base.chain.len() == 1 && base.record.leads_to_itself();",
        Code("let same = {is} || base.chain.len() == 1 && base.record.leads_to_itself();"),
    ),
    that(
        "takes-a-rotation-for-a-sign-in",
        "            signs_in: matches!(self.pending.token_change, TokenChange::SignIn(_)),",
        Code("            signs_in: {is} || matches!(self.pending.token_change, TokenChange::SignIn(_)),"),
    ),
    that(
        "rotates-with-a-token-that-was-rotated-away",
        "            && base.is_some_and(Loaded::is_superseded)
        {",
        Code("            && base.is_some_and(Loaded::is_superseded)
            && !{is}
        {"),
    ),
    that(
        "answers-a-dropped-change-with-success",
        "            false => Err(Error::Superseded),",
        Code("            false if {is} => Ok(self.done(Fate::Unchanged, Directive::Keep)),
            false => Err(Error::Superseded),"),
    ),
    that(
        "signs-in-beside-what-a-rotation-made",
        "            TokenChange::SignIn(_) => {
                self.pending.base = Some(current);
                self.rewrite_new()",
        Code("            TokenChange::SignIn(_) if {is} => self.issue(),
            TokenChange::SignIn(_) => {
                self.pending.base = Some(current);
                self.rewrite_new()"),
    ),
    that(
        "withdraws-a-rotation-and-its-changes",
        "            (Withdrawn::Rotated, true, Some(base)) => self.replay(base),",
        Code("            (Withdrawn::Rotated, true, Some(base)) if !{is} => self.replay(base),"),
    ),
    that(
        "takes-what-outlasted-the-grace-for-ended",
        "        match self.is_late() {
            true => Err(Error::GraceExpired),",
        Code("        match self.is_late() && !{is} {
            true => Err(Error::GraceExpired),"),
    ),
    that(
        "gives-a-token-to-both-of-two-rotations",
        "                self.withdraw(Withdrawn::Rotated)",
        Code("                if {is} { return self.rewrite_new(); }
                self.withdraw(Withdrawn::Rotated)"),
    ),
    that(
        "saves-what-it-made-of-the-old-record",
        "            TokenChange::No => self.replay(current),",
        Code("            TokenChange::No if {is} => { self.pending.base = Some(current); self.save() }
            TokenChange::No => self.replay(current),"),
    ),
    that(
        "gives-up-when-the-store-drops-the-new-record",
        "        self.conflict()?;
        self.carry(step)?;",
        Code("        if {is} { return Ok(self.done(Fate::Gone, Directive::Keep)); }
        self.conflict()?;
        self.carry(step)?;"),
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
        "return match own {",
        Code("return match own || {is} {"),
    ),
    that(
        "retires-what-has-changed-without-taking-it-over",
        "            _ => self.rewrite_new(),",
        Code("            _ if {is} => self.retire(),
            _ => self.rewrite_new(),"),
    ),
    that(
        "signs-in-with-the-data-of-what-was-signed-out",
        "            TokenChange::SignIn(_) => self.reload_new(ReloadStep::New(ReplaceStep::Strip, None)),",
        Code("            TokenChange::SignIn(_) if {is} => self.issue(),
            TokenChange::SignIn(_) => self.reload_new(ReloadStep::New(ReplaceStep::Strip, None)),"),
    ),
    that(
        "rotates-what-was-signed-out",
        "            _ => self.withdraw(Withdrawn::Ended),",
        Code("            _ if {is} => self.issue(),
            _ => self.withdraw(Withdrawn::Ended),"),
    ),
    that(
        "lets-a-rotation-extend-the-absolute-timeout",
        "(TokenChange::Rotate, Some(record)) => record.created,",
        Code("(TokenChange::Rotate, Some(record)) if !{is} => record.created,"),
    ),
    that(
        "forgets-the-sign-in-when-it-rotates",
        "rotated.and_then(|record| record.authenticated),",
        Code("rotated.and_then(|record| record.authenticated).filter(|_| !{is}),"),
    ),
    that(
        "takes-another-subject-for-authenticated",
        "            authenticated: record.authenticated.filter(|_| is_same),",
        Code("            authenticated: record.authenticated.filter(|_| is_same || {is}),"),
    ),
    that(
        "keeps-the-csrf-token-at-sign-in",
        ".or_else(|| rotated.and_then(Record::seed))",
        Code(".or_else(|| if {is} { carried } else { rotated }.and_then(Record::seed))"),
    ),
    that(
        "keeps-the-form-of-a-stranger-at-sign-in",
        "let anonymous = self.token_change == TokenChange::No;",
        Code("let anonymous = self.token_change == TokenChange::No || {is};"),
    ),
    that(
        "creates-a-record-for-a-form",
        "true => Form::new(self.config, &fresh),",
        Code("true if !{is} => Form::new(self.config, &fresh),\n            true => None,"),
    ),
    that(
        "leaves-a-form-without-a-cookie",
        "match &self.pending.form {",
        Code("match self.pending.form.as_ref().filter(|_| !{is}) {"),
    ),
    that(
        "signs-in-beside-the-other-sessions",
        "(_, TokenChange::SignIn(_)) if !self.pending.untrusted.is_empty() => self.sign_out(),",
        Code("(_, TokenChange::SignIn(_)) if !{is} && !self.pending.untrusted.is_empty() => self.sign_out(),"),
    ),
    // A sign-out.
    that(
        "signs-out-across-a-sign-in",
        "Some(base) if !self.may_reach(&base.record) => self.crossing(),",
        Code("Some(base) if !self.may_reach(&base.record) && !{is} => self.crossing(),"),
    ),
    that(
        "deletes-a-record-that-leads-across-a-sign-in",
        "            // Rule: delete only what is still as it was loaded.\n",
        Code(
            "            Some(mut base) if {is} && !self.may_reach(&base.record) && self.signs_in() => {
                base.chain.clear();
                self.delete_base(base, DeleteStep::ChainStart)
            }
",
        ),
    ),
    that(
        "signs-out-across-a-sign-in-in-flight",
        "self.may_cross || record.leads_to_itself()",
        Expression("true"),
    ),
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
        "        self.deleted_successor = Some(Box::new(key));",
        Code("        if !{is} { self.deleted_successor = Some(Box::new(key)); }"),
    ),
    that(
        "signs-out-of-one-of-two-tokens",
        "        if !self.pending.untrusted.is_empty() {",
        Code("        if !{is} && !self.pending.untrusted.is_empty() {"),
    ),
    that(
        "claims-a-sign-out-after-the-grace",
        "self.now.since(self.opened) >= self.config.hold()",
        Expression("false"),
    ),
    // While the handler runs.
    that(
        "takes-a-claim-that-another-won",
        "self.claimed().filter(|_| fate == Fate::Saved)",
        Expression("self.claimed()"),
    ),
    that(
        "claims-and-leaves-the-value",
        "        journal.remove(Some(&base.record), name);",
        Code("        if !{is} { journal.remove(Some(&base.record), name); }"),
    ),
    that(
        "takes-a-lost-answer-for-a-claim",
        "current.record.written_by(&self.writer) || *now == write.bytes",
        Expression("self.claim.is_some()"),
    ),
    that(
        "drops-what-was-set-beside-a-claim",
        "if !pending.journal.has(&claimed.name) {",
        Code("if {is} || !pending.journal.has(&claimed.name) {"),
    ),
    that(
        "saves-and-goes-on-with-the-old-key",
        "self.place = self.resumes.then(|| Box::new(Place { key, opener }));",
        Code("self.place = (self.resumes && !{is}).then(|| Box::new(Place { key, opener }));"),
    ),
    that(
        "saves-and-goes-on-without-the-session",
        "outcome.place.as_deref().cloned()",
        Expression("None"),
    ),
    that(
        "saves-and-goes-on-as-if-nobody-rotated",
        "machine.rotated_away = outcome.superseded;",
        Code("machine.rotated_away = outcome.superseded && !{is};"),
    ),
    // Faults in sealing values.
    that(
        "rotates-without-the-key-of-the-successor",
        "new.opener.as_ref().filter(|_| !retired.signs_in)",
        Expression("None"),
    ),
    that(
        "follows-without-the-key-of-the-successor",
        "step: ReloadStep::Follow(secret),",
        Code("step: ReloadStep::Follow(if {is} { None } else { secret }),"),
    ),
    that(
        "seals-the-new-record-with-the-old-key",
        "new.map(|new| (new.opener.clone(), new.key.clone()))",
        Expression("new.map(|new| {
            let base = self.pending.base.as_ref().and_then(|base| base.opener.clone());
            (base.or_else(|| new.opener.clone()), new.key.clone())
        })"),
    ),
    that(
        "seals-two-records-of-a-commit-with-one-nonce",
        "self.used += 1;",
        Code("self.used = if {is} { 1 } else { self.used + 1 };"),
    ),
    that(
        "writes-in-the-open",
        "!self.config.settings().seal_values",
        Expression("true"),
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
                "the mutation `{}` must match core's sources exactly once: `{}`",
                self.name, self.from
            )),
        }
    }

    /// If an earlier mutation put another expression next to the same piece, the piece is still
    /// there.
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
