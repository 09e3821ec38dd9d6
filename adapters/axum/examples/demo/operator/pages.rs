//! The operator's HTML. `(..)` escapes everything that comes from a visitor.

use cloakroom_axum::Error;
use maud::{Markup, html};

use super::MOST_OF_A_NAME;
use super::census::{Census, MOST};
use crate::handlers::Visitor;
use crate::pages::{Device, form, frame};

/// The result of a search.
pub(super) enum Found {
    Sessions(Vec<Device>),
    /// No name to search for.
    Wrong(String),
    Failed(Error),
}

/// The effect of a form.
pub(super) enum Did {
    /// Whether there was such a session.
    EndedOne(bool),
    Ended(usize),
    EndedAll,
    /// The box was not ticked.
    Unsure,
}

pub(super) fn overview(
    visitor: &Visitor,
    csrf: &str,
    can_list: bool,
    census: &Result<Option<Census>, Error>,
    found: Option<(&str, &Found)>,
) -> Markup {
    let main = html! {
        h1 { "Operator" }
        p.about { "All sessions of this shop. Only browsers on this machine see this page. The command " code { "cloakroom" } " shows the same in a terminal." }
        section aria-labelledby="numbers" {
            h2 #numbers { "Sessions" }
            @match census {
                Ok(Some(census)) => (numbers(census)),
                Ok(None) => p.about { "This store does not count its sessions: Memcached has no list of its keys, and each node of a Redis Cluster has only its own. The other stores can." },
                Err(error) => p.problem role="alert" { "They could not be counted: " (error) "." },
            }
        }
        section aria-labelledby="search" {
            h2 #search { "Sessions of a user" }
            @if can_list {
                (searching(csrf, found))
            } @else {
                p.about { "This store cannot list the sessions of a user: Memcached has no list of its keys." }
            }
        }
        section aria-labelledby="all" {
            h2 #all { "End all sessions" }
            div.card.all {
                p { "For everybody, visitors who are not signed in and you included. Carts go with them. Other processes of the shop follow within a second." }
                (form("/operator/end-all", csrf, html! {
                    label.sure { input type="checkbox" name="sure" value="yes" required; " End the sessions of everybody" }
                    button.alarm { "End all" }
                }))
            }
        }
    };
    frame(Some(visitor), "/operator", "Operator", main)
}

fn numbers(census: &Census) -> Markup {
    let number = |name: &str, number: usize| html! { div { dt { (name) } dd { (number) } } };
    let rest = [
        (
            "Ended sessions, replaced tokens and the end of all",
            census.passed,
        ),
        ("Of another cookie", census.foreign),
        ("Unreadable", census.unreadable),
    ];
    html! {
        dl.numbers.card {
            (number("Sessions", census.sessions))
            (number("Signed in", census.signed_in))
            (number("Anonymous", census.sessions - census.signed_in))
            (number("Users", census.users.len()))
            (number("Begun in the last 10 minutes", census.new))
            (number("Begun 10 to 60 minutes ago", census.recent))
            (number("Begun before that", census.old))
        }
        p.about {
            @if census.has_more {
                "This page reads about " (MOST) " records, and the store has more: these are the numbers of the first " (census.records) ". "
            } @else {
                "Counted just now, from " (count(census.records, "record")) " of " (size(census.bytes)) ". "
            }
            @for (what, number) in rest {
                @if number > 0 { (what) ": " (number) ". " }
            }
        }
    }
}

fn searching(csrf: &str, found: Option<(&str, &Found)>) -> Markup {
    let name = found.map_or("", |(name, _)| name);
    let problem = match found {
        Some((_, Found::Wrong(problem))) => Some(problem),
        _ => None,
    };
    html! {
        form.search action="/operator" role="search" {
            label for="name" { "Name" }
            div {
                input #name type="text" name="name" value=(name.replace(char::is_control, "")) required maxlength="40" autocomplete="off" spellcheck="false"
                    aria-invalid=[problem.map(|_| "true")] aria-describedby=[problem.map(|_| "problem")];
                button { "Search" }
            }
            @if let Some(problem) = problem {
                p #problem.problem { (problem) }
            }
        }
        @match found {
            Some((name, Found::Sessions(devices))) if devices.is_empty() => {
                p.result role="status" { "No session of " bdi { (name) } "." }
            }
            Some((name, Found::Sessions(devices))) => (listing(csrf, name, devices)),
            Some((_, Found::Failed(error))) => p.problem role="alert" { "The sessions could not be listed: " (error) "." },
            Some((_, Found::Wrong(_))) | None => {}
        }
    }
}

fn listing(csrf: &str, name: &str, devices: &[Device]) -> Markup {
    html! {
        div.heading.result {
            p role="status" { (count(devices.len(), "session")) " of " bdi { (name) } }
            (form("/operator/end-name", csrf, html! {
                input type="hidden" name="name" value=(name);
                button.quiet { "End all of them" }
            }))
        }
        ul.devices.card {
            @for device in devices {
                li {
                    div.what {
                        h3 { (device.name) @if device.is_this { " " span.badge { "This device" } } }
                        p.about { span { "Signed in " (device.signed_in) ", " } " " span { "last seen " (device.last_seen) ", " } " " span { "expires " (device.expires) } }
                    }
                    (form("/operator/end", csrf, html! {
                        input type="hidden" name="name" value=(name);
                        input type="hidden" name="id" value=(device.id);
                        button.quiet aria-label={ "End " (device.name) ", signed in " (device.signed_in) } { "End" }
                    }))
                }
            }
        }
        p.about { "The last sign-in is first. This page reads at most " (MOST_OF_A_NAME) " records of a name." }
    }
}

/// `name`: the user whose sessions the form was about.
pub(super) fn answer(did: &Result<Did, Error>, name: Option<&str>) -> Markup {
    let user = html! { bdi { (name.unwrap_or_default()) } };
    let (title, text) = match did {
        Ok(Did::EndedOne(true)) => (
            "The session has ended",
            html! { "The browser of " (user) " is a stranger from its next request on." },
        ),
        Ok(Did::EndedOne(false)) => (
            "There was no such session",
            html! { "It may have ended, or changed its id, since the page was loaded. Search again to see." },
        ),
        Ok(Did::Ended(ended)) if *ended >= MOST_OF_A_NAME => (
            "Many sessions have ended",
            html! { (count(*ended, "session")) " of " (user) " ended, and there may be more. Search again, and end them too." },
        ),
        Ok(Did::Ended(ended)) => (
            "The sessions have ended",
            html! { (count(*ended, "session")) " of " (user) " ended." },
        ),
        Ok(Did::EndedAll) => (
            "All sessions have ended",
            html! { "Everybody is a stranger from the next request on, and so are you." },
        ),
        Ok(Did::Unsure) => (
            "Nothing has been ended",
            html! { "Tick the box first: this ends the sessions of everybody." },
        ),
        Err(error) => (
            "That may not have happened",
            html! { "Sessions may have ended or not: " (error) ". Look again, and repeat it if need be. Ending them twice does no harm." },
        ),
    };
    saying(title, &text, name)
}

/// Says that the operator's own session cannot be used, so nothing was done.
pub(super) fn refused(error: &Error) -> Markup {
    let text = html! { "Nothing has been ended: " (error) ". Try again once the store works." };
    saying("The store fails", &text, None)
}

/// `name`: the user to go back to.
fn saying(title: &str, text: &Markup, name: Option<&str>) -> Markup {
    let main = html! {
        div.failure role="status" {
            h1 { (title) }
            p { (text) }
            @if let Some(name) = name {
                form action="/operator" {
                    input type="hidden" name="name" value=(name);
                    button { "Back to the search" }
                }
            } @else {
                a.button href="/operator" { "Back to the operator’s page" }
            }
        }
    };
    // Without the visitor, whose session may be one of those that ended.
    frame(None, "/operator", title, main)
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => count(bytes, "byte"),
        _ => format!("{} kB", bytes / 1000),
    }
}
