//! The keywords of one schema object, read one by one.

use super::place::Place;
use super::{Compiler, Dialect, annotations};
use crate::schema::decimal::{Decimal, Divisor};
use crate::schema::header_parameters;
use crate::schema::json::Json;
use crate::schema::texts::NumberedTexts;
use crate::schema::tree::{
    Additional, Approach, ArrayRules, Bound, Choices, Group, Kinds, Length, More, MultipleOf, Node,
    NodeId, NumberRules, ObjectRules, OnlyChoices, Presence, Property, Side, StringRules, Wanted,
};
use crate::schema::violation::echo;

/// The rules of a schema object, as far as it has been read.
pub(super) struct Draft {
    kinds: Kinds,
    number: NumberRules,
    string: Length,
    items: NodeId,
    array: Length,
    properties: Vec<Property>,
    /// The number of each, by its name.
    by_name: NumberedTexts,
    additional: Additional,
    more: More,
}

impl Draft {
    pub(super) fn read(
        compiler: &mut Compiler<'_>,
        members: &[(String, Json)],
        place: &Place<'_>,
    ) -> Self {
        let mut draft = Self {
            kinds: Kinds::ALL,
            number: NumberRules::default(),
            string: Length::ANY,
            items: NodeId::ANYTHING,
            array: Length::ANY,
            properties: Vec::new(),
            by_name: NumberedTexts::default(),
            additional: Additional::Fits(NodeId::ANYTHING),
            more: More::default(),
        };
        let mut constraining = 0;
        for (keyword, value) in members {
            if keyword == header_parameters::KEYWORD {
                annotations::header_parameter(compiler, members, value, place);
            }
            if !is_annotation(keyword, place) {
                constraining += 1;
                draft.keyword(compiler, keyword, value, &place.member(keyword));
            }
        }
        let hides = compiler.dialect == Dialect::Draft7
            && members.iter().any(|(keyword, _)| keyword == "$ref");
        if hides && constraining > 1 {
            compiler.error(
                place,
                "in draft-07 `$ref` hides the keywords beside it; put them \
                 into an `allOf`, or use 2020-12",
            );
        }
        draft
    }

    fn keyword(
        &mut self,
        compiler: &mut Compiler<'_>,
        keyword: &str,
        value: &Json,
        place: &Place<'_>,
    ) {
        match keyword {
            "type" => self.kinds = kinds(compiler, value, place),
            "enum" => match value {
                Json::Array(choices) if !choices.is_empty() => {
                    self.choices(compiler, value, choices);
                }
                _ => compiler.error(place, "must be a list of values, not empty"),
            },
            "const" => self.choices(compiler, value, std::slice::from_ref(value)),
            "minimum" => self.bound(compiler, Side::AtLeast, value, place),
            "exclusiveMinimum" => self.bound(compiler, Side::Above, value, place),
            "maximum" => self.bound(compiler, Side::AtMost, value, place),
            "exclusiveMaximum" => self.bound(compiler, Side::Below, value, place),
            "multipleOf" => self.multiple_of(compiler, value, place),
            "minLength" => self.string.min = length(compiler, value, place),
            "maxLength" => self.string.max = length(compiler, value, place),
            "minItems" => self.array.min = length(compiler, value, place),
            "maxItems" => self.array.max = length(compiler, value, place),
            "uniqueItems" => match value {
                Json::Bool(false) => {}
                Json::Bool(true) => compiler.error(
                    place,
                    "`uniqueItems: true` is not checked \
                     by this version; leave it out, or set `validate` to `off`",
                ),
                _ => compiler.error(place, "must be `true` or `false`"),
            },
            "items" => match value {
                Json::Array(_) => compiler.error(
                    place,
                    "a schema for each place is not checked \
                     by this version; use one schema for \
                     all items, or set `validate` to `off`",
                ),
                _ => self.items = compiler.node(value, place),
            },
            "properties" => self.properties(compiler, value, place),
            "required" => self.required(compiler, value, place),
            "additionalProperties" => {
                self.additional = match value {
                    Json::Bool(false) => Additional::Refused,
                    _ => Additional::Fits(compiler.node(value, place)),
                }
            }
            "allOf" => self.more.all.extend(compiler.nodes(value, place)),
            "anyOf" => self.group(Wanted::Some, compiler.nodes(value, place)),
            "oneOf" => self.group(Wanted::One, compiler.nodes(value, place)),
            "$ref" => self.more.all.extend(reference(compiler, value, place)),
            _ => compiler.error(
                place,
                format!(
                    "the keyword `{}` is not checked by this version; leave it out, or set \
                     `validate` to `off`",
                    echo(keyword.as_bytes())
                ),
            ),
        }
    }

    /// Notes the values of which one is wanted, all of which are in `value`.
    #[inline(never)]
    fn choices(&mut self, compiler: &mut Compiler<'_>, value: &Json, choices: &[Json]) {
        compiler.parts += value.values();
        if !compiler.is_too_large() {
            self.more.choices.push(Choices::new(choices.to_vec()));
        }
    }

    #[inline(never)]
    fn bound(&mut self, compiler: &mut Compiler<'_>, side: Side, value: &Json, place: &Place<'_>) {
        match value {
            Json::Number(number) => self.number.bounds.push(Bound {
                side,
                value: number.clone(),
                integer: number.to_i64(),
            }),
            _ => compiler.error(place, "must be a number"),
        }
    }

    fn multiple_of(&mut self, compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) {
        match value {
            Json::Number(number) if number.is_positive() => match Divisor::new(number) {
                Some(divisor) => {
                    self.number.multiple_of = Some(MultipleOf {
                        value: number.clone(),
                        divisor,
                    });
                }
                None => compiler.error(
                    place,
                    "more than 18 digits are not checked by this version; use fewer",
                ),
            },
            _ => compiler.error(place, "must be a number above 0"),
        }
    }

    #[inline(never)]
    fn group(&mut self, wanted: Wanted, nodes: Vec<NodeId>) {
        if !nodes.is_empty() {
            self.more.groups.push(Group { wanted, nodes });
        }
    }

    fn properties(&mut self, compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) {
        let Json::Object(members) = value else {
            compiler.error(place, "must be an object of schemas");
            return;
        };
        for (name, schema) in members {
            let node = compiler.node(schema, &place.member(name));
            if compiler.is_too_large() {
                return;
            }
            if let Some(property) = self.property(name) {
                property.node = Some(node);
            }
        }
    }

    fn required(&mut self, compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) {
        let Json::Array(names) = value else {
            compiler.error(place, "must be a list of names");
            return;
        };
        compiler.parts += names.len();
        if compiler.is_too_large() {
            return;
        }
        for (index, name) in names.iter().enumerate() {
            match name {
                Json::String(name) => {
                    if let Some(property) = self.property(name) {
                        property.presence = Presence::Required;
                    }
                }
                _ => compiler.error(&place.item(index), "must be a name"),
            }
        }
    }

    /// The property of that name, which is new or was met before.
    #[inline(never)]
    fn property(&mut self, name: &str) -> Option<&mut Property> {
        let next = self.properties.len();
        let number = self.by_name.number(name, next);
        if number == next {
            self.properties.push(Property {
                name: name.to_owned(),
                node: None,
                presence: Presence::Optional,
            });
        }
        self.properties.get_mut(number)
    }

    pub(super) fn finish(self) -> Node {
        let mut node = Node::with_kinds(self.kinds);
        if !self.number.bounds.is_empty() || self.number.multiple_of.is_some() {
            node.number = Some(Box::new(self.number));
        }
        if self.string != Length::ANY {
            node.string = Some(Box::new(StringRules {
                length: self.string,
            }));
        }
        if self.array != Length::ANY || self.items != NodeId::ANYTHING {
            node.array = Some(Box::new(ArrayRules {
                items: self.items,
                length: self.array,
            }));
        }
        if !self.properties.is_empty() || self.additional != Additional::Fits(NodeId::ANYTHING) {
            node.object = Some(Box::new(ObjectRules::new(
                self.properties,
                &self.by_name.into_numbers(),
                self.additional,
            )));
        }
        if !self.more.is_empty() {
            let only_group = self.more.choices.is_empty()
                && self.more.all.is_empty()
                && self.more.groups.len() == 1;
            if node.is_open() && only_group {
                node.approach = Approach::Choose(OnlyChoices::default());
            }
            node.more = Some(Box::new(self.more));
        }
        node
    }
}

/// Keywords that say nothing about what fits (JSON Schema Validation 2020-12 sections 7 to 9), and
/// where definitions live.
fn is_annotation(keyword: &str, place: &Place<'_>) -> bool {
    match keyword {
        "title" | "description" | "default" | "examples" | "$comment" | "format" | "deprecated"
        | "readOnly" | "writeOnly" | "contentEncoding" | "contentMediaType" => true,
        // Deeper, these would change what the references around them mean.
        "$schema" | "$id" | "$defs" | "definitions" => place.is_root(),
        _ => keyword.starts_with("x-"),
    }
}

#[inline(never)]
fn kinds(compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) -> Kinds {
    let one = |compiler: &mut Compiler<'_>, name: &Json, place: &Place<'_>| {
        let known = match name {
            Json::String(name) => kind(name),
            _ => None,
        };
        known.unwrap_or_else(|| {
            compiler.error(
                place,
                "must be one of `null`, `boolean`, `integer`, `number`, \
                 `string`, `array`, `object`",
            );
            Kinds::NONE
        })
    };
    match value {
        Json::Array(names) if names.is_empty() => {
            compiler.error(place, "must name a type");
            Kinds::NONE
        }
        Json::Array(names) => names
            .iter()
            .enumerate()
            .map(|(index, name)| one(compiler, name, &place.item(index)))
            .fold(Kinds::NONE, Kinds::or),
        name => one(compiler, name, place),
    }
}

fn kind(name: &str) -> Option<Kinds> {
    Some(match name {
        "null" => Kinds::NULL,
        "boolean" => Kinds::BOOLEAN,
        "integer" => Kinds::INTEGER,
        "number" => Kinds::NUMBER,
        "string" => Kinds::STRING,
        "array" => Kinds::ARRAY,
        "object" => Kinds::OBJECT,
        _ => return None,
    })
}

#[inline(never)]
fn length(compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) -> u64 {
    let length = match value {
        Json::Number(number) => Decimal::to_length(number),
        _ => None,
    };
    length.unwrap_or_else(|| {
        compiler.error(place, "must be an integer, 0 or more");
        0
    })
}

#[inline(never)]
fn reference(compiler: &mut Compiler<'_>, value: &Json, place: &Place<'_>) -> Option<NodeId> {
    let Json::String(text) = value else {
        compiler.error(place, "must be text such as `#/$defs/name`");
        return None;
    };
    let found = compiler.referred(&normalised(text));
    if found.is_none() {
        let text = echo(text.as_bytes());
        compiler.error(
            place,
            format!(
                "`{text}` names no definition of this schema; a reference \
                 is `#` or `#/$defs/` and a name"
            ),
        );
    }
    found
}

/// The reference with its percent-escapes (RFC 3986 section 2.1) decoded, its segments escaped as
/// `join` does it.
fn normalised(reference: &str) -> String {
    let mut bytes = Vec::with_capacity(reference.len());
    let mut rest = reference.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let escaped = match behind.split_first_chunk::<2>() {
            Some((digits, behind)) if *byte == b'%' => {
                let digits = std::str::from_utf8(digits)
                    .ok()
                    .filter(|digits| !digits.starts_with('+'));
                digits
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .map(|byte| (byte, behind))
            }
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((*byte, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).unwrap_or_default()
}
