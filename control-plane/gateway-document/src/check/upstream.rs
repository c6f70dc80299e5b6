//! Checks how endpoints are to be treated.

use url::Host;

use crate::document::{HealthCheck, Outliers, Upstream, UpstreamAuthority, UpstreamTls};
use crate::problem::{Pointer, Problems};
use crate::span::Span;

/// Checks what is said of endpoints, of which `first` is the first.
pub(super) fn check(
    upstream: &Upstream,
    first: Option<&UpstreamAuthority>,
    at: &Pointer,
    problems: &mut Problems,
) {
    for (name, time) in [
        ("connect_timeout", upstream.connect_timeout),
        ("idle_timeout", upstream.idle_timeout),
    ] {
        check_time(time, &at.at(name), problems);
    }
    for (name, most) in [
        ("max_pending_requests", upstream.max_pending_requests),
        ("max_requests", upstream.max_requests),
        ("max_retries", upstream.max_retries),
    ] {
        if let Some(most) = most {
            check_range(most, 1..=65_536, &at.at(name), problems);
        }
    }
    if let Some(check) = &upstream.health_check {
        check_health(check, &at.at("health_check"), problems);
    }
    if let Some(outliers) = &upstream.outliers {
        check_outliers(outliers, &at.at("outliers"), problems);
    }
    if let Some(tls) = &upstream.tls {
        check_tls(tls, first, &at.at("tls"), problems);
    }
}

fn check_time(time: Option<Span>, at: &Pointer, problems: &mut Problems) {
    if time.is_some_and(|time| time.milliseconds() < 10) {
        problems.add(at.clone(), "write a time from `10ms` to `24h`");
    }
}

fn check_range(
    number: u32,
    range: std::ops::RangeInclusive<u32>,
    at: &Pointer,
    problems: &mut Problems,
) {
    if !range.contains(&number) {
        let (start, end) = range.into_inner();
        problems.add(at.clone(), format!("write a number from {start} to {end}"));
    }
}

fn check_health(check: &HealthCheck, at: &Pointer, problems: &mut Problems) {
    check_time(Some(check.interval), &at.at("interval"), problems);
    check_time(Some(check.timeout), &at.at("timeout"), problems);
    for (name, number) in [
        ("healthy_after", check.healthy_after),
        ("unhealthy_after", check.unhealthy_after),
    ] {
        check_range(number, 1..=100, &at.at(name), problems);
    }
    for (index, status) in check.statuses.iter().enumerate() {
        let at = at.at("statuses").at(index);
        check_range(u32::from(*status), 100..=599, &at, problems);
    }
    if check.path.is_none() && !check.statuses.is_empty() {
        problems.add(
            at.at("statuses"),
            "without a `path` nothing is asked that has a status; write one, or leave it out",
        );
    }
}

fn check_outliers(outliers: &Outliers, at: &Pointer, problems: &mut Problems) {
    check_range(
        outliers.consecutive_5xx,
        1..=1_000,
        &at.at("consecutive_5xx"),
        problems,
    );
    check_range(
        outliers.max_ejected_percent,
        1..=100,
        &at.at("max_ejected_percent"),
        problems,
    );
    check_time(Some(outliers.interval), &at.at("interval"), problems);
    let ejection = Some(outliers.ejection_time);
    check_time(ejection, &at.at("ejection_time"), problems);
}

fn check_tls(
    tls: &UpstreamTls,
    first: Option<&UpstreamAuthority>,
    at: &Pointer,
    problems: &mut Problems,
) {
    let given = [
        tls.ca_file.is_some(),
        tls.ca.is_some(),
        tls.ca_secret.is_some(),
        tls.system_ca,
    ];
    match given.into_iter().filter(|given| *given).count() {
        0 => problems.add(
            at.clone(),
            "whoever answered would be believed; write the `ca_secret`, the `ca_file` or the `ca` \
             that signed the endpoints' certificates, or `system_ca: true`",
        ),
        1 => {}
        _ => problems.add(
            at.clone(),
            "write one of `ca_secret`, `ca_file`, `ca` and `system_ca`",
        ),
    }
    if tls.secret.is_some() && tls.certificate.is_some() {
        problems.add(
            at.at("certificate"),
            "write either `secret` or `certificate`, not both",
        );
    }
    if let Some(ca) = &tls.ca {
        if ca.contains("PRIVATE KEY") {
            problems.add(
                at.at("ca"),
                "this holds a private key, which belongs in no document; write certificates alone, \
                 and take the key for known from now on",
            );
        } else if !ca.contains("-----BEGIN CERTIFICATE-----") {
            problems.add(
                at.at("ca"),
                "this holds no certificate in PEM, which begins with `-----BEGIN CERTIFICATE-----`",
            );
        }
    }
    if let Some(name) = &tls.server_name
        && !is_name(name)
    {
        problems.add(at.at("server_name"), no_name(name));
    }
    for (index, name) in tls.certificate_names.iter().enumerate() {
        if !is_name(name) && Host::parse(name).is_err() {
            problems.add(at.at("certificate_names").at(index), no_name(name));
        }
    }
    let has_name = first.is_some_and(|first| first.ip().is_none());
    if tls.server_name.is_none() && tls.certificate_names.is_empty() && !has_name {
        problems.add(
            at.clone(),
            "any certificate of that authority would be believed; write the `server_name` that the \
             endpoints' certificates are for, or `certificate_names`",
        );
    }
}

fn is_name(text: &str) -> bool {
    matches!(Host::parse(text), Ok(Host::Domain(name)) if name == text)
}

fn no_name(text: &str) -> String {
    format!("`{text}` is no host name; write one such as `tools.internal`, in lower case")
}
