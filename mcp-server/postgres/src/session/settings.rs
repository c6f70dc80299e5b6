//! The settings that every session is given once, and what is found out about it then.

use std::time::Duration;

use super::{OpenError, Session};

/// The major versions whose analysed trees are known (`judge`).
const KNOWN_VERSIONS: std::ops::RangeInclusive<u32> = 14..=18;

/// Bytes that one query may put into temporary files, where the login may set that limit.
const TEMP_FILE_LIMIT: &str = "1GB";

/// The settings with which sessions are opened.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    /// Whether transactions may write.
    pub(crate) access: SessionAccess,
    /// The role that queries run as.
    pub(crate) role: Option<String>,
    /// The one superuser that is let in.
    pub(crate) allowed_superuser: Option<String>,
    /// Whether each caller's statements run as a role of the caller's own.
    pub(crate) callers_have_roles: bool,
    pub(crate) statement_timeout: Duration,
}

/// The rights of a session's transactions, whatever its role could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionAccess {
    /// They read, as a role that may only read where the login is a superuser's.
    Read,
    /// They write, as the login itself.
    Write,
}

/// The facts that a session showed once it was open.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFacts {
    /// The server's major version.
    pub(crate) version: u32,
    /// The version in full.
    pub(crate) version_text: String,
    /// The login, where it is a superuser's.
    pub(crate) superuser: Option<String>,
    /// Whether the role that queries run as is a superuser's.
    pub(crate) runs_as_superuser: bool,
    /// Whether that role sees the settings that only superusers may, credentials among them.
    pub(crate) sees_all_settings: bool,
    /// Whether the login has the rights of callers' roles before it takes one.
    pub(crate) inherits_roles: bool,
    /// Whether the server's log can be kept free of the trees that are asked for.
    pub(crate) can_silence_log: bool,
    /// Whether a query's temporary files are limited.
    pub(crate) limits_temporary_files: bool,
}

impl SessionFacts {
    /// The facts that an operator should know, a sentence each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(user) = &self.superuser {
            warnings.push(format!(
                "connected as the superuser `{user}`, which POSTGRES_ALLOW_SUPERUSER permits; \
                 a role that may only read is safer"
            ));
        }
        if self.runs_as_superuser {
            warnings.push(
                "POSTGRES_ROLE is a superuser: only the judgement of queries and READ ONLY protect"
                    .to_owned(),
            );
        }
        if self.inherits_roles {
            warnings.push(
                "the login has the rights of callers' roles by itself; an administrator ends that \
                 with `ALTER ROLE <login> NOINHERIT`"
                    .to_owned(),
            );
        }
        if !self.can_silence_log {
            warnings.push(
                "each new query leaves its analysed tree, some eighty times its text, in \
                 PostgreSQL's log; an administrator ends that with `GRANT SET ON PARAMETER \
                 log_min_messages TO <role>` (from 15 on), or `ALTER ROLE <role> SET \
                 log_min_messages = fatal`"
                    .to_owned(),
            );
        }
        if !self.limits_temporary_files {
            warnings.push(
                "a query's temporary files are not limited; an administrator limits them with \
                 `ALTER ROLE <role> SET temp_file_limit = '1GB'`"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Takes the role, sets the limits, and looks at what the session is.
pub(super) async fn settle(
    session: &mut Session,
    settings: &SessionSettings,
) -> Result<SessionFacts, OpenError> {
    let login = one(session, LOGIN).await?;
    let version = login.number::<u32>("version").unwrap_or_default() / 10_000;
    if !KNOWN_VERSIONS.contains(&version) {
        return Err(OpenError::NotAllowed {
            message: format!("PostgreSQL {version} is not known here"),
            hint: format!(
                "versions {} to {} are",
                KNOWN_VERSIONS.start(),
                KNOWN_VERSIONS.end()
            ),
        });
    }
    // In these a character may take more bytes than in UTF-8, and a tree's folding cannot be
    // undone.
    if matches!(login.get("encoding"), Some("EUC_TW" | "MULE_INTERNAL")) {
        return Err(OpenError::NotAllowed {
            message: "the encoding of the database is not supported".to_owned(),
            hint: "use a database in UTF8".to_owned(),
        });
    }
    let user = login.text("session_user");
    let superuser = login.is_true("is_superuser").then(|| user.clone());
    if superuser.is_some() && settings.allowed_superuser.as_ref() != Some(&user) {
        return Err(OpenError::NotAllowed {
            message: format!("the data server's user `{user}` is a superuser of PostgreSQL"),
            hint: format!(
                "the operator should connect as a role that may only read, \
                 or set POSTGRES_ALLOW_SUPERUSER={user}"
            ),
        });
    }
    if superuser.is_some() && settings.callers_have_roles {
        return Err(OpenError::NotAllowed {
            message: format!("the data server's user `{user}` could take any role"),
            hint: "with POSTGRES_CALLER_ROLES the operator should connect as a role that is no \
                   superuser, NOINHERIT, and a member of the roles of callers alone"
                .to_owned(),
        });
    }
    if superuser.is_some() {
        session
            .run(&format!("SET temp_file_limit = '{TEMP_FILE_LIMIT}'"))
            .await?;
    }
    let role = match (&settings.role, &superuser) {
        (Some(role), _) => Some(role.as_str()),
        (None, Some(_)) if settings.access == SessionAccess::Read => Some("pg_read_all_data"),
        (None, _) => None,
    };
    if let Some(role) = role {
        session
            .run(&format!("SET ROLE {}", quoted_name(role)))
            .await?;
    }
    let timeout = settings.statement_timeout.as_millis();
    let read_only = match settings.access {
        SessionAccess::Read => "SET default_transaction_read_only = on; ",
        SessionAccess::Write => "",
    };
    session
        .run(&format!(
            "{FIXED}{read_only}SET statement_timeout = {timeout}"
        ))
        .await?;
    watch_connection(session).await?;
    let mut facts = SessionFacts {
        version,
        version_text: login.text("version_text"),
        superuser,
        inherits_roles: settings.callers_have_roles && login.is_true("inherits"),
        ..SessionFacts::default()
    };
    let role = one(session, facts.role_query()).await?;
    facts.note_role(&role);
    Ok(facts)
}

impl SessionFacts {
    /// The query for what the present role may do.
    fn role_query(&self) -> &'static str {
        match self.version {
            ..15 => ROLE_BEFORE_15,
            _ => ROLE,
        }
    }

    fn note_role(&mut self, role: &super::TextRow) {
        self.runs_as_superuser = role.is_true("is_superuser");
        self.sees_all_settings = role.is_true("sees_all_settings");
        self.can_silence_log = role.is_true("can_silence_log");
        self.limits_temporary_files = role.is_true("limits_temporary_files");
    }
}

impl Session {
    /// Goes on as a caller's role, of which the login must be a member: each transaction looks
    /// whether it still is. What was judged under another role is forgotten: policies, rights and
    /// functions may be others under this one.
    pub(crate) async fn take_role(&mut self, role: &str) -> Result<(), OpenError> {
        if self.role.as_deref() == Some(role) {
            return Ok(());
        }
        self.role = None;
        for name in self.kept.take_all() {
            self.forget_later(name);
        }
        self.known_harmless.clear();
        let quoted = quoted_name(role);
        let taken = self.run(&format!("RESET ROLE; SET ROLE {quoted}")).await;
        taken.map_err(super::SessionError::of_role)?;
        let taken = one(self, self.facts.role_query()).await?;
        if taken.get("name") != Some(role) || taken.is_true("is_superuser") {
            return Err(OpenError::NotAllowed {
                message: format!("the role `{role}` is none for callers"),
                hint: "the operator should name another one in POSTGRES_CALLER_ROLES: no \
                       superuser"
                    .to_owned(),
            });
        }
        self.facts.note_role(&taken);
        self.role = Some(role.to_owned());
        Ok(())
    }
}

/// Has PostgreSQL end what runs here once this process has gone. A machine that cannot tell of a
/// connection that was closed refuses the setting, and the time limit of statements is left.
async fn watch_connection(session: &mut Session) -> Result<(), super::SessionError> {
    match session.run(WATCHED).await {
        Err(error) if !error.spares_session() => Err(error),
        _ => Ok(()),
    }
}

async fn one(session: &mut Session, sql: &'static str) -> Result<super::TextRow, OpenError> {
    let mut rows = session.rows(sql, &[]).await?;
    rows.pop().ok_or_else(|| OpenError::NotAllowed {
        message: "PostgreSQL does not describe the session".to_owned(),
        hint: "the role needs to read pg_roles and pg_settings".to_owned(),
    })
}

/// A name as SQL writes it.
pub(crate) fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Fixes the form of results.
///
/// The search path becomes the session's own: a reload of the server's configuration would
/// otherwise change what a kept statement's names mean, without any transaction.
///
/// Constraints exclude no table: to simplify a CHECK, the planner would run what it calls.
const FIXED: &str = "SELECT pg_catalog.set_config('search_path', \
        pg_catalog.current_setting('search_path'), false); \
    SET client_min_messages = warning; \
    SET lock_timeout = 5000; \
    SET idle_in_transaction_session_timeout = 60000; \
    SET constraint_exclusion = off; \
    SET standard_conforming_strings = on; \
    SET bytea_output = 'hex'; \
    SET IntervalStyle = 'iso_8601'; \
    SET DateStyle = 'ISO, MDY'; \
    SET extra_float_digits = 1; ";

/// While a statement runs PostgreSQL would not look at its connection: it would find out that
/// nobody waits when it has an answer. A second is soon enough for whoever pays for the work, and
/// one look in it costs nothing.
const WATCHED: &str = "SET client_connection_check_interval = 1000";

const LOGIN: &str = "
SELECT session_user::pg_catalog.text AS session_user,
       r.rolsuper AS is_superuser,
       r.rolinherit AS inherits,
       pg_catalog.current_setting('server_version_num') AS version,
       pg_catalog.current_setting('server_version') AS version_text,
       pg_catalog.current_setting('server_encoding') AS encoding
FROM pg_catalog.pg_roles r
WHERE r.rolname = session_user";

const ROLE: &str = "
SELECT r.rolname AS name,
       r.rolsuper AS is_superuser,
       pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS sees_all_settings,
       pg_catalog.current_setting('log_min_messages') IN ('fatal', 'panic')
       OR pg_catalog.has_parameter_privilege(current_user, 'log_min_messages', 'SET')
       AS can_silence_log,
       pg_catalog.current_setting('temp_file_limit') <> '-1' AS limits_temporary_files
FROM pg_catalog.pg_roles r
WHERE r.rolname = current_user";

const ROLE_BEFORE_15: &str = "
SELECT r.rolname AS name,
       r.rolsuper AS is_superuser,
       pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS sees_all_settings,
       pg_catalog.current_setting('log_min_messages') IN ('fatal', 'panic') OR r.rolsuper
       AS can_silence_log,
       pg_catalog.current_setting('temp_file_limit') <> '-1' AS limits_temporary_files
FROM pg_catalog.pg_roles r
WHERE r.rolname = current_user";
