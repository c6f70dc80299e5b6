//! Ports are looked at before anything starts: one sentence for each that is taken, instead of a
//! failure deep in a log.

use std::net::SocketAddr;

use anyhow::bail;

use super::settings::Settings;

struct Wanted {
    address: SocketAddr,
    role: &'static str,
    flag: &'static str,
}

/// # Errors
/// When a port is taken, naming all that are: who holds each, what it is for, and the flag that
/// changes it.
pub(crate) fn check(settings: &Settings) -> anyhow::Result<()> {
    let problems: Vec<String> = wanted(settings).iter().filter_map(problem).collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\n            "));
    }
    Ok(())
}

fn wanted(settings: &Settings) -> Vec<Wanted> {
    let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let entry = |address, role, flag| Wanted {
        address,
        role,
        flag,
    };
    let mut wanted = vec![
        entry(
            settings.gateway_address,
            "the gateway (Envoy)",
            "--gateway-address",
        ),
        entry(
            settings.envoy_admin_address,
            "Envoy's administration",
            "--envoy-admin-address",
        ),
        entry(
            settings.xds_address,
            "the control plane's xDS",
            "--xds-address",
        ),
        entry(
            settings.rest_address,
            "the control plane's REST interface",
            "--rest-address",
        ),
        entry(settings.mcp_address, "the data server", "--mcp-address"),
    ];
    if let (true, Some(port)) = (
        settings.postgres.local_needed(),
        settings.postgres.local_postgres_port,
    ) {
        wanted.push(entry(
            loopback(port),
            "the local PostgreSQL",
            "--local-postgres-port",
        ));
    }
    let spark = &settings.spark;
    if spark.local_needed() {
        wanted.extend([
            entry(
                loopback(spark.spark_port),
                "the Spark master",
                "--spark-port",
            ),
            entry(
                loopback(spark.spark_rest_port),
                "Spark's submission server",
                "--spark-rest-port",
            ),
            entry(
                loopback(spark.spark_master_ui_port),
                "the Spark master's page",
                "--spark-master-ui-port",
            ),
            entry(
                loopback(spark.spark_worker_ui_port),
                "the Spark worker's page",
                "--spark-worker-ui-port",
            ),
            entry(
                loopback(spark.spark_connect_port),
                "Spark Connect",
                "--spark-connect-port",
            ),
            entry(
                loopback(spark.spark_driver_ui_port),
                "Spark Connect's page",
                "--spark-driver-ui-port",
            ),
        ]);
    }
    wanted
}

fn problem(wanted: &Wanted) -> Option<String> {
    let Wanted {
        address,
        role,
        flag,
    } = wanted;
    match supervisor::is_free(*address) {
        Ok(true) => None,
        Ok(false) => {
            let holder = supervisor::holder_of(address.port())
                .map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            Some(format!(
                "port {} for {role} is in use by {holder}: stop that, or choose another with \
                 `{flag}`",
                address.port()
            ))
        }
        Err(error) => Some(format!(
            "cannot listen on {address} for {role}: {error}; choose another address with `{flag}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_a_taken_port_with_its_holder_its_role_and_the_flag() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let sentence = problem(&Wanted {
            address,
            role: "the data server",
            flag: "--mcp-address",
        })
        .unwrap();
        assert!(
            sentence.starts_with(&format!(
                "port {} for the data server is in use by `",
                address.port()
            )),
            "{sentence}"
        );
        assert!(
            sentence.contains(&format!("(process {})", std::process::id())),
            "{sentence}"
        );
        assert!(sentence.ends_with("`--mcp-address`"), "{sentence}");
    }
}
