//! Envoy: started with the bootstrap file of the repository, changed in the two addresses.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use supervisor::{Program, Readiness, Restart, Stop};

use super::settings::{Settings, reachable};
use super::stack::Stack;

const BOOTSTRAP: &str = include_str!("../../../../envoy/bootstrap.yaml");
const FILE: &str = "envoy-bootstrap.json";

/// Envoy, ready when it has its listeners from the control plane.
pub(crate) fn program(stack: &Stack) -> anyhow::Result<Program> {
    let settings = &stack.settings;
    let file = stack.data.join(FILE);
    write(&file, settings)?;
    let mut program = Program::new("Envoy", stack.home.envoy()?, stack.log("envoy"))
        .arg("-c")
        .arg(&file)
        // No second Envoy takes over from this one, so none needs the shared memory for it.
        .args([
            "--disable-hot-restart",
            "--drain-time-s",
            "5",
            "--log-level",
            "info",
        ])
        .ready_when(Readiness::Answers(format!(
            "http://{}/ready",
            reachable(settings.envoy_admin_address)
        )))
        .restart(Restart::WithBackoff)
        .stop_with(Stop {
            patience: Duration::from_secs(10),
            ..Stop::default()
        });
    if let Some(threads) = settings.envoy_concurrency {
        program = program.args(["--concurrency".to_owned(), threads.to_string()]);
    }
    Ok(program)
}

fn write(file: &Path, settings: &Settings) -> anyhow::Result<()> {
    let bootstrap = bootstrap(
        settings.envoy_admin_address,
        reachable(settings.xds_address),
    )?;
    std::fs::write(file, serde_json::to_string_pretty(&bootstrap)?)
        .with_context(|| format!("cannot write `{}`", file.display()))
}

fn bootstrap(admin: SocketAddr, xds: SocketAddr) -> anyhow::Result<Value> {
    let mut bootstrap: Value =
        yaml_serde::from_str(BOOTSTRAP).context("in envoy/bootstrap.yaml")?;
    for (place, address) in [
        ("/admin/address/socket_address", admin),
        (
            "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/\
             address/socket_address",
            xds,
        ),
    ] {
        let socket = bootstrap
            .pointer_mut(place)
            .with_context(|| format!("envoy/bootstrap.yaml has no `{place}`"))?;
        *socket = json!({"address": address.ip().to_string(), "port_value": address.port()});
    }
    Ok(bootstrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_file_itself_with_the_default_addresses() {
        let file: Value = yaml_serde::from_str(BOOTSTRAP).unwrap();
        assert_eq!(
            bootstrap(
                ([127, 0, 0, 1], 9901).into(),
                ([127, 0, 0, 1], 18000).into()
            )
            .unwrap(),
            file
        );
    }

    #[test]
    fn it_takes_the_addresses_that_it_is_given() {
        let text = bootstrap(
            ([127, 0, 0, 1], 25001).into(),
            ([127, 0, 0, 2], 25002).into(),
        )
        .unwrap()
        .to_string();
        assert!(
            text.contains("25001")
                && text.contains("127.0.0.2")
                && text.contains("25002")
                && !text.contains("18000"),
            "{text}"
        );
    }
}
