//! The demonstration's accounts: the same people, ids and texts every time, made through the service's own code.

use chrono::{DateTime, Duration, Utc};
use rand::RngExt;
use rand::distr::Alphanumeric;
use uuid::Uuid;

use crate::Config;
use crate::email::Email;
use crate::error::Error;
use crate::handle::Handle;
use crate::passwords;
use crate::store::Store;
use crate::user::{NewUser, User};

/// What a seeded database holds.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// Every account, for whoever seeds their posts.
    pub users: Vec<User>,
    /// Those that can be signed in to, with passwords made just now. Empty when the database had accounts already: a
    /// password is shown once.
    pub demo_accounts: Vec<DemoAccount>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    pub handle: String,
    pub password: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the users could not be seeded: {0}")]
pub struct SeedError(#[from] Error);

/// Who can sign in: hashing a password costs some 20 ms, so only the people of the original do.
const DEMO: usize = 3;

/// Handle, display name, bio.
const PEOPLE: [(&str, &str, &str); 40] = [
    ("andrewbrown", "Andrew Brown", "Exam-prep by day, cloud by night. Follow the free cloud camp."),
    ("worf", "Worf, son of Mogh", "Today is a good day to deploy."),
    ("garek", "Garek", "Plain, simple Garek. I only hem trousers."),
    ("coco", "Coco", "Barks at every alert that nobody reads."),
    ("bayko", "Andrew Bayko", "Asks the questions that the docs forgot."),
    ("ada", "Ada Lovelace", "Notes on notes about engines."),
    ("grace", "Grace Hopper", "A nanosecond is 11.8 inches. I carry one."),
    ("barbara", "Barbara Liskov", "You may replace me by my subtype."),
    ("edsger", "Edsger Dijkstra", "Shortest path to the whiteboard."),
    ("margaret", "Margaret Hamilton", "Stood next to the print-out before it was cool."),
    ("lamport", "Leslie Lamport", "Happened before you."),
    ("radia", "Radia Perlman", "I think that I shall never see a graph more lovely than a tree."),
    ("tim", "Tim Berners-Lee", "This is for everyone."),
    ("hedy", "Hedy Lamarr", "Hops frequencies."),
    ("katherine", "Katherine Johnson", "Checks the computer's numbers."),
    ("alan", "Alan Turing", "Will it halt? Ask me later."),
    ("claude", "Claude Shannon", "Bits, juggling, unicycles."),
    ("donald", "Donald Knuth", "Only proved it correct, did not try it."),
    ("ken", "Ken Thompson", "Would spell creat with an e."),
    ("dennis", "Dennis Ritchie", "hello, world"),
    ("anita", "Anita Borg", "Systers."),
    ("sophie", "Sophie Wilson", "It ran on leakage current."),
    ("lynn", "Lynn Conway", "Design rules for everybody."),
    ("vint", "Vint Cerf", "Three-way handshakes with everyone."),
    ("joan", "Joan Clarke", "Found the short way through Banburismus."),
    ("frances", "Frances Allen", "Optimises while you sleep."),
    ("jean", "Jean Bartik", "Debugged it with a soldering iron."),
    ("evelyn", "Evelyn Boyd", "Orbits."),
    ("fernando", "Fernando Corbató", "Has 500 passwords on a printout."),
    ("adele", "Adele Goldberg", "Everything is an object, said kindly."),
    ("niklaus", "Niklaus Wirth", "Software gets slower faster."),
    ("john", "John Backus", "Could not stand writing assembly."),
    ("shafi", "Shafi Goldwasser", "Knows that you know, learns nothing else."),
    ("whitfield", "Whitfield Diffie", "Let us agree on something in public."),
    ("mary", "Mary Kenneth Keller", "First of many."),
    ("steve", "Steve Shirley", "Works from home since 1962."),
    ("guido", "Guido van Rossum", "There should be one obvious way."),
    ("graydon", "Graydon Hoare", "The lift was out of order, so here we are."),
    ("brendan", "Brendan Gregg", "Shouts at disks."),
    ("cindy", "Cindy Sridharan", "Distributed systems, observed."),
];

/// Migrates the database and fills it, unless it has accounts already.
pub async fn seed(config: &Config) -> Result<Seeded, SeedError> {
    let store = Store::connect(&config.db).await.map_err(Error::from)?;
    let mut demo_accounts = Vec::new();
    if !store.has_users().await.map_err(Error::from)? {
        demo_accounts = PEOPLE[..DEMO].iter().map(|(handle, _, _)| DemoAccount::new(handle)).collect();
        let users = new_users(&demo_accounts, Utc::now())?;
        store.create_users(&users).await.map_err(Error::from)?;
    }
    Ok(Seeded { users: store.all_users().await.map_err(Error::from)?, demo_accounts })
}

impl DemoAccount {
    fn new(handle: &str) -> Self {
        let password = rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect();
        Self { handle: handle.to_owned(), password }
    }
}

fn new_users(demo: &[DemoAccount], now: DateTime<Utc>) -> Result<Vec<NewUser>, Error> {
    (0..)
        .zip(PEOPLE)
        .map(|(n, (handle, display_name, bio))| {
            let password = demo.iter().find(|account| account.handle == handle);
            Ok(NewUser {
                // The same id in every database, so that links and tests outlive a reset.
                id: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("throughline:user:{handle}").as_bytes()),
                handle: Handle::parse(handle)?,
                email: Email::parse(&format!("{handle}@example.com"))?,
                display_name: display_name.to_owned(),
                bio: bio.to_owned(),
                password_hash: match password {
                    Some(account) => Some(passwords::hash(account.password.as_bytes()).map_err(Error::Hash)?),
                    None => None,
                },
                created_at: now - Duration::days(400 - n),
            })
        })
        .collect()
}
