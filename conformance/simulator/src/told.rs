//! The names in a story.

use cloakroom_core::{Created, Deleted, Replaced, Stored, Touched};

use crate::request::{Request, Told};
use crate::step::Action;
use crate::store::{OpRef, Slot, StoreReply};
use crate::truth::Aim;

/// The name of a token, or of the record behind it.
pub(crate) fn letter(slot: Slot) -> String {
    match u8::try_from(slot).ok().filter(|slot| *slot < 26) {
        Some(slot) => char::from(b'A' + slot).to_string(),
        None => format!("#{slot}"),
    }
}

pub(crate) fn told_name(told: Told) -> String {
    match told {
        Told::Nothing => "no cookie".to_owned(),
        Told::Clear => "the cookie is cleared".to_owned(),
        Told::Token(slot) => format!("token {}", letter(slot)),
        Told::Form => "a cookie for its form".to_owned(),
    }
}

pub(crate) fn doing(action: &Action) -> String {
    match action {
        Action::Look => "reads".to_owned(),
        Action::Insert(n) => format!("sets {}", char::from(b'a' + n)),
        Action::View(n) => format!("sets {} in a struct", char::from(b'a' + n)),
        Action::Remove(n) => format!("removes {}", char::from(b'a' + n)),
        Action::Count => "counts".to_owned(),
        Action::Clear => "clears all values".to_owned(),
        Action::Rotate => "asks for a new token".to_owned(),
        Action::SignIn(1) => "signs in ada".to_owned(),
        Action::SignIn(_) => "signs in bob".to_owned(),
        Action::SignOut => "signs out".to_owned(),
        Action::Belong(0) => "makes the session nobody's".to_owned(),
        Action::Belong(1) => "makes the session ada's".to_owned(),
        Action::Belong(_) => "makes the session bob's".to_owned(),
        Action::Flash => "leaves a message".to_owned(),
        Action::Flashed => "reads the message".to_owned(),
        Action::Expiry(0) => "takes the usual lifetime".to_owned(),
        Action::Expiry(1) => "takes a short lifetime".to_owned(),
        Action::Expiry(_) => "takes a long lifetime".to_owned(),
        Action::Csrf => "checks the CSRF token".to_owned(),
        Action::Discard => "fails".to_owned(),
        Action::Save => "saves".to_owned(),
        Action::Claim(n) => format!("claims {}", char::from(b'a' + n)),
    }
}

/// When the record of a write ends.
pub(crate) fn ends(op: OpRef<'_>) -> u64 {
    match op {
        OpRef::Create(write) | OpRef::Replace(_, write) => write.expires_at.as_secs(),
        OpRef::Touch(expires_at) => expires_at.as_secs(),
        OpRef::Delete(_) => 0,
    }
}

/// The name of a write in a story.
pub(crate) fn naming(aim: Aim, slot: Slot) -> String {
    let record = letter(slot);
    match aim {
        Aim::Create(_) => format!("creates record {record}"),
        Aim::Save => format!("replaces record {record}"),
        Aim::Retire { new, .. } => format!("retires record {record} in favour of {}", letter(new)),
        Aim::Rewrite(_) => format!("writes record {record} again"),
        Aim::Touch => format!("touches record {record}"),
        Aim::Delete => format!("deletes record {record}"),
    }
}

pub(crate) fn answered(answer: StoreReply) -> &'static str {
    match answer {
        StoreReply::Created(Created::Taken) => "there is one",
        StoreReply::Replaced(Replaced::Changed) | StoreReply::Deleted(Deleted::Changed) => {
            "it is another one by now"
        }
        StoreReply::Replaced(Replaced::Gone)
        | StoreReply::Deleted(Deleted::Gone)
        | StoreReply::Touched(Touched::Gone) => "it is gone",
        _ => "done",
    }
}

pub(crate) fn record_name(request: &Request, found: &Option<Stored>) -> &'static str {
    match (found, request.fold.is_following()) {
        (None, _) => "nothing is there",
        (Some(_), _) if request.stale => "a record, as it was before its last change",
        (Some(_), true) => "a retired record",
        (Some(_), false) => "a record",
    }
}
