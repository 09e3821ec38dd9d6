//! XChaCha20-Poly1305.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

use super::{NONCE_LEN, Secret, TAG_LEN};
use crate::Error;

/// Encrypts the text in place, and returns the tag that authenticates it together with the head.
pub(crate) fn seal(
    secret: &Secret,
    nonce: [u8; NONCE_LEN],
    head: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_LEN], Error> {
    let cipher = XChaCha20Poly1305::new(secret.as_bytes().into());
    // Fails only for more bytes than fit in memory.
    let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), head, text.into());
    tag.map(Into::into).map_err(|_| Error::ProtocolMisuse)
}

/// Decrypts the text in place, if the tag fits it and the head.
pub(crate) fn open(
    secret: &Secret,
    nonce: &[u8],
    head: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), Error> {
    let cipher = XChaCha20Poly1305::new(secret.as_bytes().into());
    let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| Error::Corrupt)?;
    cipher
        .decrypt_inout_detached(&XNonce::from(nonce), head, text.into(), &Tag::from(*tag))
        .map_err(|_| Error::Corrupt)
}
