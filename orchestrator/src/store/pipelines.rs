//! Pipelines by name and version.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::bounds;
use crate::definition::{InvalidPipeline, PipelineDefinition};

/// How often a version's number is taken anew when somebody else was quicker.
const ATTEMPTS: u32 = 5;

/// One stored version of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineRecord {
    /// The id of this version.
    pub id: Uuid,
    /// The number of this version, from 1.
    pub version: i32,
    /// The pipeline as it was written.
    pub definition: PipelineDefinition,
    /// When it was stored; RFC 3339, UTC.
    pub created: String,
}

/// Why a pipeline was not stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// It could not run as written.
    #[error(transparent)]
    Invalid(#[from] InvalidPipeline),
    /// The owner has as many as are kept.
    #[error(
        "you have {most} pipelines, and no more are kept; change one of them",
        most = bounds::PIPELINES
    )]
    TooMany,
    /// So many versions at the same moment.
    #[error("others change this pipeline at this moment; try again")]
    Busy,
    /// The records cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const PIPELINE: &str = r#"SELECT id, version, definition,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created
    FROM portcullis.pipelines"#;

impl Store {
    /// Stores a pipeline as the next version of its name. What is stored already as the latest one
    /// stays that.
    ///
    /// # Errors
    /// The pipeline could not run as written, its owner has as many as are kept, others change it
    /// at this moment, or the records cannot be used ([`CreateError`]).
    pub async fn create(
        &self,
        owner: Option<&str>,
        definition: &PipelineDefinition,
    ) -> Result<PipelineRecord, CreateError> {
        definition.check()?;
        for _ in 0..ATTEMPTS {
            let latest = self.pipeline(owner, &definition.name, None).await?;
            let version = match latest {
                Some(latest) if latest.definition == *definition => return Ok(latest),
                Some(latest) => latest.version.saturating_add(1),
                None if self.count_pipelines(owner).await? >= bounds::PIPELINES => {
                    return Err(CreateError::TooMany);
                }
                None => 1,
            };
            if let Some(stored) = self.insert_pipeline(owner, definition, version).await? {
                self.forget_versions(owner, &definition.name, version)
                    .await?;
                return Ok(stored);
            }
        }
        Err(CreateError::Busy)
    }

    /// A version of a pipeline, or its latest one.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn pipeline(
        &self,
        owner: Option<&str>,
        name: &str,
        version: Option<i32>,
    ) -> Result<Option<PipelineRecord>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{PIPELINE} WHERE coalesce(owner, '') = coalesce($1, '') AND name = $2
               AND ($3::integer IS NULL OR version = $3)
             ORDER BY version DESC LIMIT 1"
        )))
        .bind(owner)
        .bind(name)
        .bind(version)
        .fetch_optional(self.pool().await?)
        .await?;
        Ok(row.as_ref().map(pipeline).transpose()?)
    }

    /// The versions of a pipeline that are kept, the latest first: the number of each, and when it
    /// was stored.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn versions(
        &self,
        owner: Option<&str>,
        name: &str,
    ) -> Result<Vec<(i32, String)>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{PIPELINE} WHERE coalesce(owner, '') = coalesce($1, '') AND name = $2
             ORDER BY version DESC LIMIT $3"
        )))
        .bind(owner)
        .bind(name)
        .bind(bounds::VERSIONS)
        .fetch_all(self.pool().await?)
        .await?;
        let version = |row: &PgRow| Ok((row.try_get("version")?, row.try_get("created")?));
        let versions: Result<_, sqlx::Error> = rows.iter().map(version).collect();
        Ok(versions?)
    }

    /// The latest version of each pipeline of an owner, by name, from the one after `after`.
    ///
    /// # Errors
    /// The store cannot be reached or used ([`StoreError`]).
    pub async fn pipelines(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        most: i64,
    ) -> Result<Vec<PipelineRecord>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{PIPELINE} AS one WHERE coalesce(owner, '') = coalesce($1, '')
               AND ($2::text IS NULL OR name > $2)
               AND NOT EXISTS (SELECT FROM portcullis.pipelines AS later
                   WHERE coalesce(later.owner, '') = coalesce($1, '')
                     AND later.name = one.name AND later.version > one.version)
             ORDER BY name LIMIT $3"
        )))
        .bind(owner)
        .bind(after)
        .bind(most)
        .fetch_all(self.pool().await?)
        .await?;
        Ok(rows.iter().map(pipeline).collect::<Result<_, _>>()?)
    }

    async fn count_pipelines(&self, owner: Option<&str>) -> Result<i64, StoreError> {
        let count = "SELECT count(DISTINCT name) FROM portcullis.pipelines
             WHERE coalesce(owner, '') = coalesce($1, '')";
        let count = sqlx::query_scalar(count).bind(owner);
        Ok(count.fetch_one(self.pool().await?).await?)
    }

    /// Stores a version; nothing if somebody else has taken its number meanwhile.
    async fn insert_pipeline(
        &self,
        owner: Option<&str>,
        definition: &PipelineDefinition,
        version: i32,
    ) -> Result<Option<PipelineRecord>, StoreError> {
        let row = sqlx::query(
            r#"INSERT INTO portcullis.pipelines (id, owner, name, version, definition)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
             RETURNING id, version, definition,
               to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created"#,
        )
        .bind(Uuid::now_v7())
        .bind(owner)
        .bind(&definition.name)
        .bind(version)
        .bind(Json(definition))
        .fetch_optional(self.pool().await?)
        .await?;
        Ok(row.as_ref().map(pipeline).transpose()?)
    }

    /// Old versions that no run needs give way to new ones.
    async fn forget_versions(
        &self,
        owner: Option<&str>,
        name: &str,
        latest: i32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM portcullis.pipelines AS one
             WHERE coalesce(owner, '') = coalesce($1, '') AND name = $2 AND version <= $3 - $4
               AND NOT EXISTS (SELECT FROM portcullis.pipeline_runs WHERE pipeline = one.id)",
        )
        .bind(owner)
        .bind(name)
        .bind(i64::from(latest))
        .bind(bounds::VERSIONS)
        .execute(self.pool().await?)
        .await?;
        Ok(())
    }
}

fn pipeline(row: &PgRow) -> Result<PipelineRecord, sqlx::Error> {
    let Json(definition) = row.try_get("definition")?;
    Ok(PipelineRecord {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        definition,
        created: row.try_get("created")?,
    })
}
