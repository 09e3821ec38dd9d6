//! The requirements on sessions and their sources. Cases and tests name them by their ids.

/// A requirement, as the cases name it: `R53`.
///
/// ```
/// let increments = cloakroom_conformance::requirements()
///     .find(|requirement| requirement.id == "R53")
///     .unwrap();
/// println!("{increments}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// `R` and two digits.
    pub id: &'static str,
    /// Its topic.
    pub topic: &'static str,
    /// Its sentence.
    pub sentence: &'static str,
    /// Where it comes from: a section of a standard, a CVE of another library that failed in this,
    /// or the design.
    pub source: &'static str,
}

impl std::fmt::Display for Requirement {
    /// `id  sentence [source]`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            sentence,
            source,
            ..
        } = self;
        write!(f, "{id} {sentence} [{source}]")
    }
}

/// Returns all requirements, in order.
///
/// ```
/// assert_eq!(cloakroom_conformance::requirements().count(), 96);
/// ```
pub fn requirements() -> impl ExactSizeIterator<Item = Requirement> {
    ALL.iter().copied()
}

macro_rules! requirements {
    ($($topic:literal { $($id:literal $sentence:literal $source:literal;)+ })+) => {
        &[$($(Requirement { id: $id, topic: $topic, sentence: $sentence, source: $source }),+),+]
    };
}

#[rustfmt::skip]
const ALL: &[Requirement] = requirements! {
    "Identifiers" {
        "R01" "Tokens: at least 128 bits from a CSPRNG; 100,000 of them are unique and use the whole alphabet"
            "OWASP ASVS 5.0, 7.2.3";
        "R02" "An unknown well-formed token is never adopted: a write yields a different one"
            "OWASP Session Management Cheat Sheet";
        "R03" "A malformed token (empty, 8 KiB, NUL, CR LF, `../`, `$ne`, non-ASCII): no store call"
            "OWASP Session Management Cheat Sheet";
        "R04" "One spelling per token: padding, case and trailing-bit variants miss"
            "Cloakroom's design";
        "R05" "A collision on create leaves the other record as it was and mints again, a bounded number of times"
            "Cloakroom's design";
        "R06" "Sign-in rotates: the new token keeps the data; the old one never reaches the new privilege, reads for the grace and is dead after it; with a grace of 0 it is dead at once"
            "OWASP ASVS 5.0, 7.2.4";
        "R07" "Rotation with a failure injected at each store action: never two live privileged tokens, never lost data"
            "Cloakroom's design";
        "R08" "The old token's grace is bounded, and ends at once when the session is signed out"
            "OWASP Session Management Cheat Sheet";
        "R09" "A token in a URL, body or another header is ignored"
            "OWASP Session Management Cheat Sheet";
        "R10" "The store's keys do not contain the token"
            "CVE-2019-16782";
        "R11" "No token, key, secret or session value in logs, `Debug` or errors"
            "CVE-2023-20866";
    }
    "Lifetime" {
        "R12" "Idle timeout enforced by the server: t-1, t, t+1"
            "OWASP ASVS 5.0, 7.3.1";
        "R13" "Absolute timeout: neither activity nor rotation extends it"
            "OWASP ASVS 5.0, 7.3.2";
        "R14" "An expired record that a store still returns is refused"
            "CVE-2024-35220";
        "R15" "A clock that jumps back or to an extreme: no panic, no life gained"
            "Cloakroom's design";
        "R16" "Presets: NIST AAL1 30 d, AAL2 24 h / 1 h idle, AAL3 12 h / 15 min idle"
            "NIST SP 800-63B";
        "R17" "No Max-Age by default; expiry is the server's"
            "OWASP Session Management Cheat Sheet";
        "R18" "Max-Age above 34,560,000 s is a config error"
            "RFC 10025, 5.5";
        "R19" "Logout deletes the record; the removal cookie has the same name, Path and Domain and keeps Secure, HttpOnly, SameSite, Partitioned"
            "OWASP ASVS 5.0, 7.4.1";
        "R20" "Logout beats whatever is in flight, a write and a read"
            "CVE-2025-46336";
        "R21" "List a subject's sessions; revoke one, the others, all"
            "OWASP ASVS 5.0, 7.4.2, 7.5.2";
        "R22" "The time of sign-in is kept, so that step-up can be asked for"
            "OWASP ASVS 5.0, 7.5.1";
        "R23" "A limit on a subject's concurrent sessions, with a policy: refuse or evict the oldest"
            "OWASP ASVS 5.0, 7.1.2";
        "R24" "Logout without a session creates nothing"
            "CVE-2015-5963";
        "R25" "An anonymous read: no record, no cookie"
            "CVE-2015-5143";
        "R26" "An expiry set on one session survives later requests and writes"
            "Cloakroom's design";
    }
    "Set-Cookie" {
        "R27" "Default `__Host-`, Secure, HttpOnly, SameSite, Path=/, no Domain"
            "OWASP ASVS 5.0, 3.3.1-4";
        "R28" "`__Host-`, `__Secure-`, `__Http-`, `__Host-Http-` rules checked when the config is built, without regard to case"
            "RFC 10025, 5.4 and 5.7; draft-ietf-httpbis-layered-cookies";
        "R29" "SameSite=None or Partitioned without Secure is a config error"
            "RFC 10025, 5.7; draft-cutler-httpbis-partitioned-cookies";
        "R30" "Name a token, value cookie-octets; `;`, control or non-ASCII is an error and nothing is emitted"
            "RFC 10025, 4.1.1";
        "R31" "Name + value over 4096 bytes, or an attribute over 1024: an error, never cut short"
            "RFC 10025, 5.6";
        "R32" "One Set-Cookie per name, each on a line of its own; others' Set-Cookie lines are kept; IMF-fixdate"
            "RFC 10025, 3 and 4.1.1";
        "R33" "Emitted on 3xx and 4xx too; on 5xx as configured"
            "RFC 10025, 3 and 5.3";
        "R34" "A cookie without Secure exists only by asking for it by a name that says so (development), which warns once; the defaults work behind a proxy that ends TLS, and on loopback in a real browser"
            "Cloakroom's design";
    }
    "Cookie" {
        "R35" "Several Cookie headers mean the same as one joined"
            "RFC 10025, 4.2.1; RFC 9113, 8.2.3";
        "R36" "Duplicate names: result does not depend on order; bounded loads"
            "RFC 10025, 4.2.2";
        "R37" "Names are case-sensitive; no percent-decoding; quotes kept"
            "RFC 10025, 4.1.1, 5.4 and 5.6";
        "R38" "Garbage beside our cookie does not hide it; linear time at 64 KiB"
            "Cloakroom's design";
        "R39" "Any bytes: no panic"
            "Cloakroom's design";
    }
    "Caching" {
        "R40" "`Vary: Cookie` on every access, `contains`, `len` and `is_empty` included, and on renewal"
            "CVE-2023-30861; CVE-2026-27205; CVE-2026-35192";
        "R41" "`Cache-Control: no-store` when a cookie is set; a stricter value of the application is kept"
            "OWASP Session Management Cheat Sheet; RFC 9111";
        "R42" "Vary is merged; `*` stays"
            "Cloakroom's design";
        "R43" "An untouched session adds no header"
            "Cloakroom's design";
        "R44" "Optional `Clear-Site-Data` on logout"
            "OWASP Session Management Cheat Sheet";
    }
    "Sessions inside the cookie" {
        "R45" "Authenticate before decoding or inflating; no fallback decoder; each flipped bit yields an empty session"
            "CVE-2026-39324";
        "R46" "What is sealed is bound to cookie name, purpose and version: a value moved to another cookie fails"
            "CVE-2026-6873";
        "R47" "Expiry is inside what is signed or sealed"
            "Cloakroom's design";
        "R48" "Fixed algorithm; old keys only open; newest key signs"
            "CVE-2025-47278";
        "R49" "A revocation epoch, so that all can be ended"
            "CVE-2024-31999";
        "R50" "Nonces never repeat"
            "Cloakroom's design";
    }
    "Stores and data" {
        "R51" "Depth, length and inflated size are capped: a 1 kB bomb costs bounded memory"
            "Cloakroom's design";
        "R52" "A corrupt or newer-version record: typed error, not overwritten"
            "Cloakroom's design";
        "R53" "N concurrent increments through two handles give n, on every store"
            "Cloakroom's design";
        "R54" "Outage: an error; never an empty session that is then saved"
            "Cloakroom's design";
        "R55" "Value and expiry in one atomic step"
            "Cloakroom's design";
        "R56" "An unmodified session is touched at most, and rarely"
            "Cloakroom's design";
        "R57" "A lifetime over 30 days works on Memcached"
            "Cloakroom's design";
        "R58" "Hostile keys (250 bytes, space, CR LF, NUL, quotes, `/`, `..`, `%`, `$`) cannot reach another record, file or command"
            "Cloakroom's design";
        "R59" "A store's sweeper survives an error and goes on"
            "Cloakroom's design";
        "R60" "A file store interrupted at any step (fault injected; SIGKILL in a loop) shows the old or the new record, never a torn one"
            "Cloakroom's design";
        "R61" "A second process or node sees every commit; after logout on one node the other refuses"
            "Cloakroom's design";
        "R62" "A lost reply (the write landed, the answer did not) never loses or doubles a change"
            "Cloakroom's design";
    }
    "The request cycle" {
        "R63" "A change after the response head is an error to the caller, never silently lost"
            "Cloakroom's design";
        "R64" "A handler that panics, errors or is cancelled leaves the session as it was"
            "Cloakroom's design";
        "R65" "Rotate and then 5xx: the client still has a working session"
            "Cloakroom's design";
        "R66" "Destroy and then insert in one request: a new token"
            "Cloakroom's design";
        "R67" "Two independent session cookies in one application do not see each other"
            "Cloakroom's design";
        "R68" "A CSRF token bound to the session, renewed at sign-in"
            "OWASP ASVS 5.0, 3.5.1";
        "R69" "WebSocket upgrade and streaming bodies: commit before the head; later access says closed"
            "Cloakroom's design";
    }
    "Values and types" {
        "R70" "What `insert`, `update` and typed writes accept, the same type reads back, on every format; the rest is refused when it is written"
            "Cloakroom's design";
        "R71" "A type that changes between two versions of an application locks no visitor out: sign-out always works, and one value or all can be reset"
            "Cloakroom's design";
        "R72" "A request that fails to read its session does not extend it"
            "Cloakroom's design";
        "R73" "Equal values are no change, whatever order a map iterates in"
            "Cloakroom's design";
    }
    "Several cookies, several scopes" {
        "R74" "A retired token beside its own successor is one session, not two"
            "Cloakroom's design";
        "R75" "A sign-in ends every other living session that was presented with it; the visitor is signed in on the next request"
            "Cloakroom's design";
        "R76" "A cookie of a former Domain, Path or Partitioned that the configuration names is removed at sign-in and sign-out; of several sessions in cookies the newest counts, and a sign-out outranks all"
            "Cloakroom's design";
        "R77" "Two kinds of session with one cookie name are refused before the first answer"
            "Cloakroom's design";
    }
    "Nothing acknowledged is dropped" {
        "R78" "A plain rotation keeps the changes of requests in flight that succeed, or fails them"
            "Cloakroom's design";
        "R79" "Of any number of concurrent claims of one value exactly one succeeds, on every store, through faults"
            "Cloakroom's design";
    }
    "Caches" {
        "R80" "A cached read never returns what was acknowledged as changed or ended a lease ago, with paused processes, slow answers and skewed clocks"
            "Cloakroom's design";
        "R81" "A cache never makes a write lose, double or revive anything"
            "Cloakroom's design";
    }
    "Waiting for the end" {
        "R82" "Waiting for the end of a session never ends for a session that lives, through errors, lost notices and paused processes; what another process ended at T is noticed by T + lease, or there is an error by then"
            "Cloakroom's design";
    }
    "Ending everything, and step-up" {
        "R83" "After the end of all sessions at T nothing authenticated before T is accepted from T and a lease on, whatever was in flight"
            "OWASP ASVS 5.0, 7.4.5";
        "R84" "A step-up counts for less than its age, to the second; a step-up and a plain write that race lose neither silently"
            "OWASP ASVS 5.0, 7.5.1 and 7.5.3";
    }
    "Sessions bound to a device" {
        "R87" "A bound session is refused without its fresh bound cookie, by the policy of the route; a copied cookie jar is of no use on another device after the bound cookie's life"
            "Cloakroom's design";
        "R88" "Registration, refresh and sign-out race safely; a lost answer to any of them locks nobody out"
            "Cloakroom's design";
    }
    "Sealed values" {
        "R89" "Neither a token nor a sealed value can be found in a dump of any store; a damaged byte is an error, never another value"
            "Cloakroom's design";
    }
    "Moving in" {
        "R85" "Adoption: every session of the old store is found, none is lost, doubled or signed out by it, none comes back after a sign-out in either"
            "Cloakroom's design";
        "R86" "A record of another library that Cloakroom cannot read is an error, and is never overwritten"
            "Cloakroom's design";
    }
    "Operators" {
        "R90" "No command prints a token, a key or a value unless asked for values; every command that changes something can be run with `--dry-run`"
            "Cloakroom's design";
    }
    "Load, infrastructure, honesty" {
        "R91" "A load of cancelled requests costs others no more than the same load uncancelled, on every store and adapter"
            "Cloakroom's design";
        "R92" "No wrong answer through a pooler, a proxy or a file system; what cannot be kept is an error"
            "Cloakroom's design";
        "R93" "No outcome claims an effect that it did not have"
            "Cloakroom's design";
        "R94" "A limit counts in the call that crosses it; work and memory until then are bounded by it"
            "Cloakroom's design";
        "R95" "A response that depends on a session is `Cache-Control: private` unless the application set something itself"
            "RFC 9111, 5.2.2.7";
    }
    "Tokens in a header" {
        "R96" "A kind of session whose token is in a header reads and sets no cookie, and keeps every other promise"
            "RFC 6750, 2.1";
    }
};
