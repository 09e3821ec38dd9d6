//! A record of the command's own, written, changed and deleted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::{Directory as _, Key, Store as _, StoreError, UnixTime};
use cloakroom_any::Opened;
use cloakroom_store::{Created, Deleted, Replaced, Touched, Write};

use super::Finding;
use crate::view::now;

/// How long the record stays if the command is killed.
const STAYS: Duration = Duration::from_secs(60);

/// How far the clocks of store and application may differ: within it, retired records are kept long
/// enough (ARCHITECTURE.md, "Time and entropy").
const SKEW: Duration = Duration::from_secs(15);

/// A key that nobody else uses. No cookie's name begins it.
pub(crate) fn key() -> Result<Key, StoreError> {
    let failed = || StoreError::permanent("session", "the system returned no randomness");
    let mut random = [0; 18];
    getrandom::fill(&mut random).map_err(|_| failed())?;
    let text = format!("cloakroom:check:{}", URL_SAFE_NO_PAD.encode(random));
    Key::new(&text).ok_or_else(failed)
}

/// Tries each right on a record of the command's own.
pub(super) async fn rights(opened: &Opened) -> Vec<Finding> {
    let mut findings = Vec::new();
    let key = match key() {
        Ok(key) => key,
        Err(error) => return vec![Finding::bad("rights", sentence(&error))],
    };
    match tried(opened, &key).await {
        Ok(None) => {
            let what = "Records can be created, loaded, replaced, extended and deleted.";
            findings.push(Finding::good("rights", what));
        }
        Ok(Some(problem)) => findings.push(Finding::bad("rights", problem)),
        Err((step, error)) => {
            let problem = format!("To {step} failed: {error}.");
            findings.push(Finding::bad("rights", problem));
        }
    }
    if opened.directory.is_some() {
        findings.push(match listed(opened, &key).await {
            Ok(true) => Finding::good("list", "The sessions of a subject can be listed."),
            Ok(false) => Finding::bad(
                "list",
                "A record was written with a subject, and the subject's list lacks it.",
            ),
            Err(error) => Finding::bad("list", sentence(&error)),
        });
    }
    remove(opened, &key).await;
    findings
}

type Step = (&'static str, StoreError);

/// Returns the first answer that a store must not give.
async fn tried(opened: &Opened, key: &Key) -> Result<Option<String>, Step> {
    let store = &opened.store;
    let step = |step| move |error| (step, error);
    let wrong = |what: &str| Ok(Some(format!("{what}: use no store that does so.")));
    let end = now() + STAYS;
    let first = Write::new("first", end, None);
    let second = Write::new("second", end, None);

    let created = store.create(key, &first).await;
    if created.map_err(step("create a record"))? != Created::Stored {
        return wrong("A new record was refused, though its key is new");
    }
    let again = store.create(key, &second).await;
    if again.map_err(step("create a record"))? != Created::Taken {
        return wrong("A create overwrote a record");
    }
    let loaded = store.load(key).await.map_err(step("load a record"))?;
    let Some(old) = loaded.filter(|record| record.bytes == first.bytes) else {
        return wrong("A record that was written was not found again");
    };
    let replaced = store.replace(key, &old, &second).await;
    if replaced.map_err(step("replace a record"))? != Replaced::Stored {
        return wrong("A record that nobody else changes could not be replaced");
    }
    let late = store.replace(key, &old, &first).await;
    if late.map_err(step("replace a record"))? != Replaced::Changed {
        return wrong("A replace overwrote a record that had changed");
    }
    let touched = store.touch(key, end + STAYS).await;
    if touched.map_err(step("extend a record"))? != Touched::Extended {
        return wrong("A living record could not be extended");
    }
    let loaded = store.load(key).await.map_err(step("load a record"))?;
    let Some(old) = loaded.filter(|record| record.bytes == second.bytes) else {
        return wrong("A record that was replaced was not found again");
    };
    let deleted = store.delete(key, &old).await;
    if deleted.map_err(step("delete a record"))? != Deleted::Deleted {
        return wrong("A record that nobody else changes could not be deleted");
    }
    let gone = store.load(key).await.map_err(step("load a record"))?;
    match gone {
        Some(_) => wrong("A record that was deleted is still there"),
        None => Ok(None),
    }
}

/// Returns whether a record is listed under its subject.
async fn listed(opened: &Opened, key: &Key) -> Result<bool, StoreError> {
    let Some(directory) = &opened.directory else {
        return Ok(false);
    };
    // Nobody signs in under this name.
    let subject = key.as_str();
    let write = Write::new("listed", now() + STAYS, Some(subject.into()));
    directory.create(key, &write).await?;
    let found = directory.list(subject).await?;
    Ok(matches!(&found[..], [(found, _)] if found == key))
}

/// Compares the clocks: the store decides when a record ends, and the machine that runs the command
/// stands for the application.
pub(super) async fn clock(opened: &Opened) -> Finding {
    let skew = async {
        let key = key()?;
        let store = &opened.store;
        let ending = Write::new("ending", now() + SKEW, None);
        store.create(&key, &ending).await?;
        let ahead = store.load(&key).await?.is_none();
        remove(opened, &key).await;

        let key = self::key()?;
        let over = UnixTime::from_secs(now().as_secs().saturating_sub(SKEW.as_secs()));
        store.create(&key, &Write::new("over", over, None)).await?;
        let behind = store.load(&key).await?.is_some();
        // An expired record cannot be deleted, and would stay until a sweep.
        let living = Write::new("living", now() + STAYS, None);
        store.create(&key, &living).await?;
        remove(opened, &key).await;
        Ok::<_, StoreError>((ahead, behind))
    };
    let late = "set both by NTP, or sign-outs can miss records that were rotated";
    match skew.await {
        Err(error) => Finding::bad("clock", sentence(&error)),
        Ok((true, _)) => Finding::bad(
            "clock",
            format!(
                "The store's clock is more than {} s ahead of this machine's: {late}.",
                SKEW.as_secs()
            ),
        ),
        Ok((_, true)) => Finding::bad(
            "clock",
            format!(
                "The store's clock is more than {} s behind this machine's: {late}.",
                SKEW.as_secs()
            ),
        ),
        Ok((false, false)) => Finding::good(
            "clock",
            format!(
                "The clocks of the store and of this machine differ by less than {} s.",
                SKEW.as_secs()
            ),
        ),
    }
}

/// Removes what a probe left. It expires in any case.
async fn remove(opened: &Opened, key: &Key) {
    if let Ok(Some(record)) = opened.store.load(key).await {
        let _ = opened.store.delete(key, &record).await;
    }
}

fn sentence(error: &StoreError) -> String {
    format!("It failed: {error}.")
}
