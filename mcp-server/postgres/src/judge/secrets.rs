//! The parts of PostgreSQL's catalogue that hold passwords, samples of tables, or raw objects.
//!
//! They are out of reach whatever the login may read. A view above them is judged by what it reads
//! of them: `pg_roles` shows no password of `pg_authid`, `pg_shadow` does.

/// Relations of `pg_catalog`, each with the columns that are secret; none named is all of them.
const SECRETS: &[(&str, &[&str])] = &[
    ("pg_authid", &["rolpassword"]),
    ("pg_largeobject", &[]),
    ("pg_statistic", &[]),
    ("pg_statistic_ext_data", &[]),
    ("pg_subscription", &["subconninfo"]),
    ("pg_user_mapping", &["umoptions"]),
];

/// The secret column that is read, as `relation` or `relation.column`. `columns` are the names of
/// the relation's columns that are read; `whole_row` says that all of them are.
pub(super) fn secret_that_is_read(
    relation: &str,
    columns: &[&str],
    whole_row: bool,
) -> Option<String> {
    let (_, secret) = SECRETS.iter().find(|(name, _)| *name == relation)?;
    if secret.is_empty() {
        return Some(relation.to_owned());
    }
    secret
        .iter()
        .find(|column| whole_row || columns.contains(*column))
        .map(|column| format!("{relation}.{column}"))
}

/// Whether some part of the catalogue's relation is secret.
pub(super) fn has_secrets(relation: &str) -> bool {
    SECRETS.iter().any(|(name, _)| *name == relation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_secret_column_from_its_neighbours() {
        let read = |columns: &[&str]| secret_that_is_read("pg_authid", columns, false);
        assert_eq!(read(&["rolname"]), None);
        assert_eq!(
            read(&["rolname", "rolpassword"]).as_deref(),
            Some("pg_authid.rolpassword")
        );
        assert!(secret_that_is_read("pg_authid", &[], true).is_some());
        assert!(secret_that_is_read("pg_statistic", &[], false).is_some());
        assert_eq!(secret_that_is_read("pg_class", &["relname"], true), None);
    }
}
