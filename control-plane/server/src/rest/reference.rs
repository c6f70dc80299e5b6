//! The description of the API in words: as a page for browsers, and as the page of the
//! documentation.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::Extension;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::openapi::OF_DOCUMENT;
use super::problem::Problem;
use super::shown::{self, Shown};

/// One operation, in words.
struct Operation {
    tag: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    /// Where each parameter is, what it is called, whether it must be there, and what it means.
    parameters: Vec<Parameter>,
    /// The name of the schema of the body, if it takes one.
    body: Option<String>,
    /// The status, the meaning and the name of the schema of each answer but errors.
    answers: Vec<(String, String, String)>,
}

struct Parameter {
    place: String,
    name: String,
    is_required: bool,
    meaning: String,
}

/// A schema: its name, its meaning, and its fields with their types and meanings.
struct Fields {
    name: String,
    meaning: String,
    fields: Vec<(String, String, String)>,
}

/// Shows the API on a page that fetches nothing from anywhere.
#[utoipa::path(get, path = "/docs", operation_id = "get_docs", tag = "api",
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(super) async fn get(
    Extension(description): Extension<Arc<Value>>,
) -> Result<Response, Problem> {
    let work = move || Ok(Shown::text("text/html; charset=utf-8", page(&description)));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    Ok((
        [(CONTENT_SECURITY_POLICY, policy)],
        shown::aside(work).await?,
    )
        .into_response())
}

/// The page of the documentation, in Markdown.
pub(super) fn markdown(description: &Value) -> String {
    let mut text = String::from(INTRODUCTION);
    for (tag, about, operations) in groups(description) {
        let _ = write!(text, "\n## {}\n", titled(&tag));
        paragraph(&mut text, &about);
        for operation in operations {
            let _ = write!(text, "\n### `{} {}`\n", operation.method, operation.path);
            paragraph(&mut text, &operation.summary);
            paragraph(&mut text, &operation.description);
            if !operation.parameters.is_empty() {
                text.push_str("\n| parameter | in | required | meaning |\n|---|---|---|---|\n");
            }
            for parameter in &operation.parameters {
                let required = if parameter.is_required { "yes" } else { "" };
                let (name, place) = (&parameter.name, &parameter.place);
                let meaning = cell(&parameter.meaning);
                let _ = writeln!(text, "| `{name}` | {place} | {required} | {meaning} |");
            }
            if let Some(body) = &operation.body {
                paragraph(&mut text, &format!("Takes {body}."));
            }
            for (status, meaning, schema) in &operation.answers {
                paragraph(
                    &mut text,
                    &format!("Answers {status} with {schema}: {meaning}."),
                );
            }
        }
    }
    text.push_str("\n## Schemas\n");
    for schema in schemas(description) {
        let _ = write!(text, "\n### {}\n", schema.name);
        paragraph(&mut text, &schema.meaning);
        if !schema.fields.is_empty() {
            text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        }
        for (name, kind, meaning) in &schema.fields {
            let _ = writeln!(text, "| `{name}` | {} | {} |", cell(kind), cell(meaning));
        }
    }
    text
}

const INTRODUCTION: &str = "\
# The management API of the control plane

This page is written from the description that the control plane itself gives at
`/api/v1/openapi.json`; `/docs` shows the same in a browser. A test fails while the two differ: run
`make reference`, and do not change this page.

Errors are problem documents (RFC 9457, `application/problem+json`) that say what to do; each fault
of what was sent comes with its JSON Pointer. Parameters that are not listed here are refused.
Everything that `GET` shows can be sent back by `PUT`. Answers have an `ETag`: send it in `If-Match`
with a change, and 412 says who changed what meanwhile; 409 says what the change does not fit. A
change with an `Idempotency-Key` can be sent again safely for a day: what was done is not done
again, and answered as the first time, or by 409 where that answer has made room for later ones;
what was not done is tried anew. Lists come in pages: `limit`, and `cursor` with the `next_cursor`
of the page before. A change may say who makes it and why in `x-portcullis-author` and
`x-portcullis-reason`. Answers that wait for their clients may have 128 MiB together, of each its
first 64 KiB not counted: beyond that a question is answered by 503 with `Retry-After`, and a change
that was made by 500 (`urn:portcullis:answer-left-out`), which says so. Where 32 changes, trials or
questions about revisions wait already, the next one is answered by 503, too, and nothing was done.

The schemas of the document and of its resources are those of `GET /api/v1/config/schema`.
";

fn page(description: &Value) -> String {
    let mut text = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Portcullis management API</title><style>\
         body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         code{font:14px ui-monospace,monospace}table{border-collapse:collapse}\
         td,th{border:1px solid #999;padding:.2rem .5rem;text-align:left;vertical-align:top}\
         </style></head><body><h1>Portcullis management API</h1>\
         <p><a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a></p><nav><ul>",
    );
    let groups = groups(description);
    for (tag, _, _) in &groups {
        let (id, title) = (html(tag), html(&titled(tag)));
        let _ = write!(text, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    text.push_str("<li><a href=\"#schemas\">Schemas</a></li></ul></nav>");
    for (tag, about, operations) in &groups {
        let (id, title, about) = (html(tag), html(&titled(tag)), html(about));
        let _ = write!(text, "<h2 id=\"{id}\">{title}</h2><p>{about}</p>");
        for operation in operations {
            let line = html(&format!("{} {}", operation.method, operation.path));
            let _ = write!(
                text,
                "<h3><code>{line}</code></h3><p>{}</p><p>{}</p>",
                html(&operation.summary),
                html(&operation.description)
            );
            if !operation.parameters.is_empty() {
                text.push_str("<table><tr><th>parameter<th>in<th>meaning</tr>");
                for parameter in &operation.parameters {
                    let _ = write!(
                        text,
                        "<tr><td><code>{}</code>{}<td>{}<td>{}</tr>",
                        html(&parameter.name),
                        if parameter.is_required { " *" } else { "" },
                        html(&parameter.place),
                        html(&parameter.meaning)
                    );
                }
                text.push_str("</table>");
            }
            if let Some(body) = &operation.body {
                let _ = write!(text, "<p>Takes {}.</p>", html(body));
            }
            for (status, meaning, schema) in &operation.answers {
                let line = html(&format!("{status}: {meaning} ({schema})"));
                let _ = write!(text, "<p>{line}</p>");
            }
        }
    }
    text.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for schema in schemas(description) {
        let (name, meaning) = (html(&schema.name), html(&schema.meaning));
        let _ = write!(text, "<h3 id=\"{name}\">{name}</h3><p>{meaning}</p><table>");
        for (name, kind, meaning) in &schema.fields {
            let (name, kind, meaning) = (html(name), html(kind), html(meaning));
            let _ = write!(
                text,
                "<tr><td><code>{name}</code><td>{kind}<td>{meaning}</tr>"
            );
        }
        text.push_str("</table>");
    }
    text.push_str("</body></html>");
    text
}

/// The operations by tag, in the order in which the description has the tags.
fn groups(description: &Value) -> Vec<(String, String, Vec<Operation>)> {
    let mut groups: Vec<(String, String, Vec<Operation>)> = items(&description["tags"])
        .map(|tag| (text(&tag["name"]), text(&tag["description"]), Vec::new()))
        .collect();
    for (path, item) in fields(&description["paths"]) {
        for (method, operation) in fields(item) {
            let operation = operation_in_words(path, method, operation);
            match groups.iter_mut().find(|(tag, _, _)| *tag == operation.tag) {
                Some((_, _, operations)) => operations.push(operation),
                None => groups.push((operation.tag.clone(), String::new(), vec![operation])),
            }
        }
    }
    groups.retain(|(_, _, operations)| !operations.is_empty());
    groups
}

fn operation_in_words(path: &str, method: &str, operation: &Value) -> Operation {
    let parameters = items(&operation["parameters"]).map(|parameter| Parameter {
        place: text(&parameter["in"]),
        name: text(&parameter["name"]),
        is_required: parameter["required"] == true,
        meaning: text(&parameter["description"]),
    });
    let answers = fields(&operation["responses"])
        .filter(|(status, _)| *status != "default")
        .map(|(status, answer)| {
            let schema = content_type(&answer["content"]).unwrap_or_else(|| "nothing".to_owned());
            (status.clone(), text(&answer["description"]), schema)
        });
    Operation {
        tag: text(&operation["tags"][0]),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        parameters: parameters.collect(),
        body: content_type(&operation["requestBody"]["content"]),
        answers: answers.collect(),
    }
}

/// The type of a body, in words: its schema, or else its media type.
fn content_type(content: &Value) -> Option<String> {
    let (media_type, content) = fields(content).next()?;
    let schema = &content["schema"];
    Some(match media_type.as_str() {
        "application/json" => type_in_words(schema),
        other => format!("`{other}`"),
    })
}

fn schemas(description: &Value) -> Vec<Fields> {
    let schemas = fields(&description["components"]["schemas"]);
    schemas
        .filter(|(_, schema)| schema[OF_DOCUMENT] != true)
        .map(|(name, schema)| Fields {
            name: name.clone(),
            meaning: text(&schema["description"]),
            fields: fields_in_words(schema),
        })
        .collect()
}

fn fields_in_words(schema: &Value) -> Vec<(String, String, String)> {
    let inherited = items(&schema["allOf"]).flat_map(fields_in_words);
    let own = fields(&schema["properties"]).map(|(name, field)| {
        let meaning = text(&field["description"]);
        (name.clone(), type_in_words(field), meaning)
    });
    inherited.chain(own).collect()
}

/// The type of a schema, in words.
fn type_in_words(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return format!("`{}`", reference.rsplit('/').next().unwrap_or(reference));
    }
    for of in ["oneOf", "anyOf", "allOf"] {
        if schema[of].is_array() {
            let types: Vec<String> = items(&schema[of]).map(type_in_words).collect();
            return types.join(" or ");
        }
    }
    if schema["enum"].is_array() {
        let values: Vec<String> = items(&schema["enum"])
            .map(|value| format!("`{}`", text(value)))
            .collect();
        return values.join(", ");
    }
    if schema["const"].is_string() {
        return format!("`{}`", text(&schema["const"]));
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => {
            format!("list of {}", type_in_words(&schema["items"]))
        }
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any value".to_owned(),
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

fn titled(tag: &str) -> String {
    let mut letters = tag.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A text as a cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// Adds a paragraph whose lines end by column 100.
fn paragraph(text: &mut String, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column == 0 {
            text.push('\n');
        } else if column + 1 + width > 100 {
            text.push('\n');
            column = 0;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    if column > 0 {
        text.push('\n');
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
