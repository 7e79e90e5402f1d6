//! The laboratory: faults of a database, each on request, to see what they look like in a trace.
//!
//! `GET /activities/home` has the fault that the header `x-lab-fault` names. What to see: `docs/laboratory.md`. In
//! production there is no laboratory, and the header means nothing.

use std::future::{Ready, ready};
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use chrono::{DateTime, Utc};
use service::debug::FAULT_HEADER;
use telemetry::postgres::DbConfig;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::sleep;
use uuid::Uuid;

use crate::activity::Activity;
use crate::error::Error;
use crate::page::PageRequest;
use crate::store::{Store, StoreError};

/// How long the other one keeps what this request waits for: several times what is worth a word in a trace.
const HELD: Duration = Duration::from_millis(800);
/// Whoever waits longest when Postgres looks for a deadlock (after a second) is its victim: this request.
const LATER: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No index can be used: simulated, since dropping one would break everybody's requests.
    MissingIndex,
    /// A statement for the page, and one more for each of its posts.
    NPlusOne,
    /// The newest post is locked by another request, in a trace of its own.
    LockWait,
    /// Two requests lock the two newest posts in opposite order. This one loses.
    Deadlock,
    /// A pool of one connection, which another request uses.
    PoolOfOne,
    /// A deferred constraint that takes its time.
    SlowCommit,
    /// A join that was planned by statistics from before nearly all rows came.
    StaleStatistics,
}

#[derive(Debug, thiserror::Error)]
#[error("{} is one of {}", FAULT_HEADER, Fault::NAMES.map(|(name, _)| name).join(", "))]
pub(crate) struct FaultError;

impl Fault {
    const NAMES: [(&str, Self); 7] = [
        ("missing-index", Self::MissingIndex),
        ("n-plus-one", Self::NPlusOne),
        ("lock-wait", Self::LockWait),
        ("deadlock", Self::Deadlock),
        ("pool-of-one", Self::PoolOfOne),
        ("slow-commit", Self::SlowCommit),
        ("stale-statistics", Self::StaleStatistics),
    ];
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, fault)| *fault).ok_or(FaultError)
    }
}

/// There is one outside production only.
pub(crate) struct Lab {
    store: Store,
    db: DbConfig,
    of_one: OnceCell<Store>,
}

/// A request's wish for a fault.
pub(crate) struct Experiment(Option<(Data<Lab>, Fault)>);

impl FromRequest for Experiment {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let wish = request.app_data::<Data<Lab>>().zip(request.headers().get(FAULT_HEADER));
        ready(match wish {
            None => Ok(Self(None)),
            Some((lab, fault)) => match fault.to_str().unwrap_or_default().parse() {
                Ok(fault) => Ok(Self(Some((lab.clone(), fault)))),
                Err(error) => Err(Error::Fault(error)),
            },
        })
    }
}

impl Experiment {
    /// Everybody's posts, by way of the fault.
    pub(crate) async fn home_feed(
        &self,
        store: &Store,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Vec<Activity>, StoreError> {
        match &self.0 {
            None => store.home_feed(now, page).await,
            Some((lab, fault)) => lab.home_feed(*fault, now, page).await,
        }
    }
}

impl Lab {
    pub(crate) fn new(store: Store, db: DbConfig) -> Self {
        Self { store, db, of_one: OnceCell::new() }
    }

    async fn home_feed(
        &self,
        fault: Fault,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Vec<Activity>, StoreError> {
        match fault {
            Fault::MissingIndex => return self.store.home_feed_without_indexes(now, page).await,
            Fault::PoolOfOne => return self.over_one_connection(now, page).await,
            _ => {}
        }
        let posts = self.store.home_feed(now, page).await?;
        match (fault, posts.as_slice()) {
            (Fault::NPlusOne, posts) => return self.one_by_one(now, posts).await,
            (Fault::LockWait, [post, ..]) => self.wait_for(post.uuid).await?,
            (Fault::Deadlock, [first, second, ..]) => self.lock_crosswise(first.uuid, second.uuid).await?,
            (Fault::SlowCommit, _) => self.store.write_receipt().await?,
            (Fault::StaleStatistics, _) => drop(self.store.count_visits().await?),
            // Nothing was posted yet that could be locked.
            _ => {}
        }
        Ok(posts)
    }

    async fn one_by_one(&self, now: DateTime<Utc>, posts: &[Activity]) -> Result<Vec<Activity>, StoreError> {
        let mut again = Vec::with_capacity(posts.len());
        for post in posts {
            again.extend(self.store.post(now, post.uuid).await?);
        }
        Ok(again)
    }

    async fn wait_for(&self, post: Uuid) -> Result<(), StoreError> {
        let store = self.store.clone();
        another_request(async move |ready| {
            let mut locks = store.begin_locks().await?;
            locks.lock(post).await?;
            let _ = ready.send(());
            sleep(HELD).await;
            locks.release().await
        })
        .await;
        let mut locks = self.store.begin_locks().await?;
        locks.lock(post).await?;
        locks.release().await
    }

    async fn lock_crosswise(&self, first: Uuid, second: Uuid) -> Result<(), StoreError> {
        let mut locks = self.store.begin_locks().await?;
        locks.lock(first).await?;
        let store = self.store.clone();
        another_request(async move |ready| {
            let mut locks = store.begin_locks().await?;
            locks.lock(second).await?;
            let _ = ready.send(());
            sleep(LATER).await;
            locks.lock(first).await?;
            locks.release().await
        })
        .await;
        locks.lock(second).await?;
        locks.release().await
    }

    async fn over_one_connection(
        &self,
        now: DateTime<Utc>,
        page: PageRequest,
    ) -> Result<Vec<Activity>, StoreError> {
        let store = self.of_one.get_or_try_init(|| Store::of_one_connection(&self.db)).await?;
        let other = store.clone();
        another_request(async move |ready| {
            let connection = other.begin_locks().await?;
            let _ = ready.send(());
            sleep(HELD).await;
            connection.release().await
        })
        .await;
        store.home_feed(now, page).await
    }
}

/// Runs in a trace of its own, beside this request, which goes on when `work` says that it is ready, or has failed.
async fn another_request<F>(work: impl FnOnce(oneshot::Sender<()>) -> F)
where
    F: Future<Output = Result<(), StoreError>> + 'static,
{
    let (tell, ready) = oneshot::channel();
    let work = work(tell);
    let run = async {
        if let Err(error) = work.await {
            tracing::warn!(%error, "the other request of an experiment failed");
        }
    };
    telemetry::spawn(telemetry::background_root("another request", run));
    let _ = ready.await;
}
