//! The code in the guide is the code that is compiled, and passes the suite.

const GUIDE: &str = include_str!("../ADAPTER.md");
const CODE: [&str; 2] = [
    include_str!("../examples/own_adapter/adapter.rs"),
    include_str!("own_adapter.rs"),
];

#[test]
fn every_piece_of_code_in_the_guide_is_in_the_example_or_its_test() {
    let code = CODE.map(without_layout);
    let mut pieces = 0;
    for piece in GUIDE.split("```rust\n").skip(1) {
        let (piece, _) = piece.split_once("```").expect("each piece has an end");
        let found = code
            .iter()
            .any(|code| code.contains(&without_layout(piece)));
        assert!(found, "not in the example:\n{piece}");
        pieces += 1;
    }
    assert!(pieces > 5, "only {pieces} pieces of code");
}

#[test]
fn every_case_and_file_that_the_guide_names_is_there() {
    let cases: Vec<_> = cloakroom_conformance::adapter::cases()
        .map(|case| case.id)
        .collect();
    let named = GUIDE.split('`').filter(|word| word.starts_with("adapter/"));
    for id in named {
        assert!(cases.contains(&id), "{id}");
    }
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for link in GUIDE
        .split("](")
        .skip(1)
        .filter_map(|link| link.split(')').next())
    {
        if !link.starts_with("https://") {
            assert!(here.join(link).is_file(), "{link}");
        }
    }
}

/// Without what another line width changes: white space, and commas before a closing bracket.
fn without_layout(code: &str) -> String {
    let mut text: String = code.split_whitespace().collect();
    for bracket in ["}", ")", "]"] {
        text = text.replace(&format!(",{bracket}"), bracket);
    }
    text
}
