//! PostgreSQL's types: their names, and the form of their values in JSON. Each is looked up once
//! per process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::session::{Session, SessionError};
use super::shape::{Form, TypeInfo};

/// The types that were looked up so far.
#[derive(Debug, Default)]
pub(super) struct Types {
    known: Mutex<HashMap<u32, Arc<TypeInfo>>>,
}

impl Types {
    /// The types with these ids, asking PostgreSQL for those that are new; `None` where one of them
    /// has gone.
    pub(super) async fn of(
        &self,
        session: &mut Session,
        ids: &[u32],
    ) -> Result<Option<Vec<Arc<TypeInfo>>>, SessionError> {
        let missing: BTreeSet<u32> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter()
                .copied()
                .filter(|id| !known.contains_key(id))
                .collect()
        };
        if !missing.is_empty() {
            self.learn(session, missing).await?;
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ids.iter().map(|id| known.get(id).cloned()).collect())
    }

    async fn learn(
        &self,
        session: &mut Session,
        missing: BTreeSet<u32>,
    ) -> Result<(), SessionError> {
        let missing: Vec<String> = missing.iter().map(u32::to_string).collect();
        let missing = format!("{{{}}}", missing.join(","));
        let rows = session.rows(LOOK_UP, &[Some(&missing)]).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let Some(id) = row.number("id") else { continue };
            let scalar = |id: Option<u32>, name| TypeInfo {
                name,
                form: id.map_or(Form::Text, form_of),
            };
            let info = match row.get("element") {
                None => scalar(Some(id), row.text("name")),
                Some(_) => TypeInfo {
                    name: row.text("name"),
                    form: Form::Array {
                        element: Arc::new(scalar(
                            row.number("element_base"),
                            row.text("element_name"),
                        )),
                        delimiter: row.text("delimiter").chars().next().unwrap_or(','),
                    },
                },
            };
            known.insert(id, Arc::new(info));
        }
        Ok(())
    }
}

/// An array's elements may be a domain; its text form is that of the type below.
const LOOK_UP: &str = "
SELECT t.oid AS id,
       pg_catalog.format_type(t.oid, NULL) AS name,
       e.oid AS element,
       CASE e.typtype WHEN 'd' THEN e.typbasetype ELSE e.oid END AS element_base,
       pg_catalog.format_type(e.oid, NULL) AS element_name,
       e.typdelim::pg_catalog.text AS delimiter
FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typoutput =
    'pg_catalog.array_out'::pg_catalog.regproc
WHERE t.oid = ANY ($1::pg_catalog.oid[])";

/// The ids are fixed in PostgreSQL's pg_type.dat.
fn form_of(id: u32) -> Form {
    match id {
        16 => Form::Bool,
        20 | 21 | 23 | 26 => Form::Integer,
        700 | 701 => Form::Float,
        114 | 3802 => Form::Json,
        1114 | 1184 => Form::Timestamp,
        _ => Form::Text,
    }
}
