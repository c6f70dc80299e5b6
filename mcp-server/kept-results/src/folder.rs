//! The folder of kept results: the names of its files, its own name, and what is being written.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::counts::GrowingCounts;
use crate::disk_room::DiskRoom;
use crate::draft_view::DraftView;
use crate::quota::Quota;

/// The end of the name of a complete result. The time at which such a file was changed last is the
/// time at which it expires, so that a sweep need not open it.
pub(crate) const COMPLETE: &str = "result";

/// The end of the name of a result that is being written. Whoever writes it has it locked, so that
/// what a killed process has left behind is known by its lock.
pub(crate) const UNFINISHED: &str = "part";

/// The file with the name of this node.
pub(crate) const NODE: &str = "node";

/// Where results are kept, how many, and for how long.
#[derive(Debug, Clone)]
pub struct KeptResultsSettings {
    /// The folder that they are kept in; it is made when the first one is.
    pub folder: PathBuf,
    /// The name of this server in the URIs of its results; a random one that lasts as long as the
    /// folder where none is given.
    pub node: Option<String>,
    /// The most bytes of all results; one may have half of it.
    pub quota: u64,
    /// How long a result is kept.
    pub expiry: Duration,
}

/// The folder of the results, with those that are being written.
#[derive(Debug)]
pub(crate) struct ResultFolder {
    pub(crate) settings: KeptResultsSettings,
    pub(crate) quota: Arc<Quota>,
    pub(crate) counts: Arc<GrowingCounts>,
    /// Looks at the room on the disk of a folder.
    pub(crate) room: fn(&Path) -> io::Result<DiskRoom>,
    node: OnceLock<String>,
    drafts: Mutex<HashMap<Uuid, Arc<DraftView>>>,
}

impl ResultFolder {
    pub(crate) fn new(settings: KeptResultsSettings) -> Self {
        Self {
            quota: Quota::new(settings.quota),
            counts: Arc::default(),
            room: DiskRoom::of,
            settings,
            node: OnceLock::new(),
            drafts: Mutex::default(),
        }
    }

    pub(crate) fn drafts(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<DraftView>>> {
        self.drafts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file of a new result, locked.
    pub(crate) fn create(&self, id: Uuid) -> io::Result<(File, PathBuf)> {
        self.make_folder()?;
        let path = self.path(id, UNFINISHED);
        let mut options = File::options();
        let options = options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path)?;
        file.try_lock()?;
        Ok((file, path))
    }

    /// Gives a file that is complete the name of a complete one.
    pub(crate) fn complete(&self, id: Uuid) -> io::Result<()> {
        fs::rename(self.path(id, UNFINISHED), self.path(id, COMPLETE))
    }

    /// Has the disk keep the names in the folder.
    pub(crate) fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.settings.folder)?.sync_all()
    }

    pub(crate) fn path(&self, id: Uuid, end: &str) -> PathBuf {
        let name = format!("{}.{end}", id.simple());
        self.settings.folder.join(name)
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.settings.folder)
    }

    /// The name of this node.
    pub(crate) fn node(&self) -> io::Result<&str> {
        if let Some(node) = self.node.get() {
            return Ok(node);
        }
        let node = match &self.settings.node {
            Some(node) => node.clone(),
            None => self.lasting_node()?,
        };
        Ok(self.node.get_or_init(|| node))
    }

    /// The random name that all processes of this folder have, and have after a restart.
    fn lasting_node(&self) -> io::Result<String> {
        self.make_folder()?;
        let path = self.settings.folder.join(NODE);
        let name = Uuid::new_v4().simple().to_string();
        let draft = self.settings.folder.join(format!("{NODE}-{name}"));
        let mut file = File::options().write(true).create_new(true).open(&draft)?;
        file.write_all(format!("n{}", &name[..12]).as_bytes())?;
        file.sync_all()?;
        // Only one process gives the folder its name, and no other reads half of it.
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::read_to_string(&path)
    }
}
