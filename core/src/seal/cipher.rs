//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): `HChaCha20` makes the key of a
//! ChaCha20-Poly1305 (RFC 8439) from the key and the first 16 bytes of the nonce.
//!
//! `ring` needs a third of the time of a cipher in Rust alone, which WebAssembly gets.

use super::{NONCE_LEN, Secret, TAG_LEN};
use crate::Error;

#[cfg(not(target_family = "wasm"))]
use native as cipher;
#[cfg(target_family = "wasm")]
use portable as cipher;

#[cfg(not(target_family = "wasm"))]
mod native {
    use chacha20::cipher::array::Array;
    use chacha20::{R20, hchacha};
    use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

    use super::{NONCE_LEN, Secret, TAG_LEN};

    fn cipher(secret: &Secret, nonce: &[u8; NONCE_LEN]) -> Option<(LessSafeKey, Nonce)> {
        let (first, last) = nonce.split_first_chunk::<16>()?;
        let key = hchacha::<R20>(&Array::from(*secret.as_bytes()), &Array::from(*first));
        let key = zeroize::Zeroizing::new(<[u8; 32]>::from(key));
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).ok()?;
        let mut nonce = [0; 12];
        nonce.last_chunk_mut::<8>()?.copy_from_slice(last);
        let nonce = Nonce::assume_unique_for_key(nonce);
        Some((LessSafeKey::new(key), nonce))
    }

    pub(super) fn seal(
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
        head: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        let (key, nonce) = cipher(secret, &nonce)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(head), text);
        tag.ok()?.as_ref().try_into().ok()
    }

    pub(super) fn open(
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
        head: &[u8],
        text: &mut [u8],
        tag: [u8; TAG_LEN],
    ) -> Option<()> {
        let (key, nonce) = cipher(secret, &nonce)?;
        key.open_in_place_separate_tag(nonce, Aad::from(head), Tag::from(tag), text, 0..)
            .ok()
            .map(drop)
    }
}

#[cfg(any(target_family = "wasm", test))]
mod portable {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

    use super::{NONCE_LEN, Secret, TAG_LEN};

    pub(super) fn seal(
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
        head: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        let cipher = XChaCha20Poly1305::new(secret.as_bytes().into());
        let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), head, text.into());
        tag.ok().map(Into::into)
    }

    pub(super) fn open(
        secret: &Secret,
        nonce: [u8; NONCE_LEN],
        head: &[u8],
        text: &mut [u8],
        tag: [u8; TAG_LEN],
    ) -> Option<()> {
        let cipher = XChaCha20Poly1305::new(secret.as_bytes().into());
        let (nonce, tag) = (XNonce::from(nonce), Tag::from(tag));
        cipher
            .decrypt_inout_detached(&nonce, head, text.into(), &tag)
            .ok()
    }
}

/// Encrypts the text in place, and returns the tag that authenticates it together with the head.
pub(crate) fn seal(
    secret: &Secret,
    nonce: [u8; NONCE_LEN],
    head: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_LEN], Error> {
    // Fails only for more bytes than fit in memory.
    cipher::seal(secret, nonce, head, text).ok_or(Error::ProtocolMisuse)
}

/// Decrypts the text in place, if the tag fits it and the head.
pub(crate) fn open(
    secret: &Secret,
    nonce: &[u8],
    head: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), Error> {
    let nonce = nonce.try_into().map_err(|_| Error::Corrupt)?;
    cipher::open(secret, nonce, head, text, *tag).ok_or(Error::Corrupt)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::{NONCE_LEN, Secret, native, portable};

    // R89: a record that one machine seals is opened by every other.
    #[test]
    fn both_ciphers_are_one() {
        let head: Vec<u8> = (0..100).collect();
        for length in (0..300).chain([1_000, 4_096, 70_000]) {
            let secret = Secret::of(&[length as u8; 32]).unwrap();
            let nonce: [u8; NONCE_LEN] = std::array::from_fn(|at| (at * length) as u8);
            let head = &head[..length % 100];
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (mut one, mut other) = (plain.clone(), plain.clone());
            let tag = native::seal(&secret, nonce, head, &mut one).unwrap();
            let tags = (Some(tag), portable::seal(&secret, nonce, head, &mut other));
            assert_eq!(tags.0, tags.1);
            assert_eq!(one, other);
            let (mut bent, bent_tag) = (one.clone(), tag.map(|byte| byte ^ 1));
            assert!(native::open(&secret, nonce, head, &mut bent, bent_tag).is_none());
            native::open(&secret, nonce, head, &mut one, tag).unwrap();
            portable::open(&secret, nonce, head, &mut other, tag).unwrap();
            assert_eq!((&one, &other), (&plain, &plain));
        }
    }

    // draft-irtf-cfrg-xchacha-03, section A.3.1
    #[test]
    fn the_vector_of_the_draft_is_met() {
        let secret: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|at| 0x40 + at as u8);
        let head = *b"\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7";
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
            tip for the future, sunscreen would be it."
            .to_vec();
        let tag = native::seal(&Secret::of(&secret).unwrap(), nonce, &head, &mut text);
        assert_eq!(text[..8], *b"\xbd\x6d\x17\x9d\x3e\x83\xd4\x3b");
        let tag: String = tag
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(tag, "c0875924c1c7987947deafd8780acf49");
    }
}
