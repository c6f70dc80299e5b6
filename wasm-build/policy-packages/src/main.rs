//! Builds the policy engine for those who embed it: as a WebAssembly component, and as a package
//! for browsers.
//!
//! ```text
//! cargo run -p policy-packages
//! ```
//!
//! writes `policy-engine.wasm`, the folder `browser`, and `manifest.json` with the hashes of both
//! modules, into `<target directory>/policy`. The steps that turn a module into either are
//! libraries, so that nothing is installed by hand
//! (`docs/decisions/0070-the-engine-is-packaged-by-libraries.md`).

mod browser;
mod component;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use wasm_build::compile::{Target, Workspace};
use wasm_build::manifest::{Entry, Manifest};

/// The name of the component, and of the package for browsers.
const NAME: &str = "policy-engine";

/// The folder of the package for browsers.
const BROWSER: &str = "browser";

/// The largest module of either kind, in bytes. A page loads it whole before it can decide; each
/// has about 600 KB, so a dependency that doubles one is noticed, and a new check is not.
const MAX_BYTES: usize = 750_000;

/// Builds the policy engine for embedders.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to write the packages [default: `policy` in the target directory]
    #[arg(long, env = "POLICY_PACKAGES_OUT_DIR")]
    out_dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let workspace = Workspace::find()?;
    let out_dir = arguments
        .out_dir
        .unwrap_or_else(|| workspace.target_directory.join("policy"));

    let module = workspace.build("policy-component", Target::Bare)?;
    let component = component::of(&module).context("`policy-component` makes no component")?;
    let module = workspace.build("policy-browser", Target::Bare)?;
    let browser = browser::write(module, &out_dir.join(BROWSER))
        .context("`policy-browser` makes no package")?;

    let entry = Entry::of(NAME, &component).importing(Vec::new());
    let entry = entry.within(MAX_BYTES).context("the component")?;
    let in_browser = Entry::of(BROWSER, &browser).in_file(format!("{BROWSER}/{NAME}_bg.wasm"));
    let in_browser = in_browser.within(MAX_BYTES).context("the package")?;
    let modules = [(entry, component), (in_browser, browser)];
    Manifest::write(&out_dir, &modules)?.print(&out_dir);
    Ok(())
}
