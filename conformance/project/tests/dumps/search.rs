//! Finds a secret in a dump, in whatever usual encoding it stands there.

/// Something that no dump may hold.
pub(crate) struct Secret {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Returns the name of each secret that is in this dump, with its encoding.
pub(crate) fn found(dump: &[u8], secrets: &[Secret]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets {
        for (encoding, needle) in encodings(&secret.bytes) {
            if contains(dump, &needle) {
                found.push(format!("{} {encoding}", secret.name));
            }
        }
    }
    found
}

fn contains(dump: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else {
        return false;
    };
    let mut from = 0;
    while let Some(at) = dump[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if dump[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// The same bytes in each encoding, without what depends on the bytes around them.
fn encodings(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("as it is".to_owned(), bytes.to_vec()),
        (
            "backwards".to_owned(),
            bytes.iter().rev().copied().collect(),
        ),
        ("in hexadecimal".to_owned(), hex(bytes, "", false)),
        ("in capital hexadecimal".to_owned(), hex(bytes, "", true)),
        ("URL-encoded".to_owned(), hex(bytes, "%", true)),
        (
            "URL-encoded in small letters".to_owned(),
            hex(bytes, "%", false),
        ),
        ("URL-encoded where needed".to_owned(), form(bytes)),
        (
            "in UTF-16, little-endian".to_owned(),
            bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
        ),
        (
            "in UTF-16, big-endian".to_owned(),
            bytes.iter().flat_map(|byte| [0, *byte]).collect(),
        ),
        ("in octal escapes".to_owned(), octal(bytes)),
    ];
    for (name, last) in [("base64", *b"+/"), ("base64url", *b"-_")] {
        for offset in 0..3 {
            all.push((
                format!("in {name} behind {offset} bytes"),
                base64(bytes, offset, last),
            ));
        }
    }
    all
}

fn hex(bytes: &[u8], before: &str, capital: bool) -> Vec<u8> {
    let digits = bytes.iter().map(|byte| match capital {
        true => format!("{before}{byte:02X}"),
        false => format!("{before}{byte:02x}"),
    });
    digits.collect::<String>().into_bytes()
}

fn octal(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().map(|byte| format!("\\{byte:03o}"));
    digits.collect::<String>().into_bytes()
}

fn form(bytes: &[u8]) -> Vec<u8> {
    let encoded = bytes.iter().flat_map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => vec![*byte],
        b' ' => vec![b'+'],
        byte => format!("%{byte:02X}").into_bytes(),
    });
    encoded.collect()
}

/// The digits that these bytes alone decide, behind so many others.
fn base64(bytes: &[u8], offset: usize, last: [u8; 2]) -> Vec<u8> {
    let mut digits = Vec::new();
    let bit = |at: usize| match at.checked_sub(8 * offset) {
        Some(at) => bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1),
        None => None,
    };
    for digit in 0.. {
        let start = 6 * digit;
        if start >= 8 * (offset + bytes.len()) {
            break;
        }
        let bits: Option<Vec<u8>> = (start..start + 6).map(bit).collect();
        let Some(bits) = bits else { continue };
        let value = bits.iter().fold(0, |value, bit| value << 1 | bit);
        digits.push(match value {
            0..26 => b'A' + value,
            26..52 => b'a' + value - 26,
            52..62 => b'0' + value - 52,
            _ => last[usize::from(value) - 62],
        });
    }
    digits
}

#[test]
fn each_encoding_is_found_where_other_bytes_stand_around_it() {
    let secrets = [Secret {
        name: "a secret",
        bytes: b"planted? \xFB\xFF".to_vec(),
    }];
    for dump in [
        &b"xxplanted? \xFB\xFFyy"[..],
        b"\\x00706C616E7465643F20FBFF",
        b"\\x00706c616e7465643f20fbff00",
        b"%70%6C%61%6E%74%65%64%3F%20%FB%FF",
        b"a=planted%3F+%FB%FF&b",
        b"p\0l\0a\0n\0t\0e\0d\0?\0 \0\xFB\0\xFF\0",
        // By another encoder: with 0, 1 and 2 bytes before it, and one behind.
        b"cGxhbnRlZD8g+/94",
        b"eHBsYW50ZWQ/IPv/eA==",
        b"eHhwbGFudGVkPyD7/3g=",
        b"eHhwbGFudGVkPyD7_3g",
    ] {
        assert_eq!(found(dump, &secrets).len(), 1, "{}", dump.escape_ascii());
    }
    assert!(found(b"another planted? text", &secrets).is_empty());
}
