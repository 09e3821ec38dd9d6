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
}

#[derive(Default)]
struct Cell {
    passed: usize,
    ran: usize,
    skipped: usize,
}

impl Table {
    /// What came of a check of a setup; nothing if it does not apply.
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
        match verdict {
            None => {}
            Some(Verdict::Passed) => {
                cell.passed += 1;
                cell.ran += 1;
            }
            Some(Verdict::Skipped(_)) => cell.skipped += 1,
            Some(_) => cell.ran += 1,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
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
                let text = match cells.get(check.id) {
                    None => String::new(),
                    Some(cell) if cell.skipped > 0 => "skip".to_owned(),
                    Some(cell) if cell.ran == 0 => "-".to_owned(),
                    Some(cell) => format!("{}/{}", cell.passed, cell.ran),
                };
                write!(f, " {text:>5}")?;
            }
        }
        writeln!(f)
    }
}
