//! Rebuilds when a migration is added, which no source file mentions.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
