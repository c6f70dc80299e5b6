//! Leads on the store, or stands by until this process's turn has come.
//!
//! One process leads: it alone writes, rolls out and serves Envoys, so that there is one judge of
//! what they accept. The others serve nothing until it is gone. They are named in the Envoys'
//! bootstraps all the same: an Envoy that loses the leader tries the next address, until one of
//! them serves.

use std::time::Duration;

use anyhow::{Result, bail};
use control_plane::rest::{self, AllowedHosts};
use store::{ConfigStore, LeaderToken, Leadership, SqlStore, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{listen, stopped};

/// How long nobody else may lead after a leader was killed; the next look follows. Three renewals
/// fit in, so that a slow one costs no leader; Envoys run on meanwhile, and operators wait no
/// longer than for a restart.
const LEASE: Duration = Duration::from_secs(6);

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

/// Waits until this process leads, and gives it the port for Envoys; none where it is asked to end
/// before.
///
/// # Errors
/// When the store cannot be read at the start, or somebody else has taken the port meanwhile.
pub(super) async fn wait(
    store: &SqlStore,
    stand_by: StandBy<'_>,
) -> Result<Option<(LeaderToken, TcpListener)>> {
    let name = stand_by.name;
    let leader = match store.lead(name, LEASE).await? {
        Leadership::Leader(token) => return Ok(Some((token, stand_by.xds))),
        Leadership::Follower { leader } => leader,
    };
    tracing::info!(%leader, "standing by");
    let xds = stand_by.xds.local_addr()?;
    drop(stand_by.xds);
    let leader = watch::Sender::new(leader);
    let router = rest::standby_router(leader.subscribe(), stand_by.allowed_hosts);
    let (over, ended) = watch::channel(false);
    let serving = tokio::spawn(rest::serve(stand_by.rest, router, stopped(ended)));
    let token = tokio::select! {
        token = until_it_leads(store, name, &leader) => Some(token),
        () = stopped(stand_by.stop) => None,
    };
    over.send_replace(true);
    serving.await?;
    Ok(match token {
        Some(token) => Some((token, listen(xds, "CONTROL_PLANE_XDS_ADDRESS").await?)),
        None => None,
    })
}

async fn until_it_leads(
    store: &SqlStore,
    name: &str,
    shown: &watch::Sender<String>,
) -> LeaderToken {
    loop {
        tokio::select! {
            () = store.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        match store.lead(name, LEASE).await {
            Ok(Leadership::Leader(token)) => return token,
            Ok(Leadership::Follower { leader }) => {
                shown.send_replace(leader);
            }
            Err(error) => tracing::warn!(%error, "cannot ask who leads"),
        }
    }
}

/// Goes on leading. While the store cannot be reached nobody can lead there, and this process goes
/// on serving Envoys what they have.
///
/// # Errors
/// Once another process leads: this one has to start from the store anew.
pub(super) async fn keep(store: &SqlStore, name: &str) -> Result<()> {
    let mut is_reached = true;
    loop {
        tokio::time::sleep(LOOK).await;
        match store.lead(name, LEASE).await {
            Ok(Leadership::Leader(_)) => {
                if !std::mem::replace(&mut is_reached, true) {
                    tracing::info!("the configuration store answers again");
                }
            }
            Ok(Leadership::Follower { .. }) | Err(StoreError::Superseded) => {
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
