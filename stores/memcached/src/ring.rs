//! Which server has which record.

use md5::{Digest as _, Md5};

/// The points of all servers on a circle of 32 bits: a record belongs to the server of the next point after its own.
///
/// The weighted Ketama of libmemcached with equal weights, which others have too (`OPT_LIBKETAMA_COMPATIBLE` in PHP,
/// `ketama_weighted` in pylibmc): 160 points for each server, four from each MD5 of its name and a number.
#[derive(Debug)]
pub(crate) struct Ring(Vec<(u32, usize)>);

impl Ring {
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        const DIGESTS: u32 = 40;
        let mut points = Vec::new();
        for (server, name) in names.into_iter().enumerate() {
            for number in 0..DIGESTS {
                let digest = Md5::digest(format!("{name}-{number}"));
                let (parts, _) = digest.as_chunks();
                points.extend(parts.iter().map(|part| (u32::from_le_bytes(*part), server)));
            }
        }
        points.sort_unstable();
        Self(points)
    }

    /// The server of a record, as the position of its name.
    pub(crate) fn server(&self, record: &[u8]) -> usize {
        let digest = Md5::digest(record);
        let (parts, _) = digest.as_chunks();
        let point = parts.first().map_or(0, |part| u32::from_le_bytes(*part));
        let next = self.0.partition_point(|(other, _)| *other < point);
        let owner = self.0.get(next).or_else(|| self.0.first());
        owner.map_or(0, |(_, server)| *server)
    }
}
