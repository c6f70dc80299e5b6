//! The control plane's words, for whoever types commands: it advises whoever sends it requests, by
//! their paths and fields, and here the commands and flags stand in their place. Pure.

/// The words with commands in the place of the requests, and flags in the place of the fields, that
/// they name between backticks.
pub(crate) fn in_commands(words: &str) -> String {
    let mut told = String::with_capacity(words.len());
    for (index, part) in words.split('`').enumerate() {
        if index > 0 {
            told.push('`');
        }
        let is_code = index % 2 == 1;
        match is_code.then(|| typed(part)).flatten() {
            Some(command) => told.push_str(&command),
            None => told.push_str(part),
        }
    }
    told
}

/// The command or flag for a request or a field; none for other code.
fn typed(code: &str) -> Option<String> {
    if let r#""allow_loosening": true"# | r#"{"allow_loosening": true}"# = code {
        return Some("--allow-loosening".to_owned());
    }
    // A message is sent inside of another object, and typed by itself.
    if let Some(message) = code.strip_prefix(r#"{"message": "#) {
        return message.strip_suffix('}').map(str::to_owned);
    }
    let (method, path) = code.split_once(' ')?;
    let parts: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
    let arguments = match (method, parts.as_slice()) {
        ("GET", ["versions"]) => "history".to_owned(),
        ("GET", ["audit"]) => "audit".to_owned(),
        ("GET", ["rollouts"]) => "rollout list".to_owned(),
        ("GET", [kind @ ("modules" | "servers" | "tools")]) => format!("{kind} list"),
        ("GET", ["nodes", names @ ..]) => ["nodes"]
            .iter()
            .chain(names)
            .copied()
            .collect::<Vec<_>>()
            .join(" "),
        ("GET", ["tools", tool, "policy"]) => format!("tools policy {tool}"),
        ("GET", ["servers", server, "tools", tool]) => format!("tools review {server} {tool}"),
        ("GET", [kind]) => format!("get {kind}"),
        ("GET", [kind, name]) => format!("get {kind} {name}"),
        ("PUT", ["config"]) => "apply".to_owned(),
        ("PUT", [kind, name]) => format!("put {kind} {name}"),
        ("POST", ["modules"]) => "modules upload".to_owned(),
        _ => return None,
    };
    Some(format!("portcullis {arguments}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn check(words: &str, expected: &str) {
        assert_eq!(in_commands(words), expected);
    }

    #[test]
    fn it_names_commands_and_flags_where_the_control_plane_names_requests_and_fields() {
        check(
            "say `\"allow_loosening\": true` if that is meant",
            "say `--allow-loosening` if that is meant",
        );
        check(
            "no `a`; `GET /api/v1/tools` lists them, `GET /api/v1/nodes/edge-1` one",
            "no `a`; `portcullis tools list` lists them, `portcullis nodes edge-1` one",
        );
        check(
            "upload it by `POST /api/v1/modules`",
            "upload it by `portcullis modules upload`",
        );
        check(
            r#"send `{"message": {"jsonrpc": "2.0", "params": {}}}`"#,
            r#"send `{"jsonrpc": "2.0", "params": {}}`"#,
        );
        // The words of others stay, also where a backtick has no second one.
        for words in ["", "`", "cannot GET /api/v1/tools", "`GET /tools` and `"] {
            check(words, words);
        }
    }

    /// The lines of every source that has words for users, each with what goes on in the next line.
    fn lines() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders: Vec<PathBuf> = ["server/src", "gateway-document/src", "store/src"]
            .map(|folder| root.join(folder))
            .into();
        let mut lines = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // The page about the requests themselves.
                if path.ends_with("rest/reference.rs") {
                    continue;
                }
                let mut whole = String::new();
                for line in fs::read_to_string(path).unwrap().lines() {
                    let line = line.trim_start();
                    if line.starts_with("//") {
                        continue;
                    }
                    whole.push_str(line.strip_suffix('\\').unwrap_or(line));
                    if !line.ends_with('\\') {
                        lines.push(std::mem::take(&mut whole));
                    }
                }
            }
        }
        lines
    }

    #[test]
    fn it_knows_a_command_for_every_request_and_field_that_the_control_plane_advises() {
        let mut advised = 0;
        for line in lines() {
            let line = line
                .replace("\\\"", "\"")
                .replace("{{", "{")
                .replace("}}", "}");
            for code in line.split('`').skip(1).step_by(2) {
                if code.contains("/api/v1/") || code.contains("\"allow_loosening\": ") {
                    assert!(typed(code).is_some(), "`{code}` in {line}");
                    advised += 1;
                }
            }
        }
        assert!(advised >= 20, "{advised}");
    }
}
