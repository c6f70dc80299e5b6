//! TCP ports of this machine: which are free, and who holds one that is not.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The number of the process.
    pub pid: u32,
    /// Its short name, as the kernel has it.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.command, self.pid)
    }
}

/// Whether a server could listen on `address` now.
///
/// # Errors
/// When listening fails for another reason than that somebody does already, such as an address that
/// is not this machine's.
pub fn is_free(address: SocketAddr) -> io::Result<bool> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// A port of the loopback interface that nobody listens on now. Another process may take it before
/// the caller's does: PostgreSQL, for which it is, takes over no listener that somebody else
/// opened. It ends then and says that the port is taken, and the next start picks another one.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The process that listens on TCP `port`, if this user may see it.
#[must_use]
pub fn holder_of(port: u16) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            holds_any(&entry.path(), &inodes).then(|| Holder {
                pid,
                command: std::fs::read_to_string(entry.path().join("comm"))
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            })
        })
}

/// The socket numbers of the listeners on `port` in a table of `/proc/net` (`proc(5)`: columns
/// local address, state, inode).
fn listeners(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| {
            columns.len() > 9 && columns[1].ends_with(&suffix) && columns[3] == LISTEN
        })
        .filter_map(|columns| columns[9].parse().ok())
        .collect()
}

fn holds_any(process: &Path, inodes: &[u64]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        std::fs::read_link(descriptor.path())
            .ok()
            .and_then(|target| {
                target
                    .to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .is_some_and(|inode: u64| inodes.contains(&inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_holder_of_a_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(!is_free(address).unwrap());
        assert_eq!(holder_of(address.port()).unwrap().pid, std::process::id());
    }

    #[test]
    fn it_calls_a_port_free_on_which_nobody_listens() {
        // Ours while the socket lives, so that nobody can begin to listen meanwhile.
        let reserved = tokio::net::TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(is_free(reserved.local_addr().unwrap()).unwrap());
        assert_ne!(free_port().unwrap(), 0);
    }
}
