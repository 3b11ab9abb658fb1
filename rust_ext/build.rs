//! Hashes the sources into `SOURCE_HASH`, so that a build that is older than its sources shows.
use sha2::{Digest, Sha256};
use std::{fs, path::PathBuf};

fn main() {
    let mut files: Vec<PathBuf> = fs::read_dir("src")
        .expect("src is beside build.rs")
        .map(|entry| entry.expect("src can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .chain(["Cargo.toml", "Cargo.lock"].map(PathBuf::from))
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        hash.update(file.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(fs::read(file).expect("a source can be read"));
        hash.update([0]);
    }
    println!("cargo:rerun-if-changed=src");
    let hex: String = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    println!("cargo:rustc-env=SOURCE_HASH={hex}");
}
