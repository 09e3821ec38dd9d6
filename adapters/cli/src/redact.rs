//! Errors about arguments quote them, and a URL has a password in it.

/// Takes the given arguments that may hold a secret out of an error about them.
pub(crate) fn arguments(error: &str, given: &[String]) -> String {
    let mut parts: Vec<&str> = given
        .iter()
        .flat_map(|argument| {
            let value = argument.split_once('=').map(|(_, value)| value);
            [Some(argument.as_str()), value].into_iter().flatten()
        })
        .filter(|part| !part.is_empty())
        .collect();
    // The longest first: another one may be a part of it.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let mut error = error.to_owned();
    for part in parts {
        // A URL has a colon. A token or a key is long, and no option is.
        if part.contains(':') || part.len() > 24 {
            error = error.replace(part, "…");
        } else if !part.starts_with('-') || part.contains('=') {
            // Short ones stand in the usage too, as words. What was given is in quotes.
            error = error.replace(&format!("'{part}'"), "'…'");
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    // R90
    #[test]
    fn an_argument_that_may_be_a_url_a_token_or_a_password_is_not_quoted() {
        let given = [
            "redis://app:secret@host/0",
            "--stroe=redis://app:secret@host/0",
            "secret",
            "list",
            "--pass=secret",
        ];
        let given = given.map(str::to_owned);
        let quoted = given.each_ref().map(|part| format!("'{part}'")).join(", ");
        let shown = arguments(
            &format!("{quoted}\nUsage: cloakroom list '--stroe'"),
            &given,
        );
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("cloakroom list '--stroe'"), "{shown}");
    }
}
