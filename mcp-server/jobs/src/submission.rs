//! Builds the request that the master gets: `spark-submit` in client mode, as a driver on a worker.
//!
//! A standalone master takes no Python application in cluster mode, but it takes the class
//! `SparkSubmit` as one and so runs the script beside it. Settings go into the arguments: those
//! beside them reach only the JVM that the master starts, and a `spark.master` given only there
//! would run the job in one local process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::job::JobId;
use super::masking;
use super::master::CreateSubmission;

/// The setting by which a driver is recognised as ours.
pub(super) const JOB_ID: &str = "spark.portcullis.job.id";

/// Spark wants a client's version; the master only logs it.
const CLIENT_VERSION: &str = "4.3.0";

/// Cores of a job, and of each of its executors, where the caller says nothing: else one job would
/// take every core, and the next wait for ever.
const CORES: u32 = 2;

/// Settings of the JVM that the master starts; `spark-submit` inside it comes too late for them.
const OF_THE_DRIVER: [&str; 3] = [
    "spark.driver.memory",
    "spark.driver.cores",
    "spark.driver.memoryOverhead",
];

/// Settings that are this server's, or through which a job would no longer be the one that is
/// watched.
const OURS: [&str; 9] = [
    "spark.master",
    "spark.app.id",
    "spark.submit.deployMode",
    "spark.driver.supervise",
    "spark.pyspark.python",
    "spark.pyspark.driver.python",
    "spark.ui.enabled",
    "spark.ui.reverseProxy",
    "spark.kubernetes.driver.master",
];

/// Whether a setting is read before a script's own settings are, or is itself a part of the command
/// line of a JVM: a file that the script brings cannot hide it.
pub(super) fn is_of_a_command_line(name: &str) -> bool {
    [
        "spark.archives",
        "spark.files",
        "spark.jars",
        "spark.submit.",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
        || name.ends_with("JavaOptions")
}

/// The settings of Spark that a caller gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conf(BTreeMap<String, String>);

/// A setting that is not taken from a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConf {
    /// Not one of Spark's.
    #[error("`{0}` is no setting of Spark: names start with `spark.`")]
    NotSpark(String),
    /// Set by this server.
    #[error("`{0}` is set by this server: leave it out")]
    Ours(String),
    /// A name or value with a line break, a NUL, or `=` in the name.
    #[error("`{0}` has a name or value with characters that a setting cannot have")]
    Characters(String),
}

impl Conf {
    /// Takes a caller's settings.
    ///
    /// # Errors
    /// [`InvalidConf`] for the first one that is not taken.
    pub fn new(settings: BTreeMap<String, String>) -> Result<Self, InvalidConf> {
        for (name, value) in &settings {
            let name = || name.clone();
            if name().contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
                || value.contains(['\n', '\r', '\0'])
            {
                return Err(InvalidConf::Characters(name().escape_default().to_string()));
            }
            if !name().starts_with("spark.") {
                return Err(InvalidConf::NotSpark(name()));
            }
            // Whose a driver is, is read out of its command line; a value may not say it either.
            let is_ours = OURS.contains(&name().as_str())
                || name().starts_with("spark.portcullis.")
                || value.contains(JOB_ID);
            if is_ours {
                return Err(InvalidConf::Ours(name()));
            }
        }
        Ok(Self(settings))
    }

    /// Takes out the settings that are credentials, or whose values hold some.
    pub(super) fn split_credentials(&self) -> (Self, BTreeMap<&str, &str>) {
        let (hidden, shown) = self
            .iter()
            .partition::<Vec<_>, _>(|(name, value)| masking::setting(name, value) != *value);
        let shown = shown.into_iter();
        let shown = shown.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (Self(shown.collect()), hidden.into_iter().collect())
    }

    /// The settings by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Everything that makes one submission.
#[derive(Debug)]
pub(super) struct Submission<'a> {
    pub id: JobId,
    pub master: &'a str,
    /// The program that Spark runs and what it is called with, for all to see.
    pub program: &'a [String],
    /// Without those that are credentials, where a file brings them.
    pub conf: &'a Conf,
    pub python: Option<&'a PathBuf>,
    /// The name under which Spark shows jobs, before their ids.
    pub app_name: &'a str,
    /// Starts the script's Python so that it ends with its driver.
    pub python_wrapper: Option<&'a PathBuf>,
}

impl Submission<'_> {
    pub(super) fn request(&self) -> CreateSubmission {
        let name = format!("{}-{}", self.app_name, self.id);
        let mut settings: BTreeMap<&str, String> = BTreeMap::new();
        settings.insert("spark.cores.max", CORES.to_string());
        for (key, value) in self.conf.iter() {
            settings.insert(key, value.to_owned());
        }
        // An executor that wants more cores than the job may have would never start.
        let most = settings["spark.cores.max"].parse().unwrap_or(CORES);
        settings
            .entry("spark.executor.cores")
            .or_insert_with(|| CORES.min(most).to_string());
        settings.insert(JOB_ID, self.id.to_string());
        if let Some(wrapper) = self.python_wrapper {
            settings.insert("spark.pyspark.driver.python", wrapper.display().to_string());
        }
        let mut properties = BTreeMap::from([
            ("spark.master".to_owned(), self.master.to_owned()),
            ("spark.app.name".to_owned(), name.clone()),
            ("spark.submit.deployMode".to_owned(), "cluster".to_owned()),
            ("spark.driver.supervise".to_owned(), "false".to_owned()),
        ]);
        for key in OF_THE_DRIVER {
            if let Some(value) = settings.remove(key) {
                properties.insert(key.to_owned(), value);
            }
        }
        let mut app_args = vec![
            "--master".to_owned(),
            self.master.to_owned(),
            "--name".to_owned(),
            name,
        ];
        for (key, value) in settings {
            app_args.push("--conf".to_owned());
            app_args.push(format!("{key}={value}"));
        }
        app_args.extend_from_slice(self.program);
        let python = self.python.map(|path| {
            let path = path.display().to_string();
            ("PYSPARK_PYTHON".to_owned(), path)
        });
        CreateSubmission {
            action: "CreateSubmissionRequest",
            client_spark_version: CLIENT_VERSION,
            app_resource: "",
            main_class: "org.apache.spark.deploy.SparkSubmit",
            app_args,
            environment_variables: python.into_iter().collect(),
            spark_properties: properties,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(settings: &[(&str, &str)]) -> Result<Conf, InvalidConf> {
        let owned = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Conf::new(owned.collect())
    }

    #[test]
    fn it_refuses_settings_that_are_not_the_callers() {
        for key in [
            "spark.master",
            "spark.portcullis.job.id",
            "spark.pyspark.driver.python",
        ] {
            assert_eq!(conf(&[(key, "x")]), Err(InvalidConf::Ours(key.to_owned())));
        }
        // It would stand before the job's own id in its driver's command line.
        let forged = format!("{JOB_ID}={}", JobId::new());
        assert_eq!(
            conf(&[("spark.a", &forged)]),
            Err(InvalidConf::Ours("spark.a".to_owned()))
        );
        assert!(matches!(
            conf(&[("path", "x")]),
            Err(InvalidConf::NotSpark(_))
        ));
        for (key, value) in [("spark.a=b", "x"), ("spark.a b", "x"), ("spark.a", "x\ny")] {
            assert!(matches!(
                conf(&[(key, value)]),
                Err(InvalidConf::Characters(_))
            ));
        }
    }

    #[test]
    fn it_never_lets_an_executor_want_more_cores_than_its_job_may_have() {
        for (given, expected) in [
            (&[][..], "spark.executor.cores=2"),
            (&[("spark.cores.max", "1")][..], "spark.executor.cores=1"),
            (&[("spark.cores.max", "8")][..], "spark.executor.cores=2"),
            (
                &[("spark.executor.cores", "4")][..],
                "spark.executor.cores=4",
            ),
        ] {
            let submission = Submission {
                id: JobId::new(),
                master: "spark://m:7077",
                program: &["/job.py".to_owned()],
                conf: &conf(given).expect("the caller's own"),
                python: None,
                python_wrapper: None,
                app_name: "portcullis",
            };
            let arguments = submission.request().app_args;
            assert!(arguments.iter().any(|a| a == expected), "{arguments:?}");
        }
    }

    #[test]
    fn it_asks_for_spark_submit_with_the_settings_as_arguments() {
        let id = JobId::new();
        let conf = conf(&[
            ("spark.driver.memory", "2g"),
            ("spark.cores.max", "4"),
            ("spark.sql.shuffle.partitions", "8"),
        ])
        .expect("the caller's own");
        let python = PathBuf::from("/py");
        let request = Submission {
            id,
            master: "spark://m:7077",
            program: &["/job.py", "--conf", "x"].map(str::to_owned),
            conf: &conf,
            python: Some(&python),
            python_wrapper: None,
            app_name: "portcullis",
        }
        .request();
        assert_eq!(
            request.app_args,
            [
                "--master",
                "spark://m:7077",
                "--name",
                &format!("portcullis-{id}"),
                "--conf",
                "spark.cores.max=4",
                "--conf",
                "spark.executor.cores=2",
                "--conf",
                &format!("spark.portcullis.job.id={id}"),
                "--conf",
                "spark.sql.shuffle.partitions=8",
                "/job.py",
                "--conf",
                "x",
            ]
        );
        assert_eq!(request.spark_properties["spark.driver.memory"], "2g");
        assert_eq!(request.environment_variables["PYSPARK_PYTHON"], "/py");
    }
}
