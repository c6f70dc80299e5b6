//! Envoys that were given a change in waves and are not back since a control plane started: they
//! may run it, and whatever becomes of later changes, nobody takes them back past it.

use serde_json::Value;

use crate::changes::node;
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{folder, until};
use crate::lost_envoys::MINUTE;
use crate::rollouts::{DENY, FILTER, desired, version};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, WAVES};

/// Two Envoys first, watched for ten minutes.
const TWO_FIRST: &str = "rollout: {waves: [2, 100%], soak: 10m, ack_deadline: 5s}\n";

impl Fleet {
    /// A fleet whose first wave runs a change that denies everything; with the name of the
    /// generation before that, and with the members of the wave.
    async fn with_strict_wave(
        folder: &std::path::Path,
        waves: &str,
    ) -> (Self, Value, Vec<&'static str>) {
        let fleet = Self::start(folder, waves).await;
        let permissive = version(&fleet.control_plane).await["generation"].take();
        fleet.put(&format!("{waves}{DENY}")).await;
        fleet.until("soaking", 1).await;
        let members = fleet.members(0).await;
        let names = fleet.envoys.keys().copied();
        let members = names.filter(|name| members.contains(*name)).collect();
        (fleet, permissive, members)
    }

    /// Checks that an Envoy which comes back now is not given this.
    async fn check_is_not_given(&self, id: &str, generation: &Value) {
        let _back = FakeEnvoy::connect(self.control_plane.xds, id).await;
        until(|| async { node(&self.control_plane, id).await.is_some() }).await;
        assert_ne!(desired(&self.control_plane, id).await, *generation, "{id}");
    }
}

#[tokio::test]
async fn it_takes_nobody_back_past_a_wave_of_which_one_is_away_when_another_rejects_it() {
    let folder = folder();
    let (fleet, permissive, members) = Fleet::with_strict_wave(folder.path(), TWO_FIRST).await;
    fleet.end();
    let [away, sick] = members.try_into().unwrap();
    let fleet = Fleet::come_back_with(folder.path(), &[]).await;
    let _sick = FakeEnvoy::connect_rejecting(fleet.control_plane.xds, sick, &[FILTER]).await;
    fleet.until("kept", 1).await;
    fleet.check_is_not_given(away, &permissive).await;
}

#[tokio::test]
async fn it_takes_nobody_back_past_a_change_of_whose_waves_one_is_away_when_the_next_begins() {
    let folder = folder();
    let (fleet, permissive, members) = Fleet::with_strict_wave(folder.path(), WAVES).await;
    fleet.end();
    let [away] = members.try_into().unwrap();
    let fleet = Fleet::come_back_with(folder.path(), &[]).await;
    // Nobody is there for the last wave either, so that the next change takes its place.
    fleet.want("promote").await;
    fleet.clock.advance(MINUTE);
    fleet.until("rolling_out", 2).await;
    let answer = fleet.put(&format!("{WAVES}{SHADOW}")).await;
    assert_eq!(answer.json["outcome"], "no_envoys", "{}", answer.text);
    let _sick = FakeEnvoy::connect_rejecting(fleet.control_plane.xds, "sick", &[FILTER]).await;
    let rollout = fleet.until("kept", 1).await;
    assert_eq!(rollout["revision"], 3);
    fleet.check_is_not_given(away, &permissive).await;
}
