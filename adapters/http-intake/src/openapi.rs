//! The document that describes the API. Paths and schemas are made from the handlers; here is what stands around them.

use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, RefOr, Schema};
use utoipa::{OpenApi, ToSchema};

use crate::Options;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "taskwatch",
        description = "Adds, lists, shows and cancels tasks. Errors are application/problem+json (RFC 9457); unknown \
                       fields and parameters are refused."
    ),
    components(schemas(crate::problem::Document))
)]
struct Base;

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(value_type = String)]
    pub(crate) status: &'static str,
}

/// The document without its paths.
pub(crate) fn base(options: &Options) -> Document {
    let mut document = Base::openapi();
    if options.token.is_some() {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_with(Components::new).add_security_scheme("bearer", scheme);
        document.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);
    }
    document
}

/// The document as JSON, with the limit that is configured.
pub(crate) fn text(mut document: Document, page_limit: usize) -> Vec<u8> {
    let list = document.paths.paths.get_mut("/tasks").and_then(|path| path.get.as_mut());
    let parameters = list.into_iter().flat_map(|list| list.parameters.iter_mut().flatten());
    for parameter in parameters {
        if let RefOr::T(parameter) = parameter
            && parameter.name == "limit"
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        {
            schema.maximum = Some(page_limit.into());
        }
    }
    serde_json::to_vec(&document).unwrap_or_default()
}
