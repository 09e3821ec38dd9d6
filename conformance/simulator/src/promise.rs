//! The invariants of the design that each violation breaks.

use crate::truth::Wrong;

/// Every violation, and the numbers of the invariants.
const PROMISES: [(Wrong, &[u8]); 70] = [
    ("an untouched request calls the store", &[1]),
    ("a request that changes nothing would write", &[2]),
    (
        "a request that changes nothing has saved something",
        &[2, 10],
    ),
    ("a change was not noticed", &[3]),
    ("a value was claimed twice", &[3]),
    ("a value was claimed that is not there", &[3]),
    ("a claim has another value than it took", &[3]),
    ("a claim took a value, and does not have it", &[3, 8]),
    ("a claim found no value, and it is there", &[3, 8]),
    ("an increment is lost", &[3]),
    (
        "an increment was counted twice, or was not to be saved",
        &[3, 10],
    ),
    ("a value is not the one that was saved", &[3, 10]),
    ("a struct of the values has another value", &[3]),
    ("the message is not the one that was left", &[3]),
    ("a change was acknowledged, and was not saved", &[3, 8]),
    ("a change was dropped, and is there all the same", &[3, 8]),
    ("a change was dropped, and had been there", &[3, 8]),
    ("changes count as unchanged", &[3, 8]),
    ("a change was dropped, and the answer is a success", &[3, 8]),
    ("a change was dropped, and its session lives", &[3, 8]),
    ("a request was refused, and no client signed in", &[5, 8]),
    ("a change was refused, and is there all the same", &[3, 8]),
    ("a session is seen that was signed out", &[4]),
    ("a session is seen that ended with all others", &[4]),
    ("a session is seen a lease after all sessions ended", &[4]),
    ("a session counts as ended, and nobody ended it", &[7]),
    ("an end of all sessions ends none", &[4]),
    ("a sign-out leaves the cookie", &[4, 6]),
    ("an unknown token was adopted", &[5]),
    ("a session is seen that has expired, or never was", &[5]),
    ("a record is to live longer than its session may", &[5]),
    ("the absolute timeout counts from another moment", &[5]),
    ("a cookie is cleared, and no client signed out", &[6]),
    ("a cookie is issued, and there is no new session", &[6]),
    ("there is a new session, and its token is not issued", &[6]),
    ("a token is issued, and no record was created", &[6]),
    ("a form has no cookie that it can be checked against", &[6]),
    ("a form is accepted from another visitor", &[7]),
    ("a token is issued for changes that were not saved", &[6, 8]),
    (
        "a token reaches a privilege that it was not issued for",
        &[7],
    ),
    ("the session is not the subject's", &[7]),
    ("a token ended a session that it has no right to", &[7, 11]),
    ("a secret was made of bytes that are none", &[5]),
    ("two records are sealed with one nonce", &[7]),
    (
        "values are sealed with their token, or open without it",
        &[7],
    ),
    ("a record is not sealed as the configuration asks", &[7]),
    ("the time of the sign-in is another", &[7]),
    (
        "a token is not good for the old data within the grace",
        &[7],
    ),
    (
        "the old record is retired, and the new one lacks its data",
        &[7],
    ),
    (
        "a session whose token was never presented counts as one in use",
        &[7],
    ),
    (
        "a session in use counts as one whose token was never presented",
        &[7],
    ),
    ("a CSRF token of this session is refused", &[7]),
    (
        "a CSRF token of another session, or from before the sign-in, is accepted",
        &[7],
    ),
    ("a living session is not seen", &[7, 8]),
    ("a request failed, and nothing was wrong", &[5, 8]),
    ("a record that the machine wrote cannot be read", &[9]),
    ("a value of the session cannot be read or written", &[9]),
    (
        "a record whose token was never issued outlives its session",
        &[7],
    ),
    (
        "a session was used, and will end as if it had not been",
        &[9],
    ),
    ("a record is to be replaced that was never created", &[9]),
    ("a record is to be touched that was never created", &[9]),
    ("a record is to be deleted that was never created", &[9]),
    ("of two sessions that were presented one is trusted", &[11]),
    ("a token that was presented was not looked at", &[11]),
    ("a request calls the store more often than promised", &[12]),
    ("a request never stops calling the store", &[12]),
    ("a request loads without end", &[12]),
    ("the schedule does not end", &[12]),
    (
        "the machine asks a question that this driver does not support",
        &[12],
    ),
    (
        "the machine returns an outcome that this driver does not support",
        &[12],
    ),
];

/// The numbers of the invariants that this violation breaks.
///
/// ```
/// assert_eq!(cloakroom_simulator::invariants("an increment is lost"), [3]);
/// ```
#[must_use]
pub fn invariants(wrong: Wrong) -> &'static [u8] {
    let mut known = PROMISES.iter();
    known
        .find(|(known, _)| *known == wrong)
        .map_or(&[], |(_, invariants)| invariants)
}

#[cfg(test)]
mod tests {
    use super::PROMISES;

    const SOURCES: [&str; 11] = [
        include_str!("act.rs"),
        include_str!("around.rs"),
        include_str!("done.rs"),
        include_str!("epoch.rs"),
        include_str!("handler.rs"),
        include_str!("landing.rs"),
        include_str!("lib.rs"),
        include_str!("midway.rs"),
        include_str!("truth.rs"),
        include_str!("world.rs"),
        include_str!("written.rs"),
    ];

    #[test]
    fn each_of_the_twelve_invariants_is_looked_after() {
        for invariant in 1..=12 {
            let mut promises = PROMISES.iter();
            assert!(
                promises.any(|(_, of)| of.contains(&invariant)),
                "{invariant}"
            );
        }
    }

    #[test]
    fn every_violation_that_is_looked_for_names_its_invariants() {
        let known = |wrong: &str| PROMISES.iter().any(|(known, _)| *known == wrong);
        for source in SOURCES {
            for after in source.split("Err(\"").skip(1) {
                let wrong = after.split('"').next().unwrap_or_default();
                assert!(known(wrong), "{wrong}");
            }
        }
        for (wrong, _) in PROMISES {
            let found = SOURCES
                .iter()
                .any(|source| source.contains(&format!("\"{wrong}\"")));
            assert!(found, "nobody looks for: {wrong}");
        }
    }
}
