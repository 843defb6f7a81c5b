//! The system that the functions under test run in: the template's tables in the embedded database, behind TLS.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use local::{
    database::{EmbeddedDatabase, Storage},
    gateway::{Gateway, HttpRequest},
    template::Template,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binaries::{self, Binaries},
    process::Instance,
    subject::Subject,
    tls::{Authority, TlsFront},
    trust,
};

/// The key that tokens are signed with. It signs nothing outside a run.
const TOKEN_KEY: &str = "a key for measurements alone, which is long enough";

/// A running system without data.
pub struct System {
    /// The tables, for measurements that fill them directly.
    pub database: EmbeddedDatabase,
    front: TlsFront,
    site: Arc<Site>,
}

/// What several systems share.
struct Site {
    template: Template,
    gateway: Gateway,
    authority: Authority,
    binaries: Binaries,
    /// Holds the binaries and the certificates.
    folder: TempDir,
}

impl System {
    /// Starts the database in memory and TLS in front of it.
    pub async fn start(template: Template, binaries: &Binaries) -> Result<Self> {
        let authority = Authority::new()?;
        let folder = tempfile::tempdir()?;
        trust::write(folder.path(), &authority.root)?;
        let binaries = binaries::unpack(binaries, folder.path())?;
        let gateway = Gateway::new(&template);
        let site = Site { template, gateway, authority, binaries, folder };
        Self::at(Arc::new(site), Storage::Memory).await
    }

    /// Starts another system of the same functions, with data of its own.
    pub async fn beside(&self, storage: Storage) -> Result<Self> {
        Self::at(Arc::clone(&self.site), storage).await
    }

    async fn at(site: Arc<Site>, storage: Storage) -> Result<Self> {
        let database = EmbeddedDatabase::start(storage, 0).await?;
        database.create_tables(site.template.tables())?;
        let front = TlsFront::start(&site.authority, database.port()).await?;
        Ok(Self { database, front, site })
    }

    /// Returns the template of this system.
    pub fn template(&self) -> &Template {
        &self.site.template
    }

    /// Returns the number of requests that the functions have made of the database so far.
    pub fn requests(&self) -> u64 {
        self.front.requests()
    }

    /// Delays every further request of the functions by this many milliseconds; concurrent ones at the same time.
    pub fn set_distance(&self, milliseconds: u32) {
        self.front.set_delay(Duration::from_millis(milliseconds.into()));
    }

    /// Returns the name of a table by its name in the template.
    pub fn table(&self, logical_id: &str) -> Result<&str> {
        let table = self.site.template.tables().iter().find(|table| table.logical_id == logical_id);
        Ok(&table.with_context(|| format!("there is no {logical_id}"))?.name)
    }

    /// Returns the event that API Gateway makes of a request.
    pub fn event(&self, request: &HttpRequest) -> Result<Value> {
        let event = self.site.gateway.event(request);
        Ok(event.with_context(|| format!("no route to {}", request.path()))?.1)
    }

    /// Starts a process of a subject, with these variables in addition to those of the template.
    pub async fn launch(&self, subject: &Subject, more: &[(String, String)]) -> Result<Instance> {
        let Subject { program, operation, .. } = subject;
        let function = self.site.template.function(operation).context("no such operation")?;
        let trusted = self.site.folder.path().join(subject.trust()).display().to_string();
        let mut environment = vec![
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.front.endpoint()),
            ("SSL_CERT_FILE".to_owned(), trusted),
        ];
        for (name, value) in &function.environment {
            let value =
                if name == "BCRYPT_COST" { subject.cost.to_string() } else { self.value(name, value)? };
            environment.push((name.clone(), value));
        }
        environment.extend_from_slice(more);
        let binary = self.site.binaries.get(program).with_context(|| format!("{program} was not built"))?;
        Instance::start(program, binary, &environment, function.memory_megabytes).await
    }

    /// Returns the value of a variable of the template in this system.
    fn value(&self, name: &str, written: &Value) -> Result<String> {
        let value = match name {
            _ if name.ends_with("_TABLE") => self.table(written["Ref"].as_str().unwrap_or_default())?,
            "JWT_SECRET_KEY" => TOKEN_KEY,
            // Without a value, no previous key is accepted, the ceiling is the cost, and mails have no link.
            "JWT_PREVIOUS_SECRET_KEY" | "BCRYPT_COST_CEILING" | "PASSWORD_RESET_URL" => "",
            "STAGE" | "RELEASE" => "bench",
            "MAIL_FROM" => local::template::MAIL_FROM,
            // One user adds all movies.
            "MOVIES_PER_USER" => "1000000",
            _ => written.as_str().with_context(|| {
                format!("template.yaml sets {name}, which the benchmark does not know: add it to bench/src/system.rs")
            })?,
        };
        Ok(value.to_owned())
    }
}
