//! A feed worth scrolling on first start: the same posts every time, only their hours follow the clock.

mod texts;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::activity::Activity;
use crate::ttl::Ttl;

const POSTS: usize = 3000;
const REPLIES: usize = 1500;

/// The oldest post is three weeks old, the newest just long enough to be read as such.
const PAST: TimeDelta = TimeDelta::days(21);
const NEWEST: TimeDelta = TimeDelta::minutes(1);

/// One post in this many expires, the others stay: the feed of a clone that is opened again in a month is not empty.
const EXPIRING: u32 = 4;

/// Any number; the same one gives the same posts.
const RNG_SEED: u64 = 0x00C0_FFEE;

pub(crate) struct Feed {
    pub(crate) posts: Vec<Activity>,
    /// Each answers one of `posts`.
    pub(crate) replies: Vec<Activity>,
}

/// Posts and replies by `authors`, as of `now`; without authors there are none.
pub(crate) fn feed(authors: &[Uuid], now: DateTime<Utc>) -> Feed {
    if authors.is_empty() {
        return Feed { posts: Vec::new(), replies: Vec::new() };
    }
    let mut rng = StdRng::seed_from_u64(RNG_SEED);
    let now = now.trunc_subsecs(6);
    let posts: Vec<_> = (0..POSTS).map(|_| post(&mut rng, authors, now)).collect();
    let replies = (0..REPLIES).map(|_| reply(&mut rng, authors, &posts, now)).collect();
    Feed { posts, replies }
}

fn post(rng: &mut StdRng, authors: &[Uuid], now: DateTime<Utc>) -> Activity {
    // The exponent makes the last days the busiest, as in a feed that lives: the newest twenty are of the last hour.
    let created_at = now - NEWEST - part(PAST, rng.random::<f64>().powf(1.3));
    let ttl = Ttl::all()[rng.random_range(0..Ttl::all().len())];
    let expires_at = (rng.random_range(0..EXPIRING) == 0)
        .then(|| created_at + ttl.duration())
        .filter(|expires_at| *expires_at > now);
    Activity {
        uuid: uuid(rng),
        user_uuid: author(rng, authors),
        message: texts::post(rng),
        created_at,
        expires_at,
        reply_to: None,
        replies_count: 0,
    }
}

fn reply(rng: &mut StdRng, authors: &[Uuid], posts: &[Activity], now: DateTime<Utc>) -> Activity {
    let parent = &posts[rng.random_range(0..posts.len())];
    // Most answers come soon: within the first day, or in what has passed of it.
    let window = (now - parent.created_at).min(TimeDelta::days(1));
    let user_uuid = author(rng, authors);
    Activity {
        uuid: uuid(rng),
        user_uuid,
        message: texts::reply(rng),
        created_at: parent.created_at + part(window, rng.random::<f64>().powi(2)),
        expires_at: parent.expires_at,
        reply_to: Some(parent.uuid),
        replies_count: 0,
    }
}

/// The first write more than the last, who still write something.
fn author(rng: &mut StdRng, authors: &[Uuid]) -> Uuid {
    let draw = rng.random::<f64>().powf(1.5) * authors.len() as f64;
    authors[draw as usize]
}

fn uuid(rng: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid()
}

fn part(of: TimeDelta, share: f64) -> TimeDelta {
    TimeDelta::microseconds((of.as_seconds_f64() * 1e6 * share) as i64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::message::Message;

    #[test]
    fn the_same_authors_and_instant_give_the_same_feed_within_every_rule_of_the_schema() {
        let authors: Vec<_> = (1..=40).map(Uuid::from_u128).collect();
        let now = DateTime::from_timestamp(1_795_247_000, 0).unwrap();
        let Feed { posts, replies } = feed(&authors, now);
        let again = feed(&authors, now);
        assert_eq!((&posts, &replies), (&again.posts, &again.replies));
        assert_eq!((posts.len(), replies.len()), (POSTS, REPLIES));

        let uuids: HashSet<_> = posts.iter().map(|post| post.uuid).collect();
        assert_eq!(uuids.len(), POSTS);
        for activity in posts.iter().chain(&replies) {
            assert!(
                Message::parse(&activity.message).is_ok_and(|parsed| parsed.as_ref() == activity.message)
            );
            assert!(!activity.message.contains(['{', '}']), "{}", activity.message);
            assert!(activity.created_at <= now);
            assert!(activity.expires_at.is_none_or(|expires_at| expires_at > now));
        }
        assert!(replies.iter().all(|reply| uuids.contains(&reply.reply_to.unwrap())));
        let texts: HashSet<_> = posts.iter().map(|post| &post.message).collect();
        assert!(texts.len() > POSTS / 2, "only {} different posts", texts.len());
    }

    #[test]
    fn nobody_writes_nothing() {
        assert!(feed(&[], Utc::now()).posts.is_empty());
    }
}
