//! What the unit tests of several modules need.

use crate::{
    database::{EmbeddedDatabase, Storage},
    template::Template,
};

/// Returns the template of this repository.
pub fn template() -> Template {
    Template::load("../template.yaml").expect("template.yaml is readable")
}

/// Starts a database with the tables of the template.
pub async fn database(storage: Storage) -> EmbeddedDatabase {
    let database = EmbeddedDatabase::start(storage, 0).await.expect("a database");
    database.create_tables(template().tables()).expect("tables");
    database
}
