//! Leads on the store, or stands by until this process's turn has come.
//!
//! One process leads: it alone writes, rolls out and serves Envoys, so that there is one judge of
//! what they accept. The others serve nothing until it is gone. They are named in the Envoys'
//! bootstraps all the same: an Envoy that loses the leader tries the next address, until one of
//! them serves.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use control_plane::lease::{Lease, LeaseEnd, LeaseKeeper};
use control_plane::rest::{self, AllowedHosts};
use store::{ConfigStore, LeaderToken, Leadership, SqlStore, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{listen, stopped};

/// How long nobody else may lead after a leader was killed; the next look follows. Three renewals
/// fit in, so that a slow one costs no leader; Envoys run on meanwhile, and operators wait no
/// longer than for a restart.
const LEASE: Duration = Duration::from_secs(6);

/// How much earlier than the store a leader calls its lease ended: what it hands out at the last
/// moment is on its way for a while, and no two clocks run alike.
const MARGIN: Duration = Duration::from_millis(500);

/// The time between two looks at the lease, by a leader and by whoever stands by.
const LOOK: Duration = Duration::from_secs(2);

/// The ports of a process that stands by, and what it needs to answer on them.
pub(super) struct StandBy<'a> {
    /// The name by which others show this process when it leads.
    pub(super) name: &'a str,
    pub(super) rest: TcpListener,
    /// Closed while it stands by: an Envoy that could connect would wait here instead of trying
    /// the next address.
    pub(super) xds: TcpListener,
    pub(super) allowed_hosts: AllowedHosts,
    pub(super) stop: watch::Receiver<bool>,
}

/// The lease and the port of a process that leads.
pub(super) struct Leader {
    pub(super) token: LeaderToken,
    pub(super) keeper: LeaseKeeper,
    pub(super) lease: Lease,
    /// The port for Envoys.
    pub(super) xds: TcpListener,
}

/// Waits until this process leads; nothing comes back where it is asked to end before.
///
/// # Errors
/// When the store cannot be read at the start, or somebody else has taken the port meanwhile.
pub(super) async fn wait(store: &SqlStore, stand_by: StandBy<'_>) -> Result<Option<Leader>> {
    let name = stand_by.name;
    let leader = match lead(store, name).await? {
        Answer::Leads(token, end) => return Ok(Some(leading(token, end, stand_by.xds))),
        Answer::Follows(leader) => leader,
    };
    tracing::info!(%leader, "standing by");
    let xds = stand_by.xds.local_addr()?;
    drop(stand_by.xds);
    let leader = watch::Sender::new(leader);
    let router = rest::standby_router(leader.subscribe(), stand_by.allowed_hosts);
    let (over, ended) = watch::channel(false);
    let serving = tokio::spawn(rest::serve(stand_by.rest, router, stopped(ended)));
    let led = tokio::select! {
        led = until_it_leads(store, name, &leader) => Some(led),
        () = stopped(stand_by.stop) => None,
    };
    over.send_replace(true);
    serving.await?;
    Ok(match led {
        Some((token, end)) => {
            let xds = listen(xds, "CONTROL_PLANE_XDS_ADDRESS")?;
            Some(leading(token, end, xds))
        }
        None => None,
    })
}

fn leading(token: LeaderToken, end: LeaseEnd, xds: TcpListener) -> Leader {
    let (keeper, lease) = Lease::until(end);
    Leader {
        token,
        keeper,
        lease,
        xds,
    }
}

/// The answer to a process that asks to lead.
enum Answer {
    /// It leads until then, unless it asks again.
    Leads(LeaderToken, LeaseEnd),
    /// The process of that name leads.
    Follows(String),
}

/// Asks to lead, or to go on leading.
async fn lead(store: &SqlStore, name: &str) -> Result<Answer, StoreError> {
    // The store counts from a later moment on.
    let asked = Instant::now();
    Ok(match store.lead(name, LEASE).await? {
        Leadership::Leader(token) if store.is_shared() => {
            Answer::Leads(token, LeaseEnd::At(asked + LEASE - MARGIN))
        }
        Leadership::Leader(token) => Answer::Leads(token, LeaseEnd::Never),
        Leadership::Follower { leader } => Answer::Follows(leader),
    })
}

async fn until_it_leads(
    store: &SqlStore,
    name: &str,
    shown: &watch::Sender<String>,
) -> (LeaderToken, LeaseEnd) {
    loop {
        tokio::select! {
            () = store.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        match lead(store, name).await {
            Ok(Answer::Leads(token, end)) => return (token, end),
            Ok(Answer::Follows(leader)) => {
                shown.send_replace(leader);
            }
            Err(error) => tracing::warn!(%error, "cannot ask who leads"),
        }
    }
}

/// Goes on leading: renews the lease. Where the store cannot be reached the lease ends, because
/// another process may reach it.
///
/// # Errors
/// Once another process leads: this one has to start from the store anew.
pub(super) async fn keep(store: SqlStore, name: String, keeper: LeaseKeeper) -> Result<Infallible> {
    let mut is_reached = true;
    loop {
        tokio::time::sleep(LOOK).await;
        match lead(&store, &name).await {
            Ok(Answer::Leads(_, end)) => {
                keeper.renew(end);
                if !std::mem::replace(&mut is_reached, true) {
                    tracing::info!("the configuration store answers again");
                }
            }
            Ok(Answer::Follows(_)) | Err(StoreError::Superseded) => {
                bail!("another control plane leads on this store, or has changed it: start again")
            }
            Err(error) => {
                if std::mem::replace(&mut is_reached, false) {
                    tracing::error!(%error, "the configuration store does not answer; Envoys are \
                         served what they have, and no change is taken until it does");
                }
            }
        }
    }
}
