//! Annotations that ask something of the gateway.

use std::sync::Arc;

use super::Compiler;
use super::place::Place;
use crate::schema::header_parameters::{HeaderParameter, KEYWORD};
use crate::schema::json::Json;
use crate::schema::violation::echo;

/// Notes the property at `property`, whose schema has these members, as one that clients repeat in
/// a header.
pub(super) fn header_parameter(
    compiler: &mut Compiler<'_>,
    members: &[(String, Json)],
    value: &Json,
    property: &Place<'_>,
) {
    let place = property.member(KEYWORD);
    let Json::String(name) = value else {
        compiler.error(&place, "must be text, the end of a header's name");
        return;
    };
    let Some(path) = property.properties() else {
        compiler.error(
            &place,
            "only a property that `properties` alone lead to can have a header; move it there, or \
             leave it out",
        );
        return;
    };
    if !is_primitive(members) {
        compiler.error(
            &place,
            "only a property of `type` `string`, `integer` or `boolean` can have a header, or \
             clients drop the tool; say so, or leave it out",
        );
        return;
    }
    compiler.parts += path.len();
    if compiler.is_too_large() {
        return;
    }
    let path = path
        .into_iter()
        .map(|name| shared(compiler, name))
        .collect();
    match HeaderParameter::new(path, name) {
        Err(_) => compiler.error(
            &place,
            format!(
                "`{}` cannot be part of a header's name; use letters, digits and `-`",
                echo(name.as_bytes())
            ),
        ),
        Ok(parameter) => {
            let next = compiler.header_parameters.len();
            if compiler.headers.number(&name.to_ascii_lowercase(), next) != next {
                compiler.error(
                    &place,
                    format!(
                        "another property already has the header `{}`, in whatever case; \
                         give this one another",
                        echo(name.as_bytes())
                    ),
                );
            } else {
                compiler.header_parameters.push(parameter);
            }
        }
    }
}

/// The name of a property on the way to one with a header: one copy, however many lead over it.
fn shared(compiler: &mut Compiler<'_>, name: &str) -> Arc<str> {
    let names = &mut compiler.names;
    let number = compiler.numbers_of_names.number(name, names.len());
    let known = names.get(number).map(Arc::clone);
    known.unwrap_or_else(|| {
        let shared: Arc<str> = name.into();
        names.push(Arc::clone(&shared));
        shared
    })
}

/// The types whose values a header can say (2026-07-28, Streamable HTTP, "Custom Headers from Tool
/// Parameters"): not `number`, because clients write the same number in different ways.
fn is_primitive(members: &[(String, Json)]) -> bool {
    let kind = members.iter().find(|(keyword, _)| keyword == "type");
    matches!(
        kind,
        Some((_, Json::String(kind))) if matches!(kind.as_str(), "string" | "integer" | "boolean")
    )
}
