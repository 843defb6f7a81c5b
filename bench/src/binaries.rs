//! The programs under test, each built as it is deployed, in a cargo command for its own package.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Executables by their names.
pub type Binaries = BTreeMap<String, PathBuf>;

/// The prefixes of the variables by which `cargo run` describes the package that it runs.
const OF_THIS_PACKAGE: [&str; 4] = ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// Returns the folder with `template.yaml`.
pub fn repository() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

/// Builds every function and these candidates, and finds their executables. Does not rebuild what is up to date.
pub fn build(candidates: &[&str]) -> Result<Binaries> {
    let mut binaries = cargo_build(&repository().join("Cargo.toml"), "movie-bag")?;
    let manifest = repository().join("bench").join("Cargo.toml");
    for candidate in candidates {
        // One at a time, because cargo unifies the features of packages that it builds together.
        binaries.extend(cargo_build(&manifest, candidate)?);
    }
    Ok(binaries)
}

fn cargo_build(manifest: &Path, package: &str) -> Result<Binaries> {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    // Some build scripts depend on these variables, so with them the next build by hand would rebuild everything.
    for (name, _) in std::env::vars_os() {
        if OF_THIS_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let built = command
        .args(["build", "--release", "--locked", "--bins", "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .args(["--package", package])
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

/// Copies programs into a folder, as Lambda unpacks them. A linker writes all over a file, and the kernel keeps such a
/// file in smaller pieces of memory, which take longer to map.
pub fn unpack(binaries: &Binaries, folder: &Path) -> Result<Binaries> {
    let copies = binaries.iter().map(|(name, binary)| {
        let copy = folder.join(name);
        std::fs::copy(binary, &copy).with_context(|| format!("cannot copy {}", binary.display()))?;
        Ok((name.clone(), copy))
    });
    copies.collect()
}

/// The size of a program.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The stripped executable.
    pub binary_bytes: u64,
    /// The upload: `bootstrap` in a ZIP file, deflated at the default level as cargo-lambda and SAM do.
    pub zip_bytes: u64,
}

/// Measures the size of an executable.
pub fn size(binary: &Path) -> Result<Size> {
    let content = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&content)?;
    let zipped = zip.finish()?.into_inner();
    Ok(Size { binary_bytes: content.len() as u64, zip_bytes: zipped.len() as u64 })
}
