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
        aside::run(move || self.parsed()).await
    }

    /// Reads the body into a type of the API.
    ///
    /// # Errors
    /// When it is something else, with the path of the fault.
    pub(super) async fn read<T: DeserializeOwned + Send + 'static>(
        self,
    ) -> Result<Given<T>, Problem> {
        aside::run(move || {
            let value = Value::Object(self.parsed()?);
            serde_path_to_error::deserialize(value)
                .map(Given)
                .map_err(|error| {
                    let path = error.path().to_string();
                    let path = match path.as_str() {
                        "." => String::new(),
                        path => format!("/{}", path.replace('.', "/")),
                    };
                    unfit(path, error.inner().to_string())
                })
        })
        .await
    }

    fn parsed(self) -> Result<Map<String, Value>, Problem> {
        match parse_value(&self.text, self.format).map_err(ChangeError::Malformed)? {
            Value::Object(fields) => Ok(fields),
            _ => Err(unfit(
                String::new(),
                "this is no object; write fields, such as `{name: value}`".to_owned(),
            )),
        }
    }
}

/// For a body that has this one fault.
fn unfit(path: String, reason: String) -> Problem {
    Problem::invalid(vec![FieldError {
        path,
        of: None,
        line: None,
        reason,
    }])
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
