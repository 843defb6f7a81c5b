//! Claims what only one instance can have: its ports, the data and the environment file. They are checked together before
//! anything is built or started.

use std::{
    fs::{File, TryLockError},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::database::{self, Storage};

/// What an instance needs for itself.
pub struct Claims<'a> {
    /// The port of the HTTP API, if it is served.
    pub api_port: Option<u16>,
    /// The port of the database; 0 chooses a free port.
    pub database_port: u16,
    /// Where the data is stored.
    pub storage: &'a Storage,
    /// The file of the functions' environment variables.
    pub env_file: &'a Path,
}

impl Claims<'_> {
    /// Returns the lock of the environment file: as long as it is held, no other instance changes the file. The error lists
    /// everything that another process has, each with the option that helps. Ports and data are free again when this
    /// returns.
    pub fn check(&self) -> Result<File> {
        let listen = |name: &str, port: u16| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .with_context(|| format!("the {name} cannot listen on 127.0.0.1:{port}"))
        };
        // Listening on both at once also finds that both are the same.
        let api = self.api_port.map(|port| listen("API", port));
        let database = listen("database", self.database_port);
        let data = match self.storage {
            Storage::Memory => Ok(None),
            Storage::Directory(directory) => database::lock(directory).map(Some),
        };
        let environment = lock(self.env_file);
        let problems = [
            (api.and_then(Result::err), "choose another port with --port"),
            (database.err(), "choose another port with --database-port; 0 chooses a free one"),
            (data.err(), "keep the data in memory with --in-memory"),
            (
                environment.as_ref().err().map(|error| anyhow!("{error:#}")),
                "choose another file with --env-file",
            ),
        ];
        let problems = problems.into_iter().filter_map(|(error, advice)| Some((error?, advice)));
        let lines: Vec<_> = problems.map(|(error, advice)| format!("\n- {error:#}:\n  {advice}")).collect();
        if !lines.is_empty() {
            bail!("cannot start:{}", lines.concat());
        }
        environment
    }
}

/// Locks an environment file by a file beside it, because the file itself is replaced when it changes. The system unlocks it
/// when the process ends.
fn lock(env_file: &Path) -> Result<File> {
    let mut path = env_file.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let place = env_file.display();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{place} is in use by another `cargo local`"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {place}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_taken_is_listed_with_an_option() {
        let folder = tempfile::tempdir().expect("a folder");
        let (storage, env_file) =
            (Storage::Directory(folder.path().join(".local")), folder.path().join(".env"));
        let claims = Claims { api_port: None, database_port: 0, storage: &storage, env_file: &env_file };
        let held = claims.check().expect("everything is free");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let _data = database::lock(&folder.path().join(".local")).expect("the data is free again");
        let all = Claims { api_port: Some(port), database_port: port, ..claims };
        let error = format!("{:#}", all.check().expect_err("everything is taken"));
        let place = folder.path().display();
        let expected = format!(
            "cannot start:
- the API cannot listen on 127.0.0.1:{port}: Address already in use (os error 98):
  choose another port with --port
- the database cannot listen on 127.0.0.1:{port}: Address already in use (os error 98):
  choose another port with --database-port; 0 chooses a free one
- {place}/.local is in use by another process:
  keep the data in memory with --in-memory
- {place}/.env is in use by another `cargo local`:
  choose another file with --env-file"
        );
        assert_eq!(error.replace("os error 48", "os error 98"), expected);
        drop(held);
        let memory = Claims { api_port: None, storage: &Storage::Memory, database_port: 0, ..all };
        memory.check().expect("a lock ends with its holder");
    }

    #[test]
    fn one_port_for_both_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.expect("a free port").port();
        let env_file = folder.path().join("missing/.env");
        let claims = Claims {
            api_port: Some(port),
            database_port: port,
            storage: &Storage::Memory,
            env_file: &env_file,
        };
        let error = format!("{:#}", claims.check().expect_err("one port"));
        assert!(!error.contains("the API") && error.contains("the database cannot listen"), "{error}");
        let folder = format!("{}.lock cannot be written: No such file", env_file.display());
        assert!(error.contains(&folder), "{error}");
    }
}
