//! How a cluster's server is run, and how one sees that it serves.

use std::ffi::OsString;
use std::path::Path;

/// A socket's path has to fit into the kernel's 108 bytes, with the name that the server adds.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// The arguments of `postgres` that serve `cluster` on a port of this machine alone. `sockets` is
/// the folder of its socket; it has none where the folder is not named, or its path is too long.
pub fn arguments(cluster: &Path, port: u16, sockets: Option<&Path>) -> Vec<OsString> {
    let sockets = sockets.filter(|folder| folder.as_os_str().len() <= LONGEST_SOCKET_FOLDER);
    let mut socket_folder = OsString::from("unix_socket_directories=");
    socket_folder.push(sockets.unwrap_or(Path::new("")));
    vec![
        "-D".into(),
        cluster.into(),
        "-p".into(),
        port.to_string().into(),
        "-c".into(),
        "listen_addresses=127.0.0.1".into(),
        "-c".into(),
        socket_folder,
    ]
}

/// The state of a server, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// The server answers whoever connects.
    Ready,
    /// It does not, or does no more: `starting`, `stopping`, or nothing where it does not run.
    Other(String),
}

/// The state of the server of `cluster`. It listens before it serves; the eighth line of its state
/// file tells (PostgreSQL's `pidfile.h`).
pub fn state(cluster: &Path) -> ServerState {
    let text = std::fs::read_to_string(cluster.join("postmaster.pid")).unwrap_or_default();
    match text.lines().nth(7).map(str::trim) {
        Some("ready") => ServerState::Ready,
        other => ServerState::Other(other.unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_no_socket_where_its_path_would_be_too_long() {
        let long = "x".repeat(LONGEST_SOCKET_FOLDER + 1);
        for (sockets, expected) in [
            (None, "unix_socket_directories="),
            (Some("/s"), "unix_socket_directories=/s"),
            (Some(long.as_str()), "unix_socket_directories="),
        ] {
            let arguments = arguments(Path::new("/c"), 1, sockets.map(Path::new));
            assert_eq!(arguments.last(), Some(&expected.into()));
        }
    }

    #[test]
    fn it_believes_the_eighth_line_of_the_state_file_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("postmaster.pid");
        assert_eq!(state(folder.path()), ServerState::Other(String::new()));
        std::fs::write(&file, "1\n2\n3\n4\n5\n6\n7\nstarting\n").expect("written");
        assert_eq!(state(folder.path()), ServerState::Other("starting".into()));
        std::fs::write(&file, "1\n2\n3\n4\n5\n6\n7\nready   \n").expect("written");
        assert_eq!(state(folder.path()), ServerState::Ready);
    }
}
