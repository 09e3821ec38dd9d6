//! Ports for servers.
//!
//! Not ports that the system hands out. While a server is killed, the system could give its port to
//! any connection, even to one that tries to reach it.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// The ports that this run has, each kept by a socket that nothing is sent to: of another run's
/// choices the system refuses those. It gives them back when the process ends, in whatever way.
static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port of the loopback at which nothing listens, for this run alone.
///
/// # Errors
///
/// When every port is taken.
pub fn free_port() -> io::Result<u16> {
    let range = outside(&handed_out());
    let length = range.len();
    // Two runs that begin at the same time would otherwise try the same ports.
    let start = RandomState::new().hash_one(()) as usize % length;
    let mut candidates = range.clone().cycle().skip(start).take(length);
    candidates.find(|port| take(*port).is_ok()).ok_or_else(|| {
        let (first, last) = (range.start(), range.end());
        let text = format!("of the ports {first} to {last} none is free");
        io::Error::new(io::ErrorKind::AddrInUse, text)
    })
}

fn take(port: u16) -> io::Result<()> {
    let hold = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    taken.push(hold);
    Ok(())
}

/// Returns the ephemeral port range: from the kernel on Linux, IANA's range elsewhere.
fn handed_out() -> RangeInclusive<u16> {
    let told = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    parse(&told).unwrap_or(49_152..=u16::MAX)
}

fn parse(range: &str) -> Option<RangeInclusive<u16>> {
    let mut words = range.split_whitespace();
    Some(words.next()?.parse().ok()?..=words.next()?.parse().ok()?)
}

/// The longer of the stretches below and above it. Below, the ports up to 10,000 are left to those
/// who are known by them.
fn outside(handed_out: &RangeInclusive<u16>) -> RangeInclusive<u16> {
    let below = 10_001..=handed_out.start().saturating_sub(1);
    let above = handed_out.end().saturating_add(1)..=u16::MAX;
    match [below, above]
        .into_iter()
        .max_by_key(ExactSizeIterator::len)
    {
        // Somebody has left the system nearly all ports; then nothing is outside.
        Some(range) if range.len() < 1000 => 10_001..=u16::MAX,
        range => range.unwrap_or(10_001..=u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_where_the_system_hands_out_none() {
        for (handed_out, expected) in [
            ("32768\t60999\n", 10_001..=32_767),
            ("10500 40000", 40_001..=65_535),
            ("1024 65535", 10_001..=65_535),
            ("1024 65000", 10_001..=65_535),
            ("49152 65535", 10_001..=49_151),
        ] {
            let handed_out = parse(handed_out).expect("two numbers");
            assert_eq!(outside(&handed_out), expected, "{handed_out:?}");
        }
        assert_eq!(parse("what?"), None);
    }

    #[test]
    fn a_port_is_given_once_and_to_no_other_run() {
        let mut ports: Vec<_> = (0..50).map(|_| free_port().expect("a port")).collect();
        for port in &ports {
            // The ports to pass on to another process.
            take(*port).expect_err("it is taken");
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).expect("for its server it is free");
        }
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
    }
}
