//! The user that a program runs as.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A user of this machine, from `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name by which the user logs in.
    pub name: String,
    /// The number of the user.
    pub uid: u32,
    /// The user's own group.
    pub gid: u32,
}

impl Account {
    /// The first of `names` that exists.
    #[must_use]
    pub fn first_of(names: &[&str]) -> Option<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        names.iter().find_map(|name| Self::parse(&passwd, name))
    }

    /// Whether this process may start programs as somebody else.
    #[must_use]
    pub fn we_are_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Whether this user can reach `folder`: every folder on the way there lets them through.
    ///
    /// Looks at owner, group and others, not at access control lists.
    ///
    /// # Errors
    /// When a folder on the way cannot be examined.
    pub fn can_enter(&self, folder: &Path) -> io::Result<bool> {
        for step in folder.ancestors() {
            if step.as_os_str().is_empty() {
                continue;
            }
            let facts = std::fs::metadata(step)?;
            let search = match facts {
                _ if facts.uid() == self.uid => 0o100,
                _ if facts.gid() == self.gid => 0o010,
                _ => 0o001,
            };
            if facts.mode() & search == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn parse(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self {
            name: name.to_owned(),
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_finds_a_user_by_the_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      postgres2:x:7:8::/:/bin/sh\n\
                      postgres:x:101:104::/:/bin/sh\n";
        let account = Account::parse(passwd, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
        assert_eq!(Account::parse(passwd, "nobody"), None);
    }

    #[test]
    fn it_tells_whether_a_stranger_can_enter() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = Account {
            name: "stranger".into(),
            uid: 54_321,
            gid: 54_321,
        };
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.can_enter(folder.path()).unwrap());
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let parents_let_through = stranger.can_enter(folder.path().parent().unwrap()).unwrap();
        assert_eq!(
            stranger.can_enter(folder.path()).unwrap(),
            parents_let_through
        );
    }
}
