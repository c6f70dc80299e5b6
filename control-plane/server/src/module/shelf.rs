//! The modules that operators uploaded, as this process finds them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use gateway_document::{CheckedDocument, GatewayDocument, ModuleHash, ModuleVersion, Problem};
use policy_engine::wire;
use time::OffsetDateTime;

use super::ModuleFile;
use super::inspect::ModuleFacts;
use super::origin::ModuleOrigin;

/// The uploaded modules by their hashes, and the folder with their files. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ModuleShelf(Arc<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    folder: PathBuf,
    origin: Option<ModuleOrigin>,
    start: OnceLock<StartModule>,
    modules: RwLock<BTreeMap<String, ShelvedModule>>,
}

/// The module that a control plane was started with: the gateway's own filter, wherever a document
/// names none.
#[derive(Debug, Clone)]
pub struct StartModule {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The knowledge that its bytes give; none where they are not those of a filter.
    pub facts: Option<ModuleFacts>,
}

/// One module on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelvedModule {
    /// The knowledge that its bytes give.
    pub facts: ModuleFacts,
    /// When it was last uploaded.
    pub uploaded_at: OffsetDateTime,
}

impl ModuleShelf {
    /// An empty shelf whose files are in this folder; Envoys read these, or fetch them from there.
    #[must_use]
    pub fn new(folder: &Path, origin: Option<ModuleOrigin>) -> Self {
        Self(Arc::new(Shelf {
            folder: folder.to_owned(),
            origin,
            start: OnceLock::new(),
            modules: RwLock::default(),
        }))
    }

    /// Takes note of the module that the control plane is started with.
    pub(super) fn start_with(&self, module: StartModule) {
        // A shelf is made for one start.
        let _ = self.0.start.set(module);
    }

    /// The module that the control plane was started with.
    #[must_use]
    pub fn start(&self) -> Option<&StartModule> {
        self.0.start.get()
    }

    /// Where Envoys fetch modules from; nothing where they read the files.
    #[must_use]
    pub fn origin(&self) -> Option<&ModuleOrigin> {
        self.0.origin.as_ref()
    }

    /// The folder of the modules' files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The file of the module of this hash.
    #[must_use]
    pub fn file(&self, sha256: &str) -> PathBuf {
        self.0.folder.join(format!("{sha256}.wasm"))
    }

    /// The module of this hash.
    #[must_use]
    pub fn get(&self, sha256: &str) -> Option<ShelvedModule> {
        let modules = self.0.modules.read();
        let modules = modules.unwrap_or_else(PoisonError::into_inner);
        modules.get(sha256).cloned()
    }

    /// Every module, by its hash.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, ShelvedModule> {
        let modules = self.0.modules.read();
        modules.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a module on the shelf, in the place of what was known of it.
    pub fn add(&self, sha256: String, module: ShelvedModule) {
        let modules = self.0.modules.write();
        let mut modules = modules.unwrap_or_else(PoisonError::into_inner);
        modules.insert(sha256, module);
    }

    /// Takes those modules from the shelf whose hashes are not to stay.
    pub fn retain(&self, stays: impl Fn(&str) -> bool) {
        let modules = self.0.modules.write();
        let mut modules = modules.unwrap_or_else(PoisonError::into_inner);
        modules.retain(|sha256, _| stays(sha256));
    }

    /// Takes a module from the shelf.
    pub fn remove(&self, sha256: &str) {
        let modules = self.0.modules.write();
        let mut modules = modules.unwrap_or_else(PoisonError::into_inner);
        modules.remove(sha256);
    }

    /// The document with the hashes of the modules that it names by name and version.
    ///
    /// # Errors
    /// When there is no such module, or several say the same of themselves.
    pub fn resolve(&self, document: CheckedDocument) -> Result<CheckedDocument, Vec<Problem>> {
        document.with_module_hashes(|version| self.find(version))
    }

    fn find(&self, version: &ModuleVersion) -> Result<ModuleHash, String> {
        let all = self.all();
        let mut found = all.iter().filter_map(|(sha256, module)| {
            let manifest = module.facts.manifest.as_ref()?;
            let is_it = version.is_of(&manifest.name, &manifest.version);
            sha256.parse::<ModuleHash>().ok().filter(|_| is_it)
        });
        match (found.next(), found.next()) {
            (Some(hash), None) => Ok(hash),
            (Some(one), Some(other)) => Err(format!(
                "several modules say that they are `{version}`, `{one}` and `{other}` among them; \
                 write the SHA-256 of the one that is meant"
            )),
            (None, _) => Err(format!(
                "there is no module `{version}`; upload it by `POST /api/v1/modules`, or write the \
                 name and version of one that `GET /api/v1/modules` lists"
            )),
        }
    }

    /// Everything that is wrong with the modules that a document names.
    #[must_use]
    pub fn problems(&self, document: &GatewayDocument) -> Vec<Problem> {
        self.problems_reading(document, |form| form == wire::VERSION)
    }

    /// The same of a document whose generation Envoys were given already: the gateway's own filter
    /// has its configuration from the version that gave it, in whatever form that wrote.
    #[must_use]
    pub fn problems_of_given(&self, document: &GatewayDocument) -> Vec<Problem> {
        self.problems_reading(document, |_| true)
    }

    fn problems_reading(
        &self,
        document: &GatewayDocument,
        fits: impl Fn(u32) -> bool,
    ) -> Vec<Problem> {
        let own = document.module.sha256.as_ref().and_then(|hash| {
            let reason = self.own_problem(hash, fits)?;
            let path = "/module/sha256".to_owned();
            Some(Problem { path, reason })
        });
        let filters = document
            .filters
            .iter()
            .enumerate()
            .filter_map(|(index, filter)| {
                let hash = filter.module.as_ref()?.hash()?;
                let reason = match self.get(hash.as_str()) {
                None => not_kept(hash),
                Some(module) if module.wire_form().is_some() => {
                    "this module is the gateway's own filter; name it as `module` of the document"
                        .to_owned()
                }
                Some(_) => return None,
            };
                let path = format!("/filters/{index}/module");
                Some(Problem { path, reason })
            });
        own.into_iter().chain(filters).collect()
    }

    fn own_problem(&self, hash: &ModuleHash, fits: impl Fn(u32) -> bool) -> Option<String> {
        let Some(module) = self.get(hash.as_str()) else {
            let is_start = self
                .start()
                .is_some_and(|start| start.sha256 == hash.as_str());
            return Some(if is_start {
                "the control plane was started with this module, and Envoys run it where `module` \
                 says nothing; write `{}`, or upload it by `POST /api/v1/modules`"
                    .to_owned()
            } else {
                not_kept(hash)
            });
        };
        match module.wire_form() {
            Some(form) if fits(form) => None,
            Some(other) => Some(format!(
                "this module reads version {other} of the filter's configuration, and this \
                 control plane writes version {}; upload and name a build that fits, or write \
                 `{{}}` for the one that the control plane is started with",
                wire::VERSION
            )),
            None => Some(
                "this module is not the gateway's own filter, and would let every request pass; \
                 name it under `filters`"
                    .to_owned(),
            ),
        }
    }
}

impl ShelvedModule {
    /// The version of the filter's configuration that it reads, where it is the gateway's own
    /// filter.
    fn wire_form(&self) -> Option<u32> {
        self.facts.manifest.as_ref()?.wire_form
    }
}

impl ModuleFile {
    /// The module of this hash, from the same shelf.
    #[must_use]
    pub fn other(&self, hash: &ModuleHash) -> Self {
        Self {
            sha256: hash.to_string(),
            path: self.shelf.file(hash.as_str()),
            shelf: self.shelf.clone(),
        }
    }

    /// The module that the gateway's own filter of a document runs: the one that the document
    /// names, or else this one.
    #[must_use]
    pub fn of(&self, document: &GatewayDocument) -> Self {
        let named = document.module.sha256.as_ref();
        named.map_or_else(|| self.clone(), |hash| self.other(hash))
    }
}

impl PartialEq for ModuleFile {
    /// The shelf is no part of what a module is.
    fn eq(&self, other: &Self) -> bool {
        (&self.sha256, &self.path) == (&other.sha256, &other.path)
    }
}

impl Eq for ModuleFile {}

fn not_kept(hash: &ModuleHash) -> String {
    format!(
        "there is no module `{hash}`; upload it by `POST /api/v1/modules`, or write one that \
         `GET /api/v1/modules` lists"
    )
}
