//! The modules that operators upload, and those that they take back.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use store::{Module, RevisionNumber, StoreError};
use thiserror::Error;
use time::OffsetDateTime;

use super::Gateway;
use super::author::Author;
use crate::aside;
use crate::generation::Built;
use crate::module::{self, ModuleShelf, ShelvedModule, UnusableModule, inspect};

/// Why a module was not kept.
#[derive(Debug, Error)]
pub enum UploadError {
    /// Envoy could not run it.
    #[error(transparent)]
    Unusable(#[from] UnusableModule),
    /// Its file could not be written.
    #[error("the module cannot be written")]
    File(#[source] anyhow::Error),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a module was not taken back.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// There is no such module.
    #[error("there is no module `{0}`; `GET /api/v1/modules` lists those that there are")]
    Missing(String),
    /// The control plane was started with it.
    #[error(
        "the control plane was started with the module `{0}`, and has Envoys run it wherever the \
         document names none; start it with another one first"
    )]
    StartedWith(String),
    /// Envoys run it, or are to.
    #[error("Envoys run the module with revision {0}, or are to; change that first")]
    InUse(RevisionNumber),
    /// Envoys would go back to it.
    #[error(
        "Envoys go back to revision {0}, which runs the module, if what they run now turns out \
         bad; take the module back when they have accepted two more changes"
    )]
    InReserve(RevisionNumber),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A module that is on the shelf now, and whether it was before.
#[derive(Debug)]
pub struct UploadedModule {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The module as it is known.
    pub module: ShelvedModule,
    /// Whether it was not there yet.
    pub is_new: bool,
}

impl Gateway {
    /// The modules that operators uploaded.
    #[must_use]
    pub fn shelf(&self) -> ModuleShelf {
        self.read().desired.module.shelf.clone()
    }

    /// The modules that operators uploaded and that the store has: `portcullis store prune` takes
    /// some from there, beside this process, which lets go of them here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stored_modules(&self) -> Result<ModuleShelf, StoreError> {
        let _turn = self.modules.lock().await;
        let stored = self.store.modules().await?.into_iter();
        let stored: BTreeSet<String> = stored.map(|module| module.sha256).collect();
        let shelf = self.shelf();
        shelf.retain(|sha256| stored.contains(sha256));
        Ok(shelf)
    }

    /// Keeps a module, so that documents may name it. It is in no Envoy by that.
    ///
    /// # Errors
    /// When Envoy could not run it, or it cannot be stored.
    pub async fn upload_module(
        &self,
        content: Bytes,
        author: &Author,
    ) -> Result<UploadedModule, UploadError> {
        let shelf = self.shelf();
        let read = {
            let (content, shelf) = (content.clone(), shelf.clone());
            aside::run(move || {
                let sha256 = module::hash(&content);
                let facts = match shelf.get(&sha256) {
                    Some(known) => known.facts,
                    None => inspect(&content)?,
                };
                Ok::<_, UnusableModule>((sha256, facts))
            })
        };
        let (sha256, facts) = read.await?;
        let _turn = self.modules.lock().await;
        let path = {
            let (content, shelf, sha256) = (content.clone(), shelf.clone(), sha256.clone());
            aside::run(move || module::put(&content, &sha256, &shelf)).await
        };
        let path = path.map_err(UploadError::File)?;
        // Somebody may have taken it back since.
        let is_new = shelf.get(&sha256).is_none();
        let module = ShelvedModule {
            facts,
            uploaded_at: OffsetDateTime::now_utc(),
        };
        let stored = Module {
            sha256: sha256.clone(),
            bytes: module.facts.bytes,
            path,
            since: module.uploaded_at,
        };
        // Also where it is known: `portcullis store prune` takes modules from the store alone.
        let entry = author.deed_on(&sha256);
        self.store.keep_module(&stored, &content, &entry).await?;
        shelf.add(sha256.clone(), module.clone());
        Ok(UploadedModule {
            sha256,
            module,
            is_new,
        })
    }

    /// Takes a module back that no Envoy runs or is to run.
    ///
    /// # Errors
    /// When there is none, or it is in use.
    pub async fn remove_module(&self, sha256: &str, author: &Author) -> Result<(), RemoveError> {
        let shelf = self.shelf();
        let _turn = self.modules.lock().await;
        let turn = self.turn().await;
        if shelf.start().is_some_and(|start| start.sha256 == sha256) {
            return Err(RemoveError::StartedWith(sha256.to_owned()));
        }
        if shelf.get(sha256).is_none() {
            return Err(RemoveError::Missing(sha256.to_owned()));
        }
        self.check_unused(sha256)?;
        let entry = author.deed_on(sha256);
        self.store.remove_module(sha256, &entry).await?;
        shelf.remove(sha256);
        // Whoever has made a generation with it makes it anew, and is told that it is gone.
        self.desire(&turn, self.desired());
        drop(turn);
        // Nobody reads it any more; where it stays, it is overwritten by the next of its name.
        let _ = tokio::fs::remove_file(shelf.file(sha256)).await;
        Ok(())
    }

    /// Refuses a module that a generation names which Envoys run, are to run, or would go back to.
    fn check_unused(&self, sha256: &str) -> Result<(), RemoveError> {
        let state = self.read();
        let named_by = |built: &&Arc<Built>| {
            let mut modules = built.document.module_hashes();
            modules.any(|hash| hash.as_str() == sha256) || built.module.sha256 == sha256
        };
        if state.desired.module.sha256 == sha256 {
            return Err(RemoveError::InUse(state.desired.built.revision));
        }
        let run = [&state.desired.built, &state.current];
        let mut run = run.into_iter().chain(&state.accepted);
        if let Some(built) = run.find(named_by) {
            return Err(RemoveError::InUse(built.revision));
        }
        match state.earlier.iter().find(named_by) {
            Some(built) => Err(RemoveError::InReserve(built.revision)),
            None => Ok(()),
        }
    }
}
