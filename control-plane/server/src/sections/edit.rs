//! Changes of one resource, as changes of the document that it is a part of.

use serde_json::{Map, Value};

use super::{Kind, SectionError, Shape, content_of, name_of, position, tag_of};

/// A change of one resource.
#[derive(Debug, Clone)]
pub struct SectionEdit {
    /// The kind of the resource.
    pub kind: &'static Kind,
    /// The name of the resource; empty where the section is one resource.
    pub name: String,
    /// The fate of the resource.
    pub change: SectionChange,
    /// The tags of the contents that the author has read, if they said so: any other content is not
    /// changed. An empty list stands for any content, but some.
    pub read: Option<Vec<String>>,
}

/// The fate of a resource that is changed.
#[derive(Debug, Clone)]
pub enum SectionChange {
    /// It is added ahead of the named one, or else behind the others.
    Add {
        /// The resource that is added.
        given: Value,
        /// The one that is to follow it, where the section is a list.
        before: Option<String>,
    },
    /// It is replaced in its place, or added behind the others.
    Put(Value),
    /// It is taken out.
    Remove,
}

impl SectionEdit {
    /// Makes the change.
    ///
    /// # Errors
    /// When the resource is not there, is there, or is not the one that was read.
    pub fn apply(&self, document: &mut Value) -> Result<(), SectionError> {
        self.check_read(document)?;
        let Value::Object(sections) = document else {
            return Ok(());
        };
        let empty = match self.kind.shape {
            Shape::List | Shape::FieldOf(_) => Value::Array(Vec::new()),
            Shape::Map | Shape::Whole => Value::Object(Map::new()),
        };
        let section = sections
            .entry(self.kind.section.to_owned())
            .or_insert(empty);
        match &self.change {
            SectionChange::Add { given, before } => self.add(section, given, before.as_deref()),
            SectionChange::Put(given) => self.put(section, given),
            SectionChange::Remove => self.remove(section),
        }
    }

    fn check_read(&self, document: &Value) -> Result<(), SectionError> {
        let Some(read) = &self.read else {
            return Ok(());
        };
        let now = self.kind.find(document, &self.name);
        let is_the_one = now.is_some_and(|now| {
            let tag = tag_of(&now);
            read.is_empty() || read.iter().any(|read| content_of(read) == tag)
        });
        if is_the_one {
            return Ok(());
        }
        Err(SectionError::Changed {
            one: self.kind.one,
            name: self.name.clone(),
        })
    }

    fn add(
        &self,
        section: &mut Value,
        given: &Value,
        before: Option<&str>,
    ) -> Result<(), SectionError> {
        let is_taken = match section {
            Value::Object(entries) => entries.contains_key(&self.name),
            _ => position(section, &self.name).is_some(),
        };
        if is_taken {
            return Err(SectionError::Taken {
                kind: self.kind.name,
                one: self.kind.one,
                name: self.name.clone(),
            });
        }
        let at = match before {
            Some(next) => {
                let at = position(section, next);
                Some(at.ok_or_else(|| self.kind.missing(section, next))?)
            }
            None => None,
        };
        match section {
            Value::Array(items) => {
                let at = at.unwrap_or(items.len());
                items.insert(at, given.clone());
            }
            Value::Object(entries) => {
                entries.insert(self.name.clone(), without_name(given));
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&self, section: &mut Value, given: &Value) -> Result<(), SectionError> {
        if self.kind.shape == Shape::Whole {
            *section = given.clone();
            return Ok(());
        }
        if let Some(name) = name_of(given)
            && name != self.name
        {
            return Err(SectionError::Malformed {
                path: "/name",
                reason: format!(
                    "it is `{}` in the path; to rename it, add `{name}` and remove `{}`",
                    self.name, self.name
                ),
            });
        }
        let at = position(section, &self.name);
        match (self.kind.shape, section) {
            (Shape::FieldOf(field), section) => {
                let Some(at) = at else {
                    return Err(self.kind.missing(section, &self.name));
                };
                let owner = section.get_mut(at).and_then(Value::as_object_mut);
                owner.map_or(Ok(()), |owner| self.put_field(owner, field, given))
            }
            (_, Value::Array(items)) => {
                let given = named(&self.name, given);
                match at.and_then(|at| items.get_mut(at)) {
                    Some(item) => *item = given,
                    None => items.push(given),
                }
                Ok(())
            }
            (_, Value::Object(entries)) => {
                entries.insert(self.name.clone(), without_name(given));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Replaces one field of the object that it comes and goes with.
    fn put_field(
        &self,
        owner: &mut Map<String, Value>,
        field: &'static str,
        given: &Value,
    ) -> Result<(), SectionError> {
        let fields = given.as_object().into_iter().flatten();
        if let Some((other, _)) = fields
            .clone()
            .find(|(name, _)| *name != "name" && *name != field)
        {
            return Err(SectionError::Malformed {
                path: "",
                reason: format!(
                    "`{other}` is not changed here; write `{field}` alone, and the rest by \
                     `PUT /api/v1/{}/{}`",
                    self.kind.section, self.name
                ),
            });
        }
        match given.get(field) {
            Some(value) => {
                owner.insert(field.to_owned(), value.clone());
                Ok(())
            }
            None => Err(SectionError::Malformed {
                path: "",
                reason: format!("`{field}` is missing; write it"),
            }),
        }
    }

    fn remove(&self, section: &mut Value) -> Result<(), SectionError> {
        let at = position(section, &self.name);
        let removed = match section {
            Value::Array(items) => at.map(|at| items.remove(at)),
            Value::Object(entries) => entries.remove(&self.name),
            _ => None,
        };
        match removed {
            Some(_) => Ok(()),
            None => Err(self.kind.missing(section, &self.name)),
        }
    }
}

/// An item of a list, with its name where its author left that to the path.
fn named(name: &str, given: &Value) -> Value {
    match given {
        Value::Object(fields) if !fields.contains_key("name") => super::with_name(name, given),
        _ => given.clone(),
    }
}

/// A value of a map, whose name is its key.
fn without_name(given: &Value) -> Value {
    match given {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "name");
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        }
        _ => given.clone(),
    }
}
