//! Functions and relations that a read-only query must not name.
//!
//! The list by name is the first of three nets; PostgreSQL's own mark VOLATILE is the second (`query`), the read-only transaction under a
//! role that is no superuser the third. It holds what the others would let through (functions marked STABLE that run SQL from a string,
//! relations with passwords) and what deserves a plain sentence.

/// Whether a call of the function `name` is refused, whatever its schema.
pub(super) fn is_function_refused(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok() || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether reading the relation `name` is refused: it holds passwords or bytes of large objects.
pub(super) fn is_relation_refused(name: &str) -> bool {
    RELATIONS.binary_search(&name).is_ok()
}

/// Whether the built-in function `name` may be called although PostgreSQL marks it VOLATILE.
pub(super) fn is_harmless_volatile(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok()
}

/// In order of the alphabet.
const FUNCTIONS: &[&str] = &[
    "connectby",
    "copy",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "nextval",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_cancel_backend",
    "pg_current_xact_id",
    "pg_export_snapshot",
    "pg_import_system_collations",
    "pg_notify",
    "pg_prewarm",
    "pg_promote",
    "pg_reload_conf",
    "pg_set_attribute_stats",
    "pg_set_relation_stats",
    "pg_signal_backend",
    "pg_start_backup",
    "pg_stat_file",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_switch_xlog",
    "pg_terminate_backend",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "set_config",
    "setval",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
    "txid_current",
    "xpath_table",
];

/// Beginnings of names.
const FAMILIES: &[&str] = &[
    "binary_upgrade_",
    "brin_",
    "crosstab",
    "dblink",
    "gin_clean_pending",
    "lo_",
    "loread",
    "lowrite",
    "pg_advisory_",
    "pg_clear_",
    "pg_create_",
    "pg_copy_",
    "pg_drop_",
    "pg_extension_config",
    "pg_file_",
    "pg_log_",
    "pg_logical_",
    "pg_logfile",
    "pg_logdir",
    "pg_ls_",
    "pg_nextoid",
    "pg_read_",
    "pg_replication_",
    "pg_restore_",
    "pg_rotate_",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_sync_",
    "pg_try_advisory_",
    "pg_wal_replay_",
    "pg_xlog_replay_",
];

/// In order of the alphabet.
const RELATIONS: &[&str] = &[
    "_pg_user_mappings",
    "pg_authid",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_shadow",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
    "user_mapping_options",
];

/// In order of the alphabet.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "lastval",
    "normal_rand",
    "pg_blocking_pids",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_get_wal_replay_pause_state",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_relation_size",
    "pg_sequence_last_value",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_stat_statements",
    "pg_stat_statements_info",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "setseed",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order() {
        for list in [FUNCTIONS, RELATIONS, HARMLESS] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
