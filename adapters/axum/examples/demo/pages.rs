//! The pages. `(..)` escapes everything that comes from a visitor.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::handlers::Visitor;
use crate::shop::{Cart, PRODUCTS, Product};

/// One of a user's sessions.
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) signed_in: String,
    pub(crate) last_seen: String,
    pub(crate) expires: String,
    pub(crate) is_this: bool,
}

pub(crate) fn shop(visitor: &Visitor, csrf: &str, visits: u64) -> Markup {
    let main = html! {
        header.hero {
            h1 {
                @match &visitor.name {
                    Some(name) => { "Good to see you, " bdi { (name) } }
                    None => { "Things worth hanging up" }
                }
            }
            p.visits {
                @match visits {
                    1 => "You are here for the first time.",
                    2 => "You are here for the second time.",
                    n => { "You are here for the " strong { (ordinal(n)) } " time." }
                }
            }
        }
        ul.goods {
            @for product in &PRODUCTS {
                li.card {
                    (drawing(product))
                    h2 { (product.name) }
                    p.about { (product.about) }
                    div.buy {
                        span.price { (euros(product.price)) }
                        (form("/cart/add", csrf, html! {
                            input type="hidden" name="product" value=(product.id);
                            button { "Add to cart" span.hidden { ": " (product.name) } }
                        }))
                    }
                }
            }
        }
    };
    frame(Some(visitor), "/", "Shop", main)
}

pub(crate) fn cart(visitor: &Visitor, csrf: &str, cart: &Cart) -> Markup {
    let main = html! {
        h1 { "Your cart" }
        @if cart.count() == 0 {
            div.card.empty {
                p { "There is nothing in it yet." }
                a.button href="/" { "Have a look around" }
            }
        } @else {
            ul.lines.card {
                @for (product, count) in cart.lines() {
                    li {
                        (drawing(product))
                        div.what {
                            h2 { (product.name) }
                            p.about { (euros(product.price)) " each" }
                        }
                        (form("/cart/change", csrf, html! {
                            input type="hidden" name="product" value=(product.id);
                            div.count {
                                button.quiet name="change" value="less" aria-label={ "One " (product.name) " less" } { "−" }
                                output { (count) }
                                button.quiet name="change" value="more" aria-label={ "One " (product.name) " more" } { "+" }
                                button.link name="change" value="remove" aria-label={ "Remove " (product.name) } { "Remove" }
                            }
                        }))
                        span.price { (euros(product.price * count)) }
                    }
                }
                li.total { span { "Total" } span.price { (euros(cart.total())) } }
            }
            p.about { "The cart lives in your session. It comes along when you sign in." }
        }
    };
    frame(Some(visitor), "/cart", "Cart", main)
}

pub(crate) fn sign_in(visitor: &Visitor, csrf: &str, name: &str, problem: Option<&str>) -> Markup {
    let main = html! {
        div.narrow {
            h1 { "Sign in" }
            div.card {
                (form("/sign-in", csrf, html! {
                    label for="name" { "Your name" }
                    input #name type="text" name="name" value=(name.replace(char::is_control, "")) autocomplete="username" required maxlength="40" autofocus
                        aria-invalid=[problem.map(|_| "true")] aria-describedby=[problem.map(|_| "problem")];
                    @if let Some(problem) = problem {
                        p #problem.problem { (problem) }
                    }
                    button { "Sign in" }
                }))
            }
            p.about { "Any name will do, and there is no password: this is a demo. Use the same name in another browser to see both among your devices." }
        }
    };
    frame(Some(visitor), "/sign-in", "Sign in", main)
}

/// `devices`: none if the store cannot list them.
pub(crate) fn account(
    visitor: &Visitor,
    csrf: &str,
    name: &str,
    devices: Option<&[Device]>,
    is_bound: bool,
) -> Markup {
    let (listed, devices) = (devices.is_some(), devices.unwrap_or_default());
    let others = devices.iter().filter(|device| !device.is_this).count();
    let main = html! {
        div.heading {
            div {
                h1 { bdi { (name) } }
                p.about { "Your account at Hook & Hanger" }
                @if is_bound {
                    p.about.bound { "This device is bound: a copy of its cookies stops working within ten minutes." }
                }
            }
            (form("/sign-out", csrf, html! { button.quiet { "Sign out" } }))
        }
        section aria-labelledby="devices" {
            div.heading {
                h2 #devices { "Your devices" }
                @if others > 0 {
                    (form("/sign-out/others", csrf, html! { button.quiet { "Sign out the others" } }))
                }
            }
            @if listed {
                ul.devices.card {
                    @for device in devices {
                        li {
                            div.what {
                                h3 { (device.name) @if device.is_this { " " span.badge { "This device" } } }
                                p.about { span { "Signed in " (device.signed_in) ", " } " " span { "expires " (device.expires) } }
                            }
                            @if !device.is_this {
                                (form("/sign-out/one", csrf, html! {
                                    input type="hidden" name="id" value=(device.id);
                                    button.quiet aria-label={ "Sign out " (device.name) ", signed in " (device.signed_in) } { "Sign out" }
                                }))
                            }
                        }
                    }
                }
                p.about { "A device that you do not use expires by itself. If you do not recognise one, sign it out: that takes effect at once." }
            } @else {
                p.about { "Where this shop keeps its sessions they cannot be listed. Each device can sign itself out." }
            }
        }
    };
    frame(Some(visitor), "/account", "Account", main)
}

pub(crate) fn failure(status: StatusCode, title: &str, text: &str) -> Markup {
    let main = html! {
        div.failure {
            p.status { (status.as_str()) }
            h1 { (title) }
            p { (text) }
            a.button href="/" { "To the shop" }
        }
    };
    // Without the visitor's name, because the session may be the part that failed.
    frame(None, "", title, main)
}

/// Every form of the site. It carries the CSRF token of the session, which `Posted` checks.
pub(crate) fn form(action: &str, csrf: &str, fields: Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(csrf);
            (fields)
        }
    }
}

pub(crate) fn frame(visitor: Option<&Visitor>, here: &str, title: &str, main: Markup) -> Markup {
    let link = |to: &str, text: Markup| html! { a href=(to) aria-current=[(to == here).then_some("page")] { (text) } };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Hook & Hanger" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    nav aria-label="Site" {
                        a.brand href="/" { "Hook & Hanger" }
                        @if let Some(visitor) = visitor {
                            (link("/cart", html! { "Cart" @if visitor.in_cart > 0 { " " span.badge { (visitor.in_cart) span.hidden { " items" } } } }))
                            @match &visitor.name {
                                Some(name) => (link("/account", html! { bdi.me { (name) } })),
                                None => (link("/sign-in", html! { "Sign in" })),
                            }
                        }
                    }
                }
                main #main {
                    @if let Some(notice) = visitor.and_then(|visitor| visitor.notice.as_deref()) {
                        p.notice role="status" { (notice) }
                    }
                    (main)
                }
                footer { p { "A demo of Cloakroom, sessions for Rust. Nothing here is for sale, and no scripts run." } }
            }
        }
    }
}

fn drawing(product: &Product) -> Markup {
    html! { svg viewBox="0 0 64 64" aria-hidden="true" { path d=(product.drawing) {} } }
}

fn euros(amount: u32) -> String {
    format!("€ {amount}")
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}
