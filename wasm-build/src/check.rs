//! Checks what a filter may ask of Envoy, and which of its callbacks Envoy should call.

use anyhow::{Result, bail};

use crate::module::{self, Import};

/// The calls that Envoy 1.40 offers to a module: the proxy-wasm ABI 0.2.1, as far as the SDK names
/// it. The SDK's traits import all of them.
const PROXY: [&str; 35] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// The calls of WASI that the standard library needs and Envoy has: time, randomness, the end, a
/// log line, an empty environment. No files, no sockets.
const WASI: [&str; 6] = [
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_write",
    "proc_exit",
    "random_get",
];

/// The callbacks that the filter uses. Envoy enters the VM for each one that a module exports, at a
/// cost for each request, so the others, which the SDK exports too, are taken out.
const CALLBACKS: [&str; 10] = [
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_vm_start",
    "_initialize",
];

/// Whether the export stays in the module.
pub(crate) fn is_needed_export(name: &str) -> bool {
    CALLBACKS.contains(&name) || name == "memory"
}

/// How a module's imports relate to the lists of what filters may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowances {
    /// It imports all of them, so that nothing stays allowed which nobody uses.
    AllUsed,
    /// It imports nothing else.
    AtMost,
}

/// Refuses a module that imports what Envoy does not offer, or offers but a filter has no business
/// with; and lists that allow what the module does not import.
pub(crate) fn imports(module: &[u8], allowances: Allowances) -> Result<()> {
    let allowed = [("env", &PROXY[..]), ("wasi_snapshot_preview1", &WASI[..])];
    let allowed = allowed.into_iter().flat_map(|(module, names)| {
        let names = names.iter();
        names.map(move |name| Import { module, name })
    });
    let allowed: Vec<Import<'_>> = allowed.collect();
    let imported = module::imports(module)?;
    let unknown = missing(&imported, &allowed);
    if !unknown.is_empty() {
        bail!(
            "it imports {unknown}, which Envoy does not give to filters; find the crate that uses \
             it, or allow it in wasm-build/src/check.rs"
        );
    }
    let unused = missing(&allowed, &imported);
    if allowances == Allowances::AllUsed && !unused.is_empty() {
        bail!(
            "it does not import {unused}; take what it does not use off the lists in \
             wasm-build/src/check.rs"
        );
    }
    Ok(())
}

/// Those of some imports that are not among others, by name; empty where all of them are.
fn missing(some: &[Import<'_>], others: &[Import<'_>]) -> String {
    let missing = some.iter().filter(|import| !others.contains(import));
    let names: Vec<String> = missing.map(|import| format!("`{import}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::tests::with_sections;

    #[test]
    fn it_accepts_what_envoy_offers_and_nothing_else() {
        let allowed = with_sections(
            &[
                ("env", "proxy_log"),
                ("wasi_snapshot_preview1", "random_get"),
            ],
            &[],
        );
        assert!(imports(&allowed, Allowances::AtMost).is_ok());
        for import in [
            ("env", "proxy_invented"),
            ("wasi_snapshot_preview1", "path_open"),
            ("other", "proxy_log"),
        ] {
            let module = with_sections(&[("env", "proxy_log"), import], &[]);
            let error = imports(&module, Allowances::AtMost).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(&format!("`{}.{}`", import.0, import.1)),
                "{error}"
            );
        }
    }

    #[test]
    fn it_allows_nothing_that_the_filter_does_not_use() {
        let wasi = WASI.map(|name| ("wasi_snapshot_preview1", name));
        let all = [&PROXY.map(|name| ("env", name))[..], &wasi].concat();
        assert!(imports(&with_sections(&all, &[]), Allowances::AllUsed).is_ok());
        let fewer = with_sections(&all[1..], &[]);
        assert!(imports(&fewer, Allowances::AtMost).is_ok());
        let error = imports(&fewer, Allowances::AllUsed).unwrap_err();
        let first = format!("it does not import `env.{}`;", PROXY[0]);
        assert!(error.to_string().starts_with(&first), "{error}");
    }
}
