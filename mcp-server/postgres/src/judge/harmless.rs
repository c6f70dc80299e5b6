//! Knowledge of PostgreSQL's own functions, and of its extensions', beside their volatility.
//!
//! A function of PostgreSQL's that is marked VOLATILE is refused unless it is listed as harmless
//! here. Some are marked STABLE or IMMUTABLE and do more than compute from their arguments all the
//! same: they run SQL from a string, call what an argument names, or show other callers' texts.

/// Functions of `pg_catalog` that are refused though PostgreSQL does not mark them VOLATILE, and
/// volatile ones that deserve a plain sentence. In order of the alphabet.
const REFUSED: &[&str] = &[
    // They call the input function of a type that an argument names, and so a domain's check.
    "anycompatiblemultirange_in",
    "anycompatiblerange_in",
    "anymultirange_in",
    "anyrange_in",
    "array_in",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "domain_in",
    "fmgr_c_validator",
    "fmgr_internal_validator",
    "fmgr_sql_validator",
    "multirange_in",
    "pg_current_xact_id",
    // They show statements of the session, which other callers have sent.
    "pg_cursor",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_input_error_info",
    "pg_input_is_valid",
    "pg_prepared_statement",
    "pg_show_all_file_settings",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "postgresql_fdw_validator",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "range_in",
    "record_in",
    // It calls the hash functions of a table that an argument names.
    "satisfies_hash_partition",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_stat",
    "txid_current",
];

/// Functions of `pg_catalog` that are marked VOLATILE because their result changes, not because
/// they do anything. In order of the alphabet.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_blocking_pids",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_get_wal_replay_pause_state",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_jit_available",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "setseed",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// Those of them that change what the session's later queries see, so that the session ends.
const LEAVING_TRACES: &[&str] = &["setseed"];

/// Functions of `pg_catalog` that show a superuser's settings, with the password of
/// `primary_conninfo`, to a role that may see them.
const SHOWING_SETTINGS: &[&str] = &["current_setting", "pg_show_all_settings"];

/// Extensions whose functions compute from their arguments, except those named after them. They
/// ship with PostgreSQL or are read by everyone; any other extension is the operator's to name.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("btree_gin", &[]),
    ("btree_gist", &[]),
    ("citext", &[]),
    ("cube", &[]),
    ("dict_int", &[]),
    ("dict_xsyn", &[]),
    ("earthdistance", &[]),
    ("fuzzystrmatch", &[]),
    ("hstore", &[]),
    ("intarray", &[]),
    // It changes how the session reads numbers from then on, though it is marked IMMUTABLE.
    ("isn", &["isn_weak"]),
    ("ltree", &[]),
    ("pg_trgm", &[]),
    ("pgcrypto", &[]),
    ("seg", &[]),
    (
        "tablefunc",
        &[
            "connectby",
            "crosstab",
            "crosstab2",
            "crosstab3",
            "crosstab4",
        ],
    ),
    ("tsm_system_rows", &[]),
    ("tsm_system_time", &[]),
    ("unaccent", &[]),
    ("uuid-ossp", &[]),
    ("vector", &[]),
];

/// Functions of those extensions that are VOLATILE because their result changes.
const HARMLESS_OF_EXTENSIONS: &[&str] = &[
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "normal_rand",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
];

/// Functions of `pg_catalog` for triggers that only look at, or compute from, the rows in question.
const TRIGGERS: &[&str] = &[
    "suppress_redundant_updates_trigger",
    "tsvector_update_trigger",
    "tsvector_update_trigger_column",
    "unique_key_recheck",
];

/// Whether a trigger may call this function of PostgreSQL's own. What foreign keys do is judged by
/// the tables that they change.
pub(super) fn is_harmless_in_a_trigger(name: &str) -> bool {
    name.starts_with("RI_FKey_") || TRIGGERS.contains(&name)
}

/// Whether a function of PostgreSQL's own may be called.
pub(super) fn is_harmless(name: &str, is_volatile: bool) -> bool {
    match is_volatile {
        true => HARMLESS.binary_search(&name).is_ok(),
        false => REFUSED.binary_search(&name).is_err(),
    }
}

/// Whether a harmless function of PostgreSQL's own changes what later queries of the session see.
pub(super) fn leaves_traces(name: &str) -> bool {
    LEAVING_TRACES.contains(&name)
}

/// Whether a function of PostgreSQL's own shows settings that may hold credentials.
pub(super) fn shows_settings(name: &str) -> bool {
    SHOWING_SETTINGS.contains(&name)
}

/// Whether a function of an extension may be called.
pub(super) fn is_harmless_of_extension(extension: &str, name: &str, is_volatile: bool) -> bool {
    EXTENSIONS
        .iter()
        .find(|(known, _)| *known == extension)
        .is_some_and(|(_, refused)| !refused.contains(&name))
        && (!is_volatile || HARMLESS_OF_EXTENSIONS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_lists_in_order_for_the_binary_search() {
        for list in [REFUSED, HARMLESS] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn it_refuses_what_is_volatile_or_runs_sql_from_a_string() {
        assert!(!is_harmless("pg_terminate_backend", true));
        assert!(!is_harmless("table_to_xml", false));
        assert!(!is_harmless("ts_rewrite", true));
        assert!(is_harmless("ts_rewrite", false));
        assert!(is_harmless("random", true));
        assert!(!is_harmless_of_extension("tablefunc", "crosstab", false));
        assert!(!is_harmless_of_extension(
            "dblink",
            "dblink_get_pkey",
            false
        ));
        assert!(is_harmless_of_extension("pgcrypto", "gen_salt", true));
    }
}
