//! What the unit tests of several modules need.

use crate::template::Template;

/// Returns the template of this repository.
pub fn template() -> Template {
    Template::load("../template.yaml").expect("template.yaml is readable")
}
