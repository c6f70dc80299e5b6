//! Runs cargo to compile a filter for wasm.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The host that a module is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host that gives the few calls of WASI which the standard library needs, as Envoy does.
    Wasi,
    /// A host that gives nothing.
    Bare,
}

impl Target {
    /// Its name, as rustc knows it.
    fn triple(self) -> &'static str {
        match self {
            Self::Wasi => "wasm32-wasip1",
            Self::Bare => "wasm32-unknown-unknown",
        }
    }
}

const PROFILE: &str = "wasm";

/// The workspace that is built.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    workspace_root: PathBuf,
    /// Where cargo puts what it builds.
    pub target_directory: PathBuf,
}

impl Workspace {
    /// The workspace around the present directory.
    ///
    /// # Errors
    /// There is none, or its lock file is not up to date.
    pub fn find() -> Result<Self> {
        let mut metadata = Command::new(cargo());
        metadata.args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
        serde_json::from_slice(&output(&mut metadata)?)
            .context("cannot read what `cargo metadata` says")
    }

    /// Builds the library of one package and returns the module as the linker wrote it.
    ///
    /// # Errors
    /// The target is not installed, or the package does not build.
    pub fn build(&self, package: &str, target: Target) -> Result<Vec<u8>> {
        let triple = target.triple();
        require(triple)?;
        let status = Command::new(cargo())
            .args([
                "build",
                "--locked",
                "--lib",
                "--package",
                package,
                "--target",
                triple,
                "--profile",
                PROFILE,
            ])
            .env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags(target))
            .env_remove("RUSTFLAGS")
            .current_dir(&self.workspace_root)
            .status()
            .context("cannot run cargo")?;
        if !status.success() {
            bail!("`{package}` does not build for {triple}");
        }
        let file = self
            .target_directory
            .join(triple)
            .join(PROFILE)
            .join(format!("{}.wasm", package.replace('-', "_")));
        std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))
    }

    /// Vector instructions, which the reader's loops are written for; numbers in as few bytes as
    /// they take, where the linker leaves room for larger ones, 40 KB in all; and no path of this
    /// machine in the module, so that the same sources give the same bytes elsewhere.
    fn rust_flags(&self, target: Target) -> OsString {
        let mut flags: Vec<OsString> = vec![
            "-Ctarget-feature=+simd128".into(),
            "-Clink-arg=--compress-relocations".into(),
        ];
        if target == Target::Bare {
            // `wasm-bindgen` asks which instructions the module may use.
            flags.push("-Clink-arg=--keep-section=target_features".into());
        }
        let mut hide = |path: &Path, name: &str| {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(path);
            flag.push(format!("={name}"));
            flags.push(flag);
        };
        hide(&self.workspace_root, "portcullis");
        if let Some(home) = cargo_home() {
            hide(&home, "cargo");
        }
        flags.join(&OsString::from("\u{1f}"))
    }
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo_home() -> Option<PathBuf> {
    let set = env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// Says what to type where the standard library for the target is missing; cargo's own message is a
/// screen of errors.
fn require(target: &str) -> Result<()> {
    let mut print = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    print.args(["--print", "target-libdir", "--target", target]);
    let directory = String::from_utf8(output(&mut print)?).context("rustc printed no path")?;
    if !Path::new(directory.trim()).is_dir() {
        bail!("the target {target} is not installed; type `rustup target add {target}`");
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", name.display()))?;
    if !output.status.success() {
        bail!(
            "`{}` failed: {}",
            name.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}
