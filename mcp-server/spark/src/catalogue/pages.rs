//! The tables of a whole catalogue, page by page.

use super::{SparkTable, SparkTableKind};
use crate::{Error, Spark, SparkCaller};

/// Databases that one page looks through. Each is a question to Spark; a search that finds little
/// goes on with the next page.
const DATABASES_OF_PAGE: usize = 100;

/// The tables that a caller wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparkTableFilter {
    /// The catalogue that they are in; the session's own where none is named.
    pub catalog: Option<String>,
    /// The database that they are in; all of the catalogue where none is named.
    pub database: Option<String>,
    /// The kind that they are of.
    pub kind: Option<SparkTableKind>,
    /// A part of their names, in any case.
    pub name: Option<String>,
}

/// The last table of a page: its database, empty of temporary views, which come first, and its
/// name. An empty name stands before all tables of the database.
pub type SparkPageEnd = (String, String);

/// A page of tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SparkTablePage {
    /// The tables, the views of the session first, then by database and name.
    pub tables: Vec<SparkTable>,
    /// The end of the page, where there may be more.
    pub next: Option<SparkPageEnd>,
}

impl SparkTableFilter {
    fn takes(&self, table: &SparkTable) -> bool {
        let has_kind = self.kind.is_none_or(|kind| table.kind == Some(kind));
        let part = self.name.as_ref().map(|part| part.to_lowercase());
        has_kind && part.is_none_or(|part| table.name.to_lowercase().contains(&part))
    }
}

impl Spark {
    /// The first `most` tables after the end of a page: the views of the session, then those of
    /// each database in its turn.
    ///
    /// # Errors
    /// There is no such catalogue or database, or Spark cannot be reached ([`Error`]).
    pub async fn page_of_tables(
        &self,
        caller: &SparkCaller,
        filter: &SparkTableFilter,
        after: Option<SparkPageEnd>,
        most: usize,
    ) -> Result<SparkTablePage, Error> {
        let catalog = filter.catalog.as_deref();
        let mut databases = match &filter.database {
            Some(database) => vec![database.clone()],
            None => self.databases(caller, catalog).await?,
        };
        let first = after.as_ref().map_or("", |(database, _)| database);
        databases.retain(|database| database.as_str() >= first);
        let mut views_are_due = first.is_empty();
        let mut page = SparkTablePage::default();
        let mut last = None;
        for (at, database) in databases.iter().enumerate() {
            if at == DATABASES_OF_PAGE {
                page.next = Some((database.clone(), String::new()));
                break;
            }
            let found = self.tables(caller, catalog, Some(database)).await?;
            // Spark lists the session's views with every database.
            let views = match std::mem::take(&mut views_are_due) {
                true => found.temporary,
                false => Vec::new(),
            };
            for table in views.into_iter().chain(found.tables) {
                let place = end_at(&table, database);
                if !filter.takes(&table) || after.as_ref().is_some_and(|after| place <= *after) {
                    continue;
                }
                if page.tables.len() == most {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(place);
                page.tables.push(table);
            }
        }
        Ok(page)
    }
}

fn end_at(table: &SparkTable, database: &str) -> SparkPageEnd {
    let database = match table.kind {
        Some(SparkTableKind::Temporary) => "",
        _ => database,
    };
    (database.to_owned(), table.name.clone())
}
