//! The programs under test: built as they are deployed, each in a cargo command of its own package.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Executables by their names.
pub type Binaries = BTreeMap<String, PathBuf>;

/// The package with all functions.
const PACKAGE: &str = "movie-bag";

/// How variables begin that are about this package and not about the user's cargo.
const OF_OUR_PACKAGE: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// The folder with `template.yaml`.
#[must_use]
pub fn repository() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

/// Builds every function, and those of `candidates` that are programs of this workspace, and finds their executables.
/// What is up to date is not built again.
pub fn build(candidates: &[&str]) -> Result<Binaries> {
    let mut binaries = cargo_build(&repository().join("Cargo.toml"), PACKAGE, &[])?;
    let manifest = repository().join("bench").join("Cargo.toml");
    for candidate in candidates {
        // One at a time: cargo unifies the features of what it builds together.
        binaries.extend(cargo_build(&manifest, candidate, &[])?);
    }
    Ok(binaries)
}

/// Builds every function into another folder, with link-time optimisation of this kind, and finds their executables.
pub fn build_with(lto: &str, target: &Path) -> Result<Binaries> {
    let target = target.to_str().context("a folder has a name that is not UTF-8")?;
    let variables = [("CARGO_PROFILE_RELEASE_LTO", lto), ("CARGO_TARGET_DIR", target)];
    cargo_build(&repository().join("Cargo.toml"), PACKAGE, &variables)
}

/// Downloads whatever the functions are built of, so that a build does not wait for it.
pub fn fetch() -> Result<()> {
    let manifest = repository().join("Cargo.toml");
    let fetched = cargo().args(["fetch", "--locked", "--manifest-path"]).arg(manifest).status();
    ensure!(
        fetched.context("cargo does not run")?.success(),
        "the functions' dependencies cannot be fetched"
    );
    Ok(())
}

fn cargo() -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    // What `cargo run` tells this process of its own package. Some build scripts look at it, so that everything would
    // be built again whenever somebody builds the functions by hand.
    for (name, _) in std::env::vars_os() {
        if OF_OUR_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

fn cargo_build(manifest: &Path, package: &str, variables: &[(&str, &str)]) -> Result<Binaries> {
    let built = cargo()
        .args(["build", "--release", "--locked", "--bins", "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .args(["--package", package])
        .envs(variables.iter().copied())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not run")?;
    ensure!(built.status.success(), "{package} cannot be built");
    let messages = built.stdout.split(|byte| *byte == b'\n');
    let executables = messages.filter_map(|message| {
        let message: Value = serde_json::from_slice(message).ok()?;
        Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.into()))
    });
    Ok(executables.collect())
}

/// Copies programs into a folder, as Lambda unpacks them: a linker writes here and there in a file, and the kernel keeps
/// the pages of such a file in smaller pieces, which take longer to bring in.
pub fn unpack(binaries: &Binaries, folder: &Path) -> Result<Binaries> {
    let copies = binaries.iter().map(|(name, binary)| {
        let copy = folder.join(name);
        std::fs::copy(binary, &copy).with_context(|| format!("cannot copy {}", binary.display()))?;
        Ok((name.clone(), copy))
    });
    copies.collect()
}

/// How big a program is.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Size {
    /// The executable, stripped.
    pub binary_bytes: u64,
    /// What is uploaded: the executable as `bootstrap` in a ZIP file, deflated at the usual level, as cargo-lambda and
    /// SAM do it.
    pub zip_bytes: u64,
}

/// Measures an executable.
pub fn size(binary: &Path) -> Result<Size> {
    let content = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(
        "bootstrap",
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
    )?;
    zip.write_all(&content)?;
    let zipped = zip.finish()?.into_inner();
    Ok(Size { binary_bytes: content.len() as u64, zip_bytes: zipped.len() as u64 })
}
