//! Reads the body of a request: text in one of the formats of a document.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use gateway_document::{Format, is_blank, parse_value};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{FieldError, Problem};
use crate::aside;
use crate::gateway::ChangeError;

/// A body and its format.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) format: Format,
}

/// A body that was read into a type of the API.
pub(super) struct Given<T>(pub(super) T);

impl Written {
    /// Reads the body as an object.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) async fn object(self) -> Result<Map<String, Value>, Problem> {
        let read = aside::run(move || parse_value(&self.text, self.format)).await;
        match read.map_err(ChangeError::Malformed)? {
            Value::Object(fields) => Ok(fields),
            _ => Err(Problem::invalid(vec![FieldError {
                path: String::new(),
                of: None,
                line: None,
                reason: "this is no object; write fields, such as `{name: value}`".to_owned(),
            }])),
        }
    }

    /// Reads the body into a type of the API.
    ///
    /// # Errors
    /// When it is something else, with the path of the fault.
    pub(super) async fn read<T: DeserializeOwned>(self) -> Result<Given<T>, Problem> {
        let value = Value::Object(self.object().await?);
        serde_path_to_error::deserialize(value)
            .map(Given)
            .map_err(|error| {
                let path = error.path().to_string();
                let path = match path.as_str() {
                    "." => String::new(),
                    path => format!("/{}", path.replace('.', "/")),
                };
                Problem::invalid(vec![FieldError {
                    path,
                    of: None,
                    line: None,
                    reason: error.inner().to_string(),
                }])
            })
    }
}

impl<S: Send + Sync> FromRequest<S> for Written {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let format = match essence.as_str() {
            "application/json" => Format::Json,
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Format::Yaml,
            _ => {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "urn:portcullis:media-type",
                    "the format is not one that is read",
                    "say `Content-Type: application/json` or `Content-Type: application/yaml`",
                ));
            }
        };
        let bytes = Bytes::from_request(request, state)
            .await
            // It is whole already; the outermost layer has read it.
            .map_err(|_| Problem::bad_request("the body broke off; send it again"))?;
        match String::from_utf8(bytes.into()) {
            // A pipe whose first program failed sends nothing; nobody means to leave all out.
            Ok(text) if is_blank(&text) => Err(Problem::bad_request(
                "nothing was sent but blanks; write what is meant, or `{}` to leave everything out",
            )),
            Ok(text) => Ok(Self { text, format }),
            Err(_) => Err(Problem::bad_request(
                "the body is not UTF-8; write it in UTF-8",
            )),
        }
    }
}
