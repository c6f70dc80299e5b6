//! The description of the API (OpenAPI 3.1), made from the handlers, the table of kinds and the
//! document's own schema, so that nothing is written twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Extension;
use serde_json::{Map, Value, json};
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};

use super::dry_run::{DRY_RUN, Trial};
use super::kind_routes::{page_name, schema_name};
use super::problem::Problem;
use super::secret_status::SecretStatus;
use super::server_status::ServerStatus;
use super::shown::{self, Shown};
use crate::gateway::WriteReport;
use crate::sections::{KINDS, Kind, Shape};

/// Marks the schemas that are the document's own, and have their page elsewhere.
pub(super) const OF_DOCUMENT: &str = "x-portcullis-document";

/// Where the schemas of the description are.
const SCHEMAS: &str = "#/components/schemas/";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Portcullis management API", license(name = "Apache-2.0",
        identifier = "Apache-2.0")),
    components(schemas(Problem, Trial, WriteReport, ServerStatus, SecretStatus)),
    tags(
        (name = "document", description = "The gateway document as a whole."),
        (name = "revisions", description = "Every change ever made, and the way back."),
        (name = "audit", description = "Who did what, when, from where and why."),
        (name = "envoys", description = "What Envoys were sent and what they answered."),
        (name = "rollouts", description = "How changes reach Envoys wave by wave."),
        (name = "modules", description = "Filter modules, which documents name by their hashes."),
        (name = "tools", description = "The tools that clients may call, and their policy."),
        (name = "events", description = "What happens, as it happens."),
        (name = "health", description = "The control plane itself."),
        (name = "api", description = "The API itself."),
    )
)]
struct Api;

/// The gateway document, whose schema is the document's own.
pub(super) struct Document;

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("GatewayDocument").into()
    }
}

impl ToSchema for Document {
    fn name() -> std::borrow::Cow<'static, str> {
        "GatewayDocument".into()
    }
}

/// A rule of the document, whose schema is the document's own.
pub(super) struct DocumentRule;

impl PartialSchema for DocumentRule {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name("Rule").into()
    }
}

impl ToSchema for DocumentRule {
    fn name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }
}

/// The description without any route.
pub(super) fn empty() -> OpenApi {
    Api::openapi()
}

/// The whole description, from that of the routes.
pub(super) fn complete(routes: &OpenApi) -> Value {
    let mut description = serde_json::to_value(routes).unwrap_or_default();
    let mut schemas = document_schemas();
    for kind in KINDS {
        add_schemas_of(kind, &mut schemas);
    }
    for schema in schemas.values_mut() {
        schema[OF_DOCUMENT] = Value::Bool(true);
    }
    let tags = KINDS
        .iter()
        .map(|kind| json!({"name": kind.name, "description": kind.about}));
    if let Value::Array(known) = &mut description["tags"] {
        known.extend(tags);
    }
    if let Value::Object(known) = &mut description["components"]["schemas"] {
        known.extend(schemas);
    }
    if let Value::Object(known) = &mut description["components"]["schemas"] {
        show_optional_parts(known);
    }
    let paths = description["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            add_common(path, method, operation);
        }
    }
    description
}

/// The schemas of the document, each under its own name.
fn document_schemas() -> Map<String, Value> {
    let mut schema = serde_json::to_value(gateway_document::json_schema()).unwrap_or_default();
    move_references(&mut schema);
    let mut schemas = Map::new();
    if let Value::Object(root) = &mut schema {
        root.remove("$schema");
        if let Some(Value::Object(definitions)) = root.remove("$defs") {
            schemas.extend(definitions);
        }
    }
    schemas.insert("GatewayDocument".to_owned(), schema);
    schemas
}

/// Lets references lead to where schemas are in this description.
fn move_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => {
                        *text = text.replace("#/$defs/", SCHEMAS);
                    }
                    other => move_references(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(move_references),
        _ => {}
    }
}

/// Says of a change that can be tried by `dry_run` that it may be answered by what it would do.
fn show_trials(operation: &mut Value) {
    let report = json!({"$ref": format!("{SCHEMAS}WriteReport")});
    let trial = json!({"$ref": format!("{SCHEMAS}Trial")});
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    if parameters.any(|parameter| parameter["name"] == DRY_RUN)
        && let Some(schema) =
            operation.pointer_mut("/responses/200/content/application~1json/schema")
        && *schema == report
    {
        *schema = json!({"anyOf": [report, trial]});
    }
}

/// Says of parts whose fields stand among the others, if they are there at all, that none of these
/// fields is required. As derived, the whole would have to be one of nothing and the part.
fn show_optional_parts(schemas: &mut Map<String, Value>) {
    let known = schemas.clone();
    let parts = schemas
        .values_mut()
        .filter_map(|schema| schema.get_mut("allOf"));
    for part in parts.filter_map(Value::as_array_mut).flatten() {
        let Some([nothing, named]) = part["oneOf"].as_array().map(Vec::as_slice) else {
            continue;
        };
        let name = named["$ref"]
            .as_str()
            .and_then(|name| name.strip_prefix(SCHEMAS));
        let Some(schema) = name.and_then(|name| known.get(name)) else {
            continue;
        };
        if nothing["type"] == "null" {
            *part = json!({
                "type": "object",
                "description": named["description"],
                "properties": schema["properties"],
            });
        }
    }
}

/// Adds the schema of one resource of this kind, as far as the document has no such one, and that
/// of a page of them.
fn add_schemas_of(kind: &Kind, schemas: &mut Map<String, Value>) {
    let name = schema_name(kind);
    let definition = schemas.get(kind.definition).cloned().unwrap_or_default();
    match kind.shape {
        Shape::Map => {
            let mut named = definition;
            named["properties"]["name"] = json!({"type": "string",
                "description": "The name of it; in the document it is the key."});
            let status = match kind.name {
                "servers" => Some("ServerStatus"),
                "secrets" => Some("SecretStatus"),
                _ => None,
            };
            if let Some(status) = status {
                named["properties"]["status"] = json!({
                    "readOnly": true, "$ref": format!("{SCHEMAS}{status}"),
                });
            }
            schemas.insert(name.clone(), named);
        }
        Shape::FieldOf(field) => {
            let shown = json!({
                "type": "object",
                "properties": {
                    "name": definition["properties"]["name"],
                    field: definition["properties"][field],
                },
                "required": [field],
                "additionalProperties": false,
            });
            schemas.insert(name.clone(), shown);
        }
        Shape::List => {}
        Shape::Whole => return,
    }
    // In a page each one carries its entity tag, which a document never has.
    let mut listed = schemas.get(&name).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = listed.get_mut("properties") {
        let etag = json!({"type": "string", "readOnly": true,
            "description": "The entity tag of it, as `If-Match` takes it."});
        properties.insert("etag".to_owned(), etag);
    }
    let listed_name = format!("Listed{name}");
    schemas.insert(listed_name.clone(), listed);
    let page = json!({
        "type": "object",
        "description": "A page of them; each has its entity tag in `etag` besides.",
        "properties": {
            "revision": {"type": "integer", "minimum": 0},
            kind.name: {"type": "array", "items": {"$ref": format!("{SCHEMAS}{listed_name}")}},
            "next_cursor": {"type": "string",
                "description": "The cursor of the next page; missing on the last one."},
        },
        "required": ["revision", kind.name],
    });
    schemas.insert(page_name(kind), page);
}

/// Adds what every operation of its method takes and answers.
fn add_common(path: &str, method: &str, operation: &mut Value) {
    operation["responses"]["default"] = json!({
        "description": "Why not, and what to do about it",
        "content": {"application/problem+json": {
            "schema": {"$ref": format!("{SCHEMAS}Problem")},
        }},
    });
    let is_one_of = |ids: &[&str]| ids.iter().any(|id| operation["operationId"] == *id);
    let (is_compared, is_by_content) = (is_one_of(&COMPARED), is_one_of(&BY_CONTENT));
    show_trials(operation);
    let is_change = method != "get" && !QUESTIONS.contains(&path);
    let headers: &[(&str, &str)] = match (is_change, method) {
        (false, _) => &[],
        (true, "post") if is_compared => &[AUTHOR, REASON, IF_MATCH, KEY],
        (true, "post") => &[AUTHOR, REASON, KEY],
        (true, _) if is_by_content => &[AUTHOR, REASON, KEY],
        (true, _) => &[AUTHOR, REASON, IF_MATCH, KEY],
    };
    let Value::Object(operation) = operation else {
        return;
    };
    let parameters = operation
        .entry("parameters")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(parameters) = parameters {
        let known: BTreeSet<String> = parameters
            .iter()
            .filter_map(|parameter| parameter["name"].as_str().map(ToOwned::to_owned))
            .collect();
        for (name, about) in headers {
            if !known.contains(*name) {
                parameters.push(json!({
                    "name": name, "in": "header", "required": false, "description": about,
                    "schema": {"type": "string"},
                }));
            }
        }
    }
}

/// The operations with `POST` that change the document that their author has read.
const COMPARED: [&str; 1] = ["roll_back"];

/// The operations without `POST` on what never changes: its path says which content is meant.
const BY_CONTENT: [&str; 1] = ["delete_modules"];

/// The paths that are sent something and change nothing.
pub(super) const QUESTIONS: [&str; 2] = ["/api/v1/config/validate", "/api/v1/explain"];

const AUTHOR: (&str, &str) = (
    "x-portcullis-author",
    "Who makes the change, for the record; the address if left out",
);
const REASON: (&str, &str) = ("x-portcullis-reason", "Why, for the record");
const IF_MATCH: (&str, &str) = (
    "If-Match",
    "The `ETag` of what was read: if it is another one by now, nothing is changed",
);
const KEY: (&str, &str) = (
    "Idempotency-Key",
    "A name for this request: sent again under it, it is answered as the first time",
);

/// Describes the API (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "get_openapi", tag = "api",
    responses((status = 200, description = "The description", body = Object)))]
pub(super) async fn get(Extension(description): Extension<Arc<Value>>) -> Result<Shown, Problem> {
    shown::aside(move || Shown::json(&description)).await
}
