//! The local Spark: a standalone master, a worker, and a Connect server.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use supervisor::{Program, Readiness, Restart, Signal, Stop, Supervisor};

use super::progress::StepReport;
use super::settings::SparkSettings;
use super::stack::Stack;

/// A Java that starts in half the time and takes little memory, for work of a workstation's size.
const JAVA_OPTIONS: &str = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1";

/// The end of a driver that has run out of memory: it would live on without its SparkContext and
/// refuse every statement, where one that has ended is started again.
const END_WITHOUT_MEMORY: &str = "-XX:+ExitOnOutOfMemoryError";

/// Between two looks whether Connect still has its SparkContext. Three that find none have it
/// started again: within half a minute, and by no pause of a busy machine.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The name of the Connect server.
pub(crate) const CONNECT: &str = "Spark Connect";

/// The local Spark: where its parts are, and how to start them.
#[derive(Debug, Clone)]
pub(crate) struct LocalSpark {
    settings: SparkSettings,
    spark_home: PathBuf,
    extension: PathBuf,
    java_home: PathBuf,
    python: PathBuf,
    folder: PathBuf,
    logs: PathBuf,
}

impl LocalSpark {
    /// Makes the folders and the configuration file.
    pub(crate) fn prepare(stack: &Stack) -> anyhow::Result<Self> {
        let spark = Self {
            settings: stack.settings.spark.clone(),
            spark_home: stack.home.spark()?,
            extension: stack.home.spark_extension()?,
            java_home: stack.home.java()?,
            python: stack.home.spark_python()?,
            folder: stack.data.join("spark"),
            logs: stack.logs(),
        };
        for name in ["conf", "events", "local", "work", "warehouse"] {
            let folder = spark.folder.join(name);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        make_empty_and_private(&spark.recovery())?;
        let file = spark.folder.join("conf/spark-defaults.conf");
        std::fs::write(&file, spark.defaults())
            .with_context(|| format!("cannot write `{}`", file.display()))?;
        Ok(spark)
    }

    /// Starts the three; the worker and Connect once the master is there, since both would back off
    /// from a missing one.
    pub(crate) async fn start(
        &self,
        supervisor: &Supervisor,
        progress: StepReport,
    ) -> anyhow::Result<()> {
        supervisor.start(self.master()).await?;
        progress.done(&format!("Spark master    {}", self.master_url()));
        let worker = async {
            supervisor.start(self.worker()).await?;
            progress.done("Spark worker");
            anyhow::Ok(())
        };
        let connect = async {
            supervisor.start(self.connect()).await?;
            progress.done(&format!("Spark Connect   {}", self.remote()));
            anyhow::Ok(())
        };
        tokio::try_join!(worker, connect)?;
        Ok(())
    }

    /// The variables by which the data server finds it.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("SPARK_REMOTE", self.remote()),
            ("SPARK_MASTER", self.master_url()),
            (
                "SPARK_MASTER_REST",
                format!("http://127.0.0.1:{}", self.settings.spark_rest_port),
            ),
            (
                "SPARK_MASTER_UI",
                format!("http://127.0.0.1:{}", self.settings.spark_master_ui_port),
            ),
        ]
    }

    fn master_url(&self) -> String {
        format!("spark://127.0.0.1:{}", self.settings.spark_port)
    }

    fn remote(&self) -> String {
        format!("sc://127.0.0.1:{}", self.settings.spark_connect_port)
    }

    /// The folder in which the master keeps what a master that is started again must know.
    fn recovery(&self) -> PathBuf {
        self.folder.join("recovery")
    }

    fn master(&self) -> Program {
        let SparkSettings {
            spark_port,
            spark_rest_port,
            spark_master_ui_port,
            ..
        } = self.settings;
        // The driver's page is reached through the master's.
        let options = format!(
            "-Dspark.master.rest.enabled=true -Dspark.master.rest.host=127.0.0.1 \
             -Dspark.master.rest.port={spark_rest_port} -Dspark.ui.reverseProxy=true"
        );
        self.daemon("Spark master", "spark-master")
            .arg("org.apache.spark.deploy.master.Master")
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &spark_port.to_string(),
                "--webui-port",
                &spark_master_ui_port.to_string(),
            ])
            .env("SPARK_MASTER_OPTS", options)
            .ready_when(Readiness::Accepts(loopback(spark_port)))
    }

    fn worker(&self) -> Program {
        let SparkSettings {
            spark_worker_ui_port,
            ..
        } = self.settings;
        self.daemon("Spark worker", "spark-worker")
            .arg("org.apache.spark.deploy.worker.Worker")
            .args([
                "--host",
                "127.0.0.1",
                "--webui-port",
                &spark_worker_ui_port.to_string(),
            ])
            // Logical cores: each submitted job holds one for its driver, and would wait for ever
            // on a small machine.
            .args(["--cores", "8", "--memory", "6g"])
            .arg("--work-dir")
            .arg(self.folder.join("work"))
            .arg(self.master_url())
            .env("SPARK_WORKER_OPTS", "-Dspark.worker.cleanup.enabled=true")
            .ready_when(Readiness::Accepts(loopback(spark_worker_ui_port)))
            // It ends its executors and drivers itself.
            .when_orphaned(Signal::TERM)
    }

    fn connect(&self) -> Program {
        let SparkSettings {
            spark_connect_port,
            spark_driver_ui_port,
            ..
        } = self.settings;
        let settings = [
            ("spark.executor.extraJavaOptions", JAVA_OPTIONS.to_owned()),
            ("spark.executor.memory", "1g".to_owned()),
            ("spark.executor.cores", "2".to_owned()),
            ("spark.cores.max", "2".to_owned()),
            ("spark.sql.shuffle.partitions", "2".to_owned()),
            ("spark.connect.grpc.binding.address", "127.0.0.1".to_owned()),
            (
                "spark.connect.grpc.binding.port",
                spark_connect_port.to_string(),
            ),
            // A client that lives comes back to its statement within seconds, and one that was
            // killed never does. Connect notices that only when it ends the stream of answers, and
            // its own two minutes and then five would keep the cores from others.
            (
                "spark.connect.execute.reattachable.senderMaxStreamDuration",
                "10s".to_owned(),
            ),
            (
                "spark.connect.execute.manager.detachedTimeout",
                "20s".to_owned(),
            ),
            (
                "spark.connect.execute.manager.maintenanceInterval",
                "5s".to_owned(),
            ),
            ("spark.ui.port", spark_driver_ui_port.to_string()),
            // Here callers' statements only read, whatever their text: see
            // `mcp-server/spark-extension`.
            (
                "spark.sql.extensions",
                "portcullis.spark.ReadOnlyExtension".to_owned(),
            ),
            // Nor does a text have values of the environment put into it.
            ("spark.sql.variable.substitute", "false".to_owned()),
            // A constant of megabytes in a statement would be in the memory many times over.
            ("spark.sql.maxPlanStringLength", "10000".to_owned()),
            (
                "spark.portcullis.files",
                self.settings.readable_files.clone().unwrap_or_default(),
            ),
        ];
        self.program(CONNECT, "spark-submit", "spark-connect")
            .args([
                "--class",
                "org.apache.spark.sql.connect.service.SparkConnectServer",
                "--name",
                "Spark Connect server",
            ])
            .args([
                "--master",
                &self.master_url(),
                "--driver-memory",
                "1g",
                "--driver-java-options",
                &format!("{JAVA_OPTIONS} {END_WITHOUT_MEMORY}"),
                "--driver-class-path",
            ])
            .arg(&self.extension)
            .args(
                settings
                    .iter()
                    .flat_map(|(name, value)| ["--conf".to_owned(), format!("{name}={value}")]),
            )
            .arg("spark-internal")
            .ready_when(Readiness::Accepts(loopback(spark_connect_port)))
            // A SparkContext that stops (the master gives its application up, say) takes its page
            // with it, and leaves a server that takes every statement and runs none.
            .works_while(
                Readiness::Accepts(loopback(spark_driver_ui_port)),
                LOOK_EVERY,
            )
    }

    /// A master or worker: they only pass messages. (Connect would take these settings for its
    /// own.)
    fn daemon(&self, name: &str, log: &str) -> Program {
        self.program(name, "spark-class", log)
            .env("SPARK_DAEMON_MEMORY", "256m")
            .env("SPARK_DAEMON_JAVA_OPTS", JAVA_OPTIONS)
    }

    fn program(&self, name: &str, script: &str, log: &str) -> Program {
        Program::new(
            name,
            self.spark_home.join("bin").join(script),
            self.logs.join(format!("{log}.log")),
        )
        .in_folder(&self.folder)
        .env("SPARK_HOME", &self.spark_home)
        .env("SPARK_CONF_DIR", self.folder.join("conf"))
        .env("JAVA_HOME", &self.java_home)
        .env("PYSPARK_PYTHON", &self.python)
        // Everything on loopback, whatever the machine's own name leads to.
        .env("SPARK_LOCAL_IP", "127.0.0.1")
        .env("SPARK_LOCAL_HOSTNAME", "localhost")
        .env("SPARK_PUBLIC_DNS", "127.0.0.1")
        .ready_within(Duration::from_secs(180))
        .restart(Restart::WithBackoff)
        .stop_with(Stop {
            patience: Duration::from_secs(15),
            ..Stop::default()
        })
    }

    /// The settings that master, worker and Connect server read. A master that is started again has
    /// to know the applications of the one before: they do not register twice, and their statements
    /// would wait for executors for ever.
    fn defaults(&self) -> String {
        let folder = |name: &str| self.folder.join(name).display().to_string();
        format!(
            "# Written by `portcullis up`.\n\
             spark.deploy.recoveryMode FILESYSTEM\n\
             spark.deploy.recoveryDirectory {}\n\
             spark.eventLog.enabled true\n\
             spark.eventLog.dir file:{}\n\
             spark.local.dir {}\n\
             spark.sql.warehouse.dir file:{}\n\
             spark.driver.host 127.0.0.1\n\
             spark.driver.bindAddress 127.0.0.1\n",
            self.recovery().display(),
            folder("events"),
            folder("local"),
            folder("warehouse"),
        )
    }
}

/// Makes the folder of what a master knows. It begins without what the master of an earlier
/// `portcullis up` knew: its workers and applications have ended, and would be waited for. Nobody
/// else reads it: the descriptions of applications and drivers have their environment in them.
fn make_empty_and_private(recovery: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(recovery) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => DirBuilder::new().mode(0o700).create(recovery),
    }
    .with_context(|| format!("cannot make the folder `{}` anew", recovery.display()))
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
