//! The people who come: accounts of their own, and what they have seen so far.

use std::sync::{Mutex, PoisonError};

use anyhow::{bail, ensure};
use env::Secret;
use serde_json::{Value, json};

use super::client::{Client, Reply};
use super::schedule::{Action, Arrival};

/// What is searched for; words of the seeded posts and of our own.
const WORDS: [&str; 6] = ["the", "trace", "coffee", "latency", "cloud", "morning"];
/// Posts that a later click can open.
const REMEMBERED: usize = 200;

pub(super) struct People {
    people: Vec<Person>,
    /// Ids of activities and handles of their authors, from the feeds that were read.
    seen: Mutex<Seen>,
}

struct Person {
    handle: String,
    password: String,
    token: Mutex<Option<Secret>>,
}

#[derive(Default)]
struct Seen {
    activities: Vec<String>,
    handles: Vec<String>,
}

impl People {
    /// Signs everyone up, or in where a run before has.
    pub(super) async fn gather(client: &Client, count: usize, seed: u64) -> anyhow::Result<Self> {
        let mut people = Vec::with_capacity(count);
        for n in 0..count {
            // A handle has 24 characters at most.
            let handle = format!("load_{seed:x}_{n}");
            let person =
                Person { password: format!("{handle}-comes-again"), handle, token: Mutex::default() };
            person.enter(client).await?;
            people.push(person);
        }
        let people = Self { people, seen: Mutex::default() };
        let home = client.get("/api/activities/home", None).await;
        ensure!(home.status == 200, "the home feed answers {}", describe(&home));
        people.remember(&home.body);
        Ok(people)
    }

    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// One click.
    pub(super) async fn act(&self, client: &Client, arrival: &Arrival) -> Reply {
        let person = &self.people[arrival.person];
        let token = person.token();
        let reply = match arrival.action {
            Action::Home => client.get("/api/activities/home", token.as_ref()).await,
            Action::Activity => client.get(&self.activity(arrival.choice), token.as_ref()).await,
            Action::Profile => client.get(&self.profile(arrival.choice), token.as_ref()).await,
            Action::Search => {
                let word = WORDS[arrival.choice as usize % WORDS.len()];
                client.get(&format!("/api/activities/search?term={word}"), token.as_ref()).await
            }
            Action::Notifications => client.get("/api/activities/notifications", token.as_ref()).await,
            Action::SignIn => return person.sign_in(client).await,
            Action::Post => {
                let message = format!(
                    "{} number {}",
                    WORDS[arrival.choice as usize % WORDS.len()],
                    arrival.choice % 1_000
                );
                let post = json!({ "message": message, "ttl": "1-hour" });
                client.post("/api/activities", token.as_ref(), &post).await
            }
            Action::Reply => {
                let path = format!("{}/reply", self.activity(arrival.choice));
                client.post(&path, token.as_ref(), &json!({ "message": "so it is" })).await
            }
        };
        if arrival.action == Action::Home {
            self.remember(&reply.body);
        }
        // A token holds for minutes; whoever is turned away signs in, as a browser would make them.
        if reply.status == 401 {
            person.sign_in(client).await;
        }
        reply
    }

    fn activity(&self, choice: u64) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.activities.len() {
            0 => "/api/activities/home".to_owned(),
            n => format!("/api/activities/{}", seen.activities[choice as usize % n]),
        }
    }

    fn profile(&self, choice: u64) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.handles.len() {
            0 => format!("/api/activities/@{}", self.people[choice as usize % self.people.len()].handle),
            n => format!("/api/activities/@{}", seen.handles[choice as usize % n]),
        }
    }

    fn remember(&self, feed: &Value) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for activity in feed["activities"].as_array().into_iter().flatten() {
            let Seen { activities, handles } = &mut *seen;
            keep(activities, activity["uuid"].as_str());
            keep(handles, activity["user"]["handle"].as_str());
        }
    }
}

impl Person {
    async fn enter(&self, client: &Client) -> anyhow::Result<()> {
        let account = json!({
            "handle": self.handle,
            "email": format!("{}@example.com", self.handle),
            "password": self.password,
        });
        let made = client.post("/api/auth/sign-up", None, &account).await;
        match made.status {
            200 | 201 => self.keep(&made),
            409 => {
                let found = self.sign_in(client).await;
                ensure!(found.status == 200, "signing in as {} answers {}", self.handle, describe(&found));
            }
            _ => bail!("signing up {} answers {}", self.handle, describe(&made)),
        }
        Ok(())
    }

    async fn sign_in(&self, client: &Client) -> Reply {
        let account = json!({ "handle": self.handle, "password": self.password });
        let reply = client.post("/api/auth/sign-in", None, &account).await;
        if reply.status == 200 {
            self.keep(&reply);
        }
        reply
    }

    fn keep(&self, reply: &Reply) {
        let token = reply.body["token"].as_str().map(|token| Secret::from(token.to_owned()));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn token(&self) -> Option<Secret> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The last ones, each once.
fn keep(list: &mut Vec<String>, found: Option<&str>) {
    let Some(found) = found else { return };
    if !list.iter().any(|it| it == found) {
        if list.len() == REMEMBERED {
            list.remove(0);
        }
        list.push(found.to_owned());
    }
}

fn describe(reply: &Reply) -> String {
    match &reply.problem {
        Some(problem) => format!("nothing: {problem}"),
        None => format!("{}: {}", reply.status, reply.body["detail"].as_str().unwrap_or_default()),
    }
}
