//! What the functions under test stand in: the template's tables in the embedded database, behind TLS.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use local::{
    database::{EmbeddedDatabase, Storage},
    gateway::{Gateway, HttpRequest},
    template::Template,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    binaries::{self, Binaries, repository},
    process::{Instance, Launch},
    quota::Group,
    subject::Subject,
    tls::{Authority, TlsFront},
    trust::TrustFiles,
};

/// The key that tokens are signed with. It signs nothing outside a run.
const TOKEN_KEY: &str = "a key for measurements alone, which is long enough";

/// A running system without data.
pub struct System {
    /// The tables, for those who fill them behind the functions' backs.
    pub database: EmbeddedDatabase,
    front: TlsFront,
    site: Arc<Site>,
}

/// What several systems can share.
struct Site {
    template: Template,
    gateway: Gateway,
    authority: Authority,
    trust: TrustFiles,
    binaries: Binaries,
    _folder: TempDir,
}

impl System {
    /// Starts the database in memory and TLS in front of it.
    pub async fn start(template: Template, binaries: Binaries) -> Result<Self> {
        let authority = Authority::new()?;
        let folder = tempfile::tempdir()?;
        let trust = TrustFiles::write(folder.path(), authority.root())?;
        let binaries = binaries::unpack(&binaries, folder.path())?;
        let gateway = Gateway::new(&template);
        let site = Site { template, gateway, authority, trust, binaries, _folder: folder };
        Self::at(Arc::new(site), Storage::Memory).await
    }

    /// Starts another one of the same functions, with data of its own.
    pub async fn beside(&self, storage: Storage) -> Result<Self> {
        Self::at(Arc::clone(&self.site), storage).await
    }

    async fn at(site: Arc<Site>, storage: Storage) -> Result<Self> {
        let database = EmbeddedDatabase::start(storage, 0).await?;
        database.create_tables(site.template.tables())?;
        let front = TlsFront::start(&site.authority, database.port()).await?;
        Ok(Self { database, front, site })
    }

    /// The template that all this is of.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.site.template
    }

    /// How many requests the functions have made of the database so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.front.requests()
    }

    /// The template that the tables and routes are of.
    pub fn load_template() -> Result<Template> {
        Template::load(repository().join("template.yaml"))
    }

    /// The name of the table that this variable of an operation holds, such as `MOVIES_TABLE`.
    pub fn table(&self, operation: &str, variable: &str) -> Result<String> {
        let function = self.site.template.function(operation).context("no such operation")?;
        let value = function.environment.get(variable).context("no such variable")?;
        self.value(variable, value)
    }

    /// The event that API Gateway makes of a request.
    pub fn event(&self, request: &HttpRequest) -> Result<Value> {
        let event = self.site.gateway.event(request);
        Ok(event.with_context(|| format!("no route to {}", request.path()))?.1)
    }

    /// Starts a process of a subject, with these variables on top of those that the template gives its operation.
    pub async fn launch(
        &self,
        subject: &Subject,
        more: &[(String, String)],
        group: Option<&Group>,
    ) -> Result<Instance> {
        let Subject { program, operation, .. } = subject;
        let function = self.site.template.function(operation).context("no such operation")?;
        let trusted = self.site.trust.path(subject.trust()).display().to_string();
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
        let launch = Launch {
            name: program,
            binary,
            environment: &environment,
            memory_megabytes: function.memory_megabytes,
            group,
        };
        Instance::start(&launch).await
    }

    /// What a variable of the template holds here.
    fn value(&self, name: &str, written: &Value) -> Result<String> {
        let table = self.site.template.tables().iter().find(|table| written["Ref"] == *table.logical_id);
        if let Some(table) = table {
            return Ok(table.name.clone());
        }
        let value = match name {
            "JWT_SECRET_KEY" => TOKEN_KEY,
            "JWT_PREVIOUS_SECRET_KEY" => "",
            "STAGE" | "RELEASE" => "bench",
            // One user makes all the data.
            "MOVIES_PER_USER" => "1000000",
            _ => {
                return written.as_str().map(str::to_owned).with_context(|| {
                    format!("template.yaml gives a function {name}, which the benchmark does not know")
                });
            }
        };
        Ok(value.to_owned())
    }
}
