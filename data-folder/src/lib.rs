//! The folder of what must last (databases, revisions, jobs, logs), where nobody names another one.
//!
//! Every program of ours that takes `PORTCULLIS_DATA` falls back to [`default_data_folder`], so
//! that they find each other's files. `setup/clean.py` reads the same `default.txt`. The crate
//! reads and writes nothing in the folder.
//!
//! ```
//! assert!(data_folder::default_data_folder().ends_with("portcullis"));
//! ```

use std::path::{Path, PathBuf};

/// Two lines: the folder of root and of users without a home, and everybody else's below their
/// home.
const DEFAULTS: &str = include_str!("../default.txt");

/// The data folder of the user that this process runs as.
#[must_use]
pub fn default_data_folder() -> PathBuf {
    let home = std::env::home_dir();
    let home = home.filter(|_| !rustix::process::geteuid().is_root());
    data_folder_of(home.as_deref())
}

fn data_folder_of(home: Option<&Path>) -> PathBuf {
    let (system, below_home) = DEFAULTS.split_once('\n').unwrap_or((DEFAULTS, ""));
    match home {
        Some(home) => home.join(below_home.trim()),
        None => PathBuf::from(system),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_below_the_home_of_a_user_and_in_the_system_for_root() {
        assert_eq!(
            data_folder_of(Some(Path::new("/home/ada"))),
            Path::new("/home/ada/.local/state/portcullis")
        );
        assert_eq!(data_folder_of(None), Path::new("/var/lib/portcullis"));
    }
}
