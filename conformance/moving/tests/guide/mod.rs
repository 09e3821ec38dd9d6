//! Guides whose code is that of a test.

/// Checks that each piece of Rust in the guide is a piece of this source, apart from spaces.
pub fn check(guide: &str, source: &str) {
    let source = without_spaces(source);
    let mut pieces = 0;
    for piece in guide.split("```rust\n").skip(1) {
        let piece = piece.split("```").next().unwrap_or_default();
        assert!(
            source.contains(&without_spaces(piece)),
            "not in the test:\n{piece}"
        );
        pieces += 1;
    }
    assert!(pieces > 3, "{pieces} pieces");
}

/// Line breaks differ with the width, and with them trailing commas.
fn without_spaces(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",)", ")")
}
