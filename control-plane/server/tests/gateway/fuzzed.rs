//! Requests made up from the description of the API, right and wrong: none of them may bring the
//! control plane to fail.

use control_plane::rest;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::{ControlPlane, folder};

/// The requests of one run: each operation is met a dozen times.
const REQUESTS: usize = 700;

/// Names as they are in the document, and as nobody would choose them.
const NAMES: &[&str] = &[
    "mcp",
    "data",
    "1",
    "0",
    "18446744073709551615",
    "-1",
    "..",
    "a%2Fb",
    "%00",
    "%C3%A9",
    "%ff",
    "~0~1",
    "tool:x",
    "%20",
    "*",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "mcp",
    "data",
    "127.0.0.1:1",
    "http://127.0.0.1:1/mcp",
    "1s",
    "100%",
    "\u{0}",
    "é\u{202e}",
    "{\"a\":1}",
    "99999999999999999999h",
];

/// Makes up requests, the same from the same seed.
struct Imagination {
    random: fastrand::Rng,
    description: Value,
}

impl Imagination {
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.usize(..choices.len())]
    }

    fn nonsense(&mut self) -> Value {
        let text = self.one_of(TEXTS);
        let choices = [
            Value::Null,
            json!([]),
            json!({}),
            json!([[{"a": null}]]),
            json!(-1),
            json!(1e300),
            json!(u64::MAX),
            json!(true),
            json!(text),
            json!("x".repeat(3000)),
        ];
        choices[self.random.usize(..choices.len())].clone()
    }

    /// A value that fits the schema, but for a part now and then.
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth > 6 || self.random.u8(..100) < 6 {
            return self.nonsense();
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            let schema = self.description["components"]["schemas"][name].clone();
            return self.value(&schema, depth + 1);
        }
        for of in ["oneOf", "anyOf", "enum"] {
            if let Some(choices) = schema[of].as_array() {
                let choice = choices[self.random.usize(..choices.len())].clone();
                return if of == "enum" {
                    choice
                } else {
                    self.value(&choice, depth + 1)
                };
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[self.random.usize(..kinds.len())].clone(),
            kind => kind.clone(),
        };
        match kind.as_str().unwrap_or_default() {
            "object" => self.object(schema, depth),
            "array" => {
                let items = (0..self.random.usize(..3)).map(|_| ());
                let items: Vec<()> = items.collect();
                items
                    .iter()
                    .map(|()| self.value(&schema["items"], depth + 1))
                    .collect()
            }
            "string" => json!(self.one_of(TEXTS)),
            "integer" | "number" => json!(self.one_of(&[0, 1, 7, 1024, 65_536])),
            "boolean" => json!(self.random.bool()),
            "null" => Value::Null,
            _ => self.nonsense(),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        let properties = schema["properties"].as_object().cloned();
        for (name, property) in properties.unwrap_or_default() {
            let is_required = schema["required"]
                .as_array()
                .is_some_and(|required| required.iter().any(|one| *one == name));
            if is_required || self.random.u8(..100) < 40 {
                object.insert(name, self.value(&property, depth + 1));
            }
        }
        if schema["additionalProperties"].is_object() && self.random.bool() {
            let name = self.one_of(TEXTS).to_owned();
            object.insert(name, self.value(&schema["additionalProperties"], depth + 1));
        }
        Value::Object(object)
    }
}

#[tokio::test]
async fn it_fails_at_no_request_that_its_description_allows_or_forbids() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let seed: u64 = std::env::var("FUZZ_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut imagination = Imagination {
        random: fastrand::Rng::with_seed(seed),
        description: rest::description(),
    };
    let operations = crate::described::operations();
    for _ in 0..REQUESTS {
        let (method, template) = operations[imagination.random.usize(..operations.len())].clone();
        if template == "/api/v1/events" {
            // Its answer has no end.
            continue;
        }
        let operation =
            imagination.description["paths"][&template][method.as_str().to_lowercase()].clone();
        let mut path = template.clone();
        while let Some((before, after)) = path.split_once('{') {
            let (_, after) = after.split_once('}').unwrap();
            path = format!("{before}{}{after}", imagination.one_of(NAMES));
        }
        let mut query = Vec::new();
        let mut headers = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap().to_owned();
            let value = imagination.one_of(&["", "1", "0", "true", "x", "%ff", "2026-01-01"]);
            match parameter["in"].as_str().unwrap() {
                "query" if imagination.random.u8(..100) < 30 => {
                    query.push(format!("{name}={value}"));
                }
                "header" if imagination.random.u8(..100) < 20 => headers.push((name, value)),
                _ => {}
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let mut request = control_plane.request(method.clone(), &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let content = operation["requestBody"]["content"].clone();
        if method != Method::GET {
            let schema = &content["application/json"]["schema"];
            let body = imagination.value(schema, 0).to_string();
            let kind = imagination.one_of(&["application/json", "application/yaml"]);
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let kind = answer.headers().get("content-type").cloned();
        let text = answer.text().await.unwrap();
        assert!(
            !status.is_server_error(),
            "{method} {path}: {status} {text}"
        );
        if status.is_client_error() {
            assert_eq!(kind.unwrap(), "application/problem+json", "{method} {path}");
        }
    }
    assert!(control_plane.get("/readyz").await.status.is_success());
}
