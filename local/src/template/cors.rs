//! The CORS configuration of the HTTP API.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Resource, intrinsics::Resolver};

/// `CorsConfiguration` of the `AWS::Serverless::HttpApi`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// The origins whose pages may call the API, or `*` for all.
    pub allow_origins: Vec<String>,
    /// The methods that a page may use.
    pub allow_methods: Vec<String>,
    /// The headers that a page may send.
    pub allow_headers: Vec<String>,
    /// The headers of a response that a page may read.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser may remember a preflight response.
    pub max_age: Option<u64>,
}

/// Returns nothing for an API that sets no CORS. Refuses properties whose behaviour the gateway does not have.
pub(super) fn read(resolver: &Resolver, resource: &Resource) -> Result<Option<Cors>> {
    let Resource { properties, place, .. } = resource;
    let Some(configuration) = properties.get("CorsConfiguration") else { return Ok(None) };
    let place = place.at("CorsConfiguration");
    let configuration = configuration.as_object().with_context(|| format!("{place}: a mapping is needed"))?;
    let mut cors = Cors::default();
    for (name, written) in configuration {
        let place = place.at(name);
        let value = resolver.resolve(written, &place)?;
        let list = || list(&value).with_context(|| format!("{place}: {value} is not a list of texts"));
        match name.as_str() {
            "AllowOrigins" => cors.allow_origins = list()?,
            "AllowMethods" => cors.allow_methods = list()?,
            "AllowHeaders" => cors.allow_headers = list()?,
            "ExposeHeaders" => cors.expose_headers = list()?,
            "MaxAge" => {
                let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                cors.max_age =
                    Some(seconds.with_context(|| format!("{place}: {value} is not a whole number"))?);
            }
            _ => bail!("{place}: this property is not supported on this machine"),
        }
    }
    Ok(Some(cors))
}

/// Reads a list, or the text that a parameter of the type `CommaDelimitedList` has as its default.
fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    fn cors(configuration: &str) -> Result<Option<Cors>> {
        let template = format!(
            "Parameters: {{Origins: {{Type: CommaDelimitedList, Default: 'https://a.example, https://b.example'}}}}
Resources: {{Api: {{Type: AWS::Serverless::HttpApi, Properties: {{{configuration}}}}}}}"
        );
        Ok(Template::parse(&template)?.cors().cloned())
    }

    #[test]
    fn a_configuration_is_read_with_the_defaults_of_parameters() {
        let read = cors(
            "CorsConfiguration: {AllowOrigins: !Ref Origins, AllowMethods: [GET, PUT], AllowHeaders: [a], \
             ExposeHeaders: [b], MaxAge: 60}",
        );
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected = Cors {
            allow_origins: owned(&["https://a.example", "https://b.example"]),
            allow_methods: owned(&["GET", "PUT"]),
            allow_headers: owned(&["a"]),
            expose_headers: owned(&["b"]),
            max_age: Some(60),
        };
        assert_eq!(read.expect("a valid template"), Some(expected));
        assert_eq!(cors("").expect("a valid template"), None);
    }

    #[test]
    fn an_unsupported_configuration_is_refused_with_its_place() {
        let place = "Resources.Api.Properties.CorsConfiguration";
        for (configuration, message) in [
            ("AllowCredentials: true", "AllowCredentials: this property is not supported on this machine"),
            ("MaxAge: long", "MaxAge: \"long\" is not a whole number"),
            ("AllowHeaders: 3", "AllowHeaders: 3 is not a list of texts"),
        ] {
            let error = cors(&format!("CorsConfiguration: {{{configuration}}}")).expect_err(configuration);
            assert_eq!(format!("{error:#}"), format!("{place}.{message}"));
        }
    }
}
