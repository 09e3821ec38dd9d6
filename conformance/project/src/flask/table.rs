//! The results, as a table.

use std::collections::BTreeMap;
use std::fmt;

use cloakroom_conformance::Verdict;

use super::checks;
use super::plan::Setup;

#[derive(Default)]
pub(super) struct Table {
    /// Rows in the order of the plan; each has a cell for each check.
    rows: Vec<(String, BTreeMap<&'static str, Cell>)>,
    /// The other cases, by the first word of their names.
    others: BTreeMap<String, Cell>,
}

#[derive(Default)]
struct Cell {
    passed: usize,
    ran: usize,
    skipped: usize,
}

impl Table {
    /// The result of a check of a setup. `None` if it does not apply.
    pub(super) fn enter(&mut self, setup: &Setup, check: &'static str, verdict: Option<&Verdict>) {
        let row = setup.row();
        let at = match self.rows.iter().position(|(name, _)| *name == row) {
            Some(at) => at,
            None => {
                self.rows.push((row, BTreeMap::new()));
                self.rows.len() - 1
            }
        };
        let cell = self.rows[at].1.entry(check).or_default();
        if let Some(verdict) = verdict {
            cell.count(verdict);
        }
    }

    /// The result of a case `flask/GROUP/…`.
    pub(super) fn enter_other(&mut self, name: &str, verdict: &Verdict) {
        let group = name.split('/').nth(1).unwrap_or_default();
        let cell = self.others.entry(group.to_owned()).or_default();
        cell.count(verdict);
    }
}

impl Cell {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => {
                self.passed += 1;
                self.ran += 1;
            }
            Verdict::Skipped(_) => self.skipped += 1,
            _ => self.ran += 1,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            cell if cell.skipped > 0 => f.pad("skip"),
            cell if cell.ran == 0 => f.pad("-"),
            cell => f.pad(&format!("{}/{}", cell.passed, cell.ran)),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rows.is_empty() {
            self.matrix(f)?;
        }
        for (group, cell) in &self.others {
            write!(f, "\n{group:<27} {cell:>5}")?;
        }
        writeln!(f)
    }
}

impl Table {
    fn matrix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for check in checks::ALL {
            writeln!(f, "{:<4} {}", check.title, check.sentence)?;
        }
        writeln!(
            f,
            "\neach cell: passed of those run, with bare and signed ids, permanent and not; - where Flask fails by itself\n"
        )?;
        write!(f, "{:<27}", "backend     release format")?;
        for check in checks::ALL {
            write!(f, " {:>5}", check.title)?;
        }
        for (row, cells) in &self.rows {
            write!(f, "\n{row:<27}")?;
            for check in checks::ALL {
                match cells.get(check.id) {
                    None => write!(f, " {:>5}", "")?,
                    Some(cell) => write!(f, " {cell:>5}")?,
                }
            }
        }
        writeln!(f)
    }
}
