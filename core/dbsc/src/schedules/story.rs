//! The story of a schedule, in words.

use cloakroom_core::Commit;

use super::arrive::Told;
use super::play::{By, Kind};
use crate::Status;
use crate::support::name;

pub(super) fn request(
    number: u32,
    by: By,
    kind: &Kind,
    of: Option<usize>,
    status: Option<Status>,
    told: Option<&Told>,
) -> String {
    let who = match by {
        By::Browser => "the browser".to_owned(),
        By::Thief(copy) => format!("the thief with copy {}", copy + 1),
    };
    let does = match kind {
        Kind::Page => "loads a page".to_owned(),
        Kind::Register(pen) => format!("registers key {pen}"),
        Kind::Refresh(id) => format!("refreshes {}", id.get(..4).unwrap_or_default()),
        Kind::Rotate => "rotates the token".to_owned(),
        Kind::SignIn => "signs in".to_owned(),
        Kind::SignOut => "signs out".to_owned(),
    };
    let of = of.map_or_else(|| "none".to_owned(), |of| (of + 1).to_string());
    let status = status.map(|status| format!(", {status:?}"));
    let told = told.map(|told| match told {
        Told::Cookie { id, .. } => {
            let id = id.get(..4).unwrap_or_default();
            format!(", to be answered with a bound cookie of {id}")
        }
        Told::Challenge(_) => ", to be answered with a challenge".to_owned(),
        Told::End => ", to be answered with the end of this key".to_owned(),
        Told::Refused => ", to be refused".to_owned(),
    });
    let (status, told) = (status.unwrap_or_default(), told.unwrap_or_default());
    format!("request {number}: {who} {does} (session {of}{status}){told}")
}

pub(super) fn call(number: u32, commit: &Commit, lost: Option<bool>) -> String {
    let lost = match lost {
        None => "",
        Some(true) => ", whose answer is lost",
        Some(false) => ", which is lost",
    };
    format!("request {number}: {}{lost}", name(commit))
}
