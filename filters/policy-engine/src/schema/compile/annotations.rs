//! Annotations that ask something of the gateway.

use super::Compiler;
use crate::compile_error::join;
use crate::schema::header_parameters::{HeaderParameter, KEYWORD, properties_to};
use crate::schema::json::Json;
use crate::schema::violation::echo;

/// Notes the property at `pointer`, whose schema has these members, as one that clients repeat in a
/// header.
pub(super) fn header_parameter(
    compiler: &mut Compiler<'_>,
    members: &[(String, Json)],
    value: &Json,
    pointer: &str,
) {
    let place = join(pointer, KEYWORD);
    let Json::String(name) = value else {
        compiler.error(&place, "must be text, the end of a header's name");
        return;
    };
    let Some(path) = properties_to(pointer) else {
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
    match HeaderParameter::new(path, name) {
        Err(_) => compiler.error(
            &place,
            format!(
                "`{}` cannot be part of a header's name; use letters, digits and `-`",
                echo(name.as_bytes())
            ),
        ),
        Ok(parameter) => {
            let is_taken = |other: &HeaderParameter| other.is_named(name.as_bytes());
            if compiler.header_parameters.iter().any(is_taken) {
                compiler.error(
                    &place,
                    format!(
                        "another property already has the header `{name}`, in whatever case; \
                         give this one another"
                    ),
                );
            } else {
                compiler.header_parameters.push(parameter);
            }
        }
    }
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
