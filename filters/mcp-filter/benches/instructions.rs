//! Counts the instructions of one call on its way through the filter, natively, on the fake host: a
//! number that does not depend on how busy the machine is.
//!
//! `cargo bench --profile instructions -p mcp-filter --bench instructions` runs itself under
//! callgrind, which must be installed (`valgrind`), and prints a row for each size of body and each
//! policy. It fails where one takes more than it may, and in a build that counts steps, which would
//! measure the counter.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::rc::Rc;

use mcp_filter::{Flow, Plugin, Request, VmState};
use proxy_host::StreamId;
use proxy_host::fake::{FakeProcess, FakeProxy};
use serde_json::{Value, json};

/// Sizes of bodies in bytes, as `tests/bench/calls.py` has them.
const SIZES: [usize; 4] = [200, 4096, 65_536, 1_000_000];
/// Policies and orders of members, by the word of the table; and how many instructions a byte each
/// may take in a body of each size. That is a twentieth above what was measured: another compiler
/// moves less, and a token that is read twice costs more. Who makes it cheaper lowers the bound.
const WAYS: [(&str, [f64; 4]); 4] = [
    ("everything on", [151.0, 48.3, 44.2, 43.8]),
    ("arguments first", [160.5, 57.8, 53.8, 53.5]),
    ("no limit", [126.0, 47.0, 44.1, 43.8]),
    ("no limit, no schema", [101.3, 22.0, 19.0, 18.7]),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, size, way, calls, ..] if size.parse::<usize>().is_ok() => {
            run(size.parse().unwrap(), way, calls.parse().unwrap());
            ExitCode::SUCCESS
        }
        _ => table(),
    }
}

fn table() -> ExitCode {
    if step_count::IS_COUNTING {
        eprintln!("this build counts steps: use `--profile instructions`, which counts none");
        return ExitCode::FAILURE;
    }
    println!(
        "{:<22} {:>9} {:>14} {:>8} {:>8}",
        "policy", "bytes", "instructions", "a byte", "at most"
    );
    let mut exit = ExitCode::SUCCESS;
    for (way, bounds) in WAYS {
        for (size, at_most) in SIZES.into_iter().zip(bounds) {
            let Some(instructions) = counted(size, way) else {
                return ExitCode::FAILURE;
            };
            let per_byte = instructions as f64 / size as f64;
            println!("{way:<22} {size:>9} {instructions:>14} {per_byte:>8.2} {at_most:>8.2}");
            if per_byte > at_most {
                let build = "built with `--profile instructions`";
                eprintln!("{way}, {size} bytes: more than {at_most} a byte may be, {build}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    exit
}

/// The instructions of one call, by callgrind.
fn counted(size: usize, way: &str) -> Option<u64> {
    let calls = (200_000 / size).clamp(3, 200);
    let own = std::env::current_exe().expect("the path of this program");
    let run = Command::new("valgrind")
        // Else a large allocation tidies up what was freed before the call, by hundreds of
        // instructions more or less for what the compilation of the policy left behind.
        .env("GLIBC_TUNABLES", "glibc.malloc.mxfast=0")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([
            "--toggle-collect=instructions::one_call",
            "--collect-atstart=no",
        ])
        .arg(own)
        .args([&size.to_string(), way, &calls.to_string()])
        .output();
    let Ok(output) = run else {
        eprintln!("valgrind counts the instructions: install it, then run this again");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    match collected.and_then(|(_, number)| number.trim().parse::<u64>().ok()) {
        Some(number) if output.status.success() && number > 0 => Some(number / calls as u64),
        _ => {
            eprintln!("{way}, {size} bytes: {said}");
            None
        }
    }
}

fn run(size: usize, way: &str, calls: usize) {
    let process = FakeProcess::new();
    let configured = Plugin::configure(
        configuration(way).to_string().as_bytes(),
        &mut VmState::new([7; 16]),
        &process,
    );
    let plugin = Rc::new(configured.expect("a configuration in order"));
    let body = body(size, way);
    let length = body.len().to_string();
    let headers: [(&str, &[u8]); 7] = [
        (":method", b"POST"),
        (":path", b"/mcp"),
        (":authority", b"127.0.0.1"),
        ("content-type", b"application/json"),
        ("accept", b"application/json, text/event-stream"),
        ("mcp-protocol-version", b"2025-11-25"),
        ("content-length", length.as_bytes()),
    ];
    for _ in 0..calls {
        let proxy = FakeProxy::in_process(&process).with_headers(headers);
        proxy.receive(&body);
        assert_eq!(one_call(&proxy, plugin.clone(), body.len()), Flow::Continue);
    }
}

/// The path that is counted: a body that comes in one piece, its end by itself.
#[inline(never)]
fn one_call(proxy: &FakeProxy, plugin: Rc<Plugin>, length: usize) -> Flow {
    let mut request = Request::new(proxy, Some(plugin), StreamId(1));
    black_box(request.on_headers(false));
    black_box(request.on_body(length, false));
    request.on_body(length, true)
}

/// A call of about `size` bytes with dense JSON: small objects, not one long string.
fn body(size: usize, way: &str) -> Vec<u8> {
    let encoded = |rows: &[String]| {
        let arguments = format!(r#"{{"sql":"select 1","parameters":[{}]}}"#, rows.join(","));
        let params = if way == "arguments first" {
            format!(r#"{{"arguments":{arguments},"name":"execute_query"}}"#)
        } else {
            format!(r#"{{"name":"execute_query","arguments":{arguments}}}"#)
        };
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let mut rows = Vec::new();
    let bare = encoded(&rows).len();
    let mut length = bare;
    while length < size {
        let number = rows.len();
        let (id, is_even, tag) = (1000 + number % 9000, number % 2 == 0, 100 + number % 900);
        rows.push(format!(r#"{{"id":{id},"ok":{is_even},"tag":"t{tag}"}}"#));
        length += rows.last().map_or(0, String::len) + 1;
    }
    encoded(&rows).into_bytes()
}

fn configuration(way: &str) -> Value {
    let row = json!({"type": "object", "additionalProperties": false, "required": ["id", "ok"],
        "properties": {"id": {"type": "integer", "minimum": 0}, "ok": {"type": "boolean"},
            "tag": {"type": "string", "maxLength": 64}}});
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["sql"],
        "properties": {"sql": {"type": "string", "minLength": 1},
            "parameters": {"type": "array", "items": row}}});
    let limits = if way.starts_with("no limit") {
        json!([])
    } else {
        json!([{"id": "counted", "per": ["tool"], "requests": 1_000_000, "window_ms": 1000}])
    };
    let validate = if way.ends_with("no schema") {
        "off"
    } else {
        "enforce"
    };
    json!({
        "version": 1, "listener": "mcp",
        "allowed_hosts": ["127.0.0.1"], "allowed_origins": [],
        "max_body_bytes": 2 << 20, "max_depth": 128,
        "endpoints": [{"path": "/mcp", "servers": ["bench"], "forward": "bench"}],
        "schemas": {"query": schema},
        "servers": {"bench": {"cluster": "bench", "path": "/mcp",
            "tools": {"execute_query": {"input_schema": "query"}}}},
        "defaults": {"access": "allow", "validate": validate},
        "rules": [{"name": "counted", "match": {"tool": "execute_query"}, "limits": limits}],
    })
}
