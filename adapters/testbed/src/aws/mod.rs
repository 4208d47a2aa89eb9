//! The fixture: a stand-in for AWS that a test may fill and ask.

mod calls;
#[cfg(feature = "front")]
mod front;

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Process, StartError, free_port};
use crate::python::python;

pub use calls::{AwsError, Queue};
#[cfg(feature = "front")]
pub use front::{Asked, Calls, Fault, Front};

/// Hands one stand-in on to other processes: `cargo xtask test` sets it, [`Aws::shared`] reads it.
pub const ENV_AWS: &str = "TASKWATCH_TEST_AWS";

/// The region of the system that users have today. The stand-in keeps regions apart, as AWS does.
const REGION: &str = "eu-west-1";

/// How often to look for another port when somebody else was faster.
const STARTS: usize = 3;

/// Long polling takes up to 20 s of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// MiniStack on 127.0.0.1: SQS, SNS, Lambda, CloudWatch and more, in memory, for tests.
///
/// It checks neither signatures nor, unless asked to, rights. What else it does not do as AWS does, as far as we have met
/// it (1.5.33):
/// - a FIFO queue does not drop repetitions among what a topic delivers to it; the topic itself does;
/// - a topic takes 256 KiB whatever its `MaximumMessageSize` says, and any subject;
/// - a standard queue takes a deduplication id;
/// - it does not know `ListDeadLetterSourceQueues` (`Front::answers` may stand in for that);
/// - `SendMessageBatch` drops `MessageSystemAttributes`, and the trace header with them; `SendMessage` keeps them.
#[derive(Debug)]
pub struct Aws {
    address: Address,
    agent: ureq::Agent,
    /// `None` if another process runs it.
    server: Option<Process>,
}

/// All that another process needs to know.
#[derive(Debug, Serialize, Deserialize)]
struct Address {
    endpoint: String,
}

impl Aws {
    /// Starts one of your own, in the Python that [`python`] names: a second or two. It ends with the value, or with the
    /// process.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&python()?)
    }

    /// Starts one of your own with this Python, which must have the package `ministack`.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start_with(python: &Path) -> Result<Self, StartError> {
        let mut tries = 1;
        loop {
            match Self::start_once(python) {
                Err(StartError::Died { log, .. }) if tries < STARTS && log.contains("already in use") => tries += 1,
                done => return done,
            }
        }
    }

    fn start_once(python: &Path) -> Result<Self, StartError> {
        let mut server = Process::prepare()?;
        let port = free_port()?;
        let mut command = Command::new(python);
        // What it finds in the environment it obeys, and hands on to Lambda functions: it finds this and no more.
        command
            .args(["-m", "ministack"])
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", server.folder())
            .env("TMPDIR", server.folder().join("tmp"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            // The host in the URLs of queues.
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            .env("IOT_MTLS_ENABLED", "0")
            .env("LOG_LEVEL", "WARNING")
            // It would look for containers of its own to stop.
            .env("DOCKER_HOST", "unix:///nonexistent");
        let this = Self::at(Address { endpoint: format!("http://127.0.0.1:{port}") }, None);
        server.start("MiniStack", command, || this.is_up())?;
        Ok(Self { server: Some(server), ..this })
    }

    fn at(address: Address, server: Option<Process>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // What the environment says about proxies is not about this one.
            .proxy(None)
            .build()
            .new_agent();
        Self { address, agent, server }
    }

    fn is_up(&self) -> bool {
        let health = self.agent.get(format!("{}/_ministack/health", self.endpoint())).call();
        health.is_ok_and(|answer| answer.status().is_success())
    }

    /// The one that all tests of this process use; under `cargo xtask test`, those of all processes.
    ///
    /// Name what you create with [`Aws::unique`].
    ///
    /// # Errors
    /// [`StartError`], as [`Aws::start`].
    pub fn shared() -> Result<&'static Self, StartError> {
        static SHARED: OnceLock<Aws> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = SHARED.get() {
            return Ok(shared);
        }
        let shared = match env::var(ENV_AWS) {
            Ok(json) => {
                let handover = |source| StartError::Handover { name: ENV_AWS, source };
                Self::at(serde_json::from_str(&json).map_err(handover)?, None)
            }
            Err(_) => Self::start()?,
        };
        Ok(SHARED.get_or_init(|| shared))
    }

    /// The value of [`ENV_AWS`] that makes [`Aws::shared`] of a child process use this one.
    #[must_use]
    pub fn handover(&self) -> String {
        serde_json::json!(self.address).to_string()
    }

    /// `http://127.0.0.1:port`, for all services.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.address.endpoint
    }

    /// The region in which [`Aws::sqs`] and [`Aws::sns`] create things.
    #[must_use]
    pub const fn region(&self) -> &'static str {
        REGION
    }

    /// The variables that make an AWS SDK, in whatever language, talk to this one: for a child process.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 6] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// A name that nobody else uses: the beginning, a dash, eight random bytes in hexadecimal.
    #[must_use]
    pub fn unique(beginning: &str) -> String {
        format!("{beginning}-{:016x}", fastrand::u64(..))
    }

    /// Ends it. One that another process runs goes on.
    ///
    /// # Errors
    /// When the kernel refuses, which it does not do for one's own child.
    pub fn kill(&mut self) -> std::io::Result<()> {
        self.server.as_mut().map_or(Ok(()), Process::kill)
    }
}
