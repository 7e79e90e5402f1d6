//! A bucket of tokens for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A page exports at most twice a second; a household has several pages.
const PER_SECOND: f64 = 20.0;
const BURST: f64 = 60.0;
/// Addresses that are remembered, about 100 bytes each. When all of them are busy, new ones are refused: a flood from
/// that many addresses is no household.
const MAX_ADDRESSES: usize = 10_000;

pub(super) struct RateLimit {
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    tokens: f64,
    since: Instant,
}

impl RateLimit {
    pub(super) fn new() -> Self {
        Self { buckets: Mutex::default() }
    }

    /// Takes a token, or says when there will be one.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if !buckets.contains_key(&address) && buckets.len() >= MAX_ADDRESSES {
            buckets.retain(|_, bucket| bucket.tokens_at(now) < BURST);
            if buckets.len() >= MAX_ADDRESSES {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { tokens: BURST, since: now });
        let tokens = bucket.tokens_at(now);
        let (left, answer) = if tokens >= 1.0 {
            (tokens - 1.0, Ok(()))
        } else {
            (tokens, Err(Duration::from_secs_f64((1.0 - tokens) / PER_SECOND)))
        };
        *bucket = Bucket { tokens: left, since: now };
        answer
    }
}

impl Bucket {
    fn tokens_at(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.since).as_secs_f64() * PER_SECOND;
        (self.tokens + refilled).min(BURST)
    }
}

/// One IPv6 customer has a whole /64 and can send from any address in it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_burst_then_a_steady_rate() {
        let (limit, start) = (RateLimit::new(), Instant::now());
        let address = IpAddr::from([10, 0, 0, 1]);
        let accepted =
            |at: Instant, asked: usize| (0..asked).filter(|_| limit.take(address, at).is_ok()).count();
        assert_eq!(accepted(start, 100), 60);
        assert_eq!(accepted(start + Duration::from_millis(500), 100), 10);
        assert_eq!(accepted(start + Duration::from_mins(1), 100), 60);
        assert!(
            limit.take(address, start + Duration::from_mins(1)).unwrap_err() <= Duration::from_millis(50)
        );
        assert!(limit.take(IpAddr::from([10, 0, 0, 2]), start).is_ok(), "another address is not held up");
    }

    #[test]
    fn it_forgets_the_idle_and_refuses_more_than_it_can_remember() {
        let (limit, start) = (RateLimit::new(), Instant::now());
        let nth = |n: u32| IpAddr::from(Ipv4Addr::from_bits(n));
        for n in 0..MAX_ADDRESSES as u32 {
            assert!(limit.take(nth(n), start).is_ok());
        }
        assert!(limit.take(nth(u32::MAX), start).is_err());
        assert!(limit.take(nth(u32::MAX), start + Duration::from_secs(1)).is_ok());
        assert_eq!(limit.buckets.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_v6_customer_is_one_address() {
        let (limit, now) = (RateLimit::new(), Instant::now());
        let host = |n: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | n));
        let accepted = (0..100).filter(|n| limit.take(host(*n), now).is_ok()).count();
        assert_eq!(accepted, 60);
        assert!(limit.take(host(1 << 64), now).is_ok());
    }
}
