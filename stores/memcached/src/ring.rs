//! The server that has a record.

use md5::{Digest as _, Md5};

/// The points of all servers on a circle of 32 bits: a record belongs to the server of the next
/// point after its own.
///
/// The weighted Ketama of libmemcached with equal weights, also known as `OPT_LIBKETAMA_COMPATIBLE`
/// (PHP) and `ketama_weighted` (pylibmc). Each server has 160 points, four from each MD5 of its
/// name and a number. There are none for a single server.
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
        if points.iter().all(|(_, server)| *server == 0) {
            points.clear();
        }
        points.sort_unstable();
        Self(points)
    }

    /// The server of a record, as the position of its name.
    pub(crate) fn server(&self, record: &[u8]) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let digest = Md5::digest(record);
        let (parts, _) = digest.as_chunks();
        let point = parts.first().map_or(0, |part| u32::from_le_bytes(*part));
        let next = self.0.partition_point(|(other, _)| *other < point);
        let owner = self.0.get(next).or_else(|| self.0.first());
        owner.map_or(0, |(_, server)| *server)
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    /// Where libmemcached 1.0.16 (pylibmc 1.6.3, `ketama_weighted`) put the records
    /// "cloakroom:session:0" and following.
    fn check(names: [&str; 3], expected: &str) {
        let ring = Ring::new(names);
        for (number, server) in expected.bytes().enumerate() {
            let record = format!("cloakroom:session:{number}");
            let found = ring.server(record.as_bytes());
            assert_eq!(found, usize::from(server - b'0'), "{record}");
        }
    }

    #[test]
    fn records_are_where_libmemcached_puts_them() {
        check(
            ["127.0.0.1:21411", "127.0.0.1:21412", "127.0.0.1:11299"],
            "111200012000020112001120011220122222101102012000002011222202",
        );
        // On the usual port, which it leaves out.
        check(
            ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
            "210122112021102020121022110011022220220022110121012221110111",
        );
    }

    #[test]
    fn the_order_of_the_servers_does_not_matter() {
        let (one, other) = (Ring::new(["a", "b", "c"]), Ring::new(["c", "a", "b"]));
        for record in 0..1000 {
            let record = format!("{record}");
            let found = one.server(record.as_bytes());
            assert_eq!((found + 1) % 3, other.server(record.as_bytes()));
        }
    }

    #[test]
    fn the_loss_of_a_server_moves_no_record_of_the_others() {
        let (all, rest) = (Ring::new(["a", "b", "c"]), Ring::new(["a", "b"]));
        for record in 0..1000 {
            let record = format!("{record}");
            let found = all.server(record.as_bytes());
            assert!(found == 2 || found == rest.server(record.as_bytes()));
        }
    }
}
