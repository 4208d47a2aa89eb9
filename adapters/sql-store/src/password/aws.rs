//! Passwords from AWS: a secret, or a token made from the credentials of the environment.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use taskwatch_aws::{AwsSettings, chain};
use tokio::sync::{Mutex, OnceCell};

use super::{Login, rds_token, secret_json};
use crate::error::Fault;
use crate::options::MySqlTarget;

/// How long a secret is remembered. A rotated one is noticed at once, by the server's refusal.
const REMEMBERED: Duration = Duration::from_secs(300);

/// A secret of AWS Secrets Manager.
pub(crate) struct SecretSource {
    secret: String,
    region: Option<String>,
    client: OnceCell<Client>,
    remembered: Mutex<Option<(Instant, Login)>>,
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSource").field("secret", &self.secret).finish_non_exhaustive()
    }
}

impl SecretSource {
    pub(super) fn new(secret: String, region: Option<String>) -> Self {
        let region = region.or_else(|| region_of(&secret));
        Self { secret, region, client: OnceCell::new(), remembered: Mutex::default() }
    }

    pub(super) async fn login(&self) -> Result<Login, Fault> {
        let mut remembered = self.remembered.lock().await;
        if let Some((_, login)) = remembered.as_ref().filter(|(since, _)| since.elapsed() < REMEMBERED) {
            return Ok(login.clone());
        }
        let client = self
            .client
            .get_or_init(|| async { Client::new(&AwsSettings::in_region(self.region.clone()).load().await) })
            .await;
        let login = self.fetch(client).await?;
        *remembered = Some((Instant::now(), login.clone()));
        Ok(login)
    }

    pub(super) async fn forget(&self) -> bool {
        self.remembered.lock().await.take().is_some()
    }

    async fn fetch(&self, client: &Client) -> Result<Login, Fault> {
        let answer = client.get_secret_value().secret_id(&self.secret).send().await.map_err(|error| {
            let why = format!("the secret {} cannot be read: {}", self.secret, chain(&error));
            match error {
                SdkError::ServiceError(context) if !context.err().is_internal_service_error() => Fault::Refused(why),
                SdkError::ConstructionFailure(_) => Fault::Refused(why),
                _ => Fault::Unavailable(why),
            }
        })?;
        let content = answer
            .secret_string()
            .ok_or_else(|| Fault::Refused(format!("the secret {} is binary: store it as text", self.secret)))?;
        secret_json::read(&self.secret, content)
    }
}

/// The region that an ARN names: `arn:aws:secretsmanager:REGION:..`.
fn region_of(secret: &str) -> Option<String> {
    let mut parts = secret.split(':');
    (parts.next() == Some("arn")).then(|| parts.nth(2).unwrap_or_default().to_owned()).filter(|part| !part.is_empty())
}

/// Tokens for RDS IAM authentication.
pub(crate) struct TokenSource {
    region: Option<String>,
    config: OnceCell<SdkConfig>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("region", &self.region).finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(super) fn new(region: Option<String>) -> Self {
        Self { region, config: OnceCell::new() }
    }

    pub(super) async fn login(&self, target: &MySqlTarget) -> Result<Login, Fault> {
        let config = self.config.get_or_init(async || AwsSettings::in_region(self.region.clone()).load().await).await;
        make(config, target, SystemTime::now()).await
    }
}

/// A new token: signing costs nothing, so none is kept until it is too old.
async fn make(config: &SdkConfig, target: &MySqlTarget, now: SystemTime) -> Result<Login, Fault> {
    let missing = |what: &str| Fault::Refused(format!("an RDS IAM token needs {what}"));
    let host = target.host.as_deref().ok_or_else(|| missing("the host in database.url"))?;
    let user = target.user.as_deref().ok_or_else(|| missing("the user in database.url"))?;
    let region = config.region().ok_or_else(|| missing("a region: set AWS_REGION"))?;
    let provider = config.credentials_provider().ok_or_else(|| missing("AWS credentials"))?;
    let credentials = provider
        .provide_credentials()
        .await
        .map_err(|error| Fault::Unavailable(format!("no AWS credentials: {}", chain(&error))))?;
    let place = (host, target.port.unwrap_or(3306));
    let token = rds_token::token(place, user, region.as_ref(), &credentials, now)
        .map_err(|error| Fault::Refused(format!("failed to {error}")))?;
    Ok(Login { password: Some(token), ..Login::default() })
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};

    use super::*;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use std::process::{Child, Command, Stdio};

    /// A stand-in for AWS on a port of its own, ended with the value.
    struct Moto {
        child: Child,
        port: u16,
    }

    impl Moto {
        async fn start() -> Self {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = Command::new(taskwatch_testbed::python().unwrap())
                .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let moto = Self { child, port };
            for _ in 0..300 {
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return moto;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("moto did not start");
        }

        async fn config(&self) -> SdkConfig {
            aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .endpoint_url(format!("http://127.0.0.1:{}", self.port))
                .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .load()
                .await
        }
    }

    impl Drop for Moto {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[tokio::test]
    async fn a_secret_is_read_remembered_and_read_again_after_a_refusal() {
        let moto = Moto::start().await;
        let client = Client::new(&moto.config().await);
        let create = |name: &str, text: &str| client.create_secret().name(name).secret_string(text).send();
        create("db", r#"{"username":"app","password":"pw-1"}"#).await.unwrap();
        let source = SecretSource::new("db".into(), None);
        assert!(source.client.set(client.clone()).is_ok());
        let password = async || {
            let login = source.login().await.unwrap();
            assert!(!format!("{login:?} {source:?}").contains("pw-1"));
            (login.user, login.password.unwrap().reveal().to_owned())
        };
        assert_eq!(password().await, (Some("app".into()), "pw-1".into()));
        client.put_secret_value().secret_id("db").secret_string("pw-2").send().await.unwrap();
        assert_eq!(password().await.1, "pw-1", "remembered");
        assert!(source.forget().await && !source.forget().await);
        assert_eq!(password().await, (None, "pw-2".into()));

        let missing = SecretSource::new("nothing".into(), None);
        assert!(missing.client.set(client.clone()).is_ok());
        assert!(matches!(missing.login().await, Err(Fault::Refused(why)) if why.contains("nothing")));
        drop(moto);
        let gone = SecretSource::new("db".into(), None);
        assert!(gone.client.set(client).is_ok());
        assert!(matches!(gone.login().await, Err(Fault::Unavailable(_))));
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_not_shown() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            // The SDK asks again when it cannot read the answer.
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let _ = client.read(&mut request).await.unwrap();
                let body = r#"{"Name":"db","SecretString":"hidden-s3cret","CreatedDate":{}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let source = SecretSource::new("db".into(), None);
        assert!(source.client.set(Client::new(&config)).is_ok());
        let told = source.login().await.unwrap_err();
        assert!(told.message().contains("db") && !told.message().contains("s3cret"), "{told:?}");
    }

    #[tokio::test]
    async fn a_token_needs_a_host_a_user_and_credentials() {
        let target = |url| match crate::options::parse(url) {
            Ok(crate::options::Target::MySql(target)) => target,
            other => panic!("{other:?}"),
        };
        let config = SdkConfig::builder()
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
            .build();
        let login = make(&config, &target("mysql://u@db.example/d"), SystemTime::now()).await.unwrap();
        let token = login.password.unwrap();
        assert!(token.reveal().starts_with("db.example:3306/?Action=connect&DBUser=u&"), "{}", token.reveal());
        for (config, url, word) in [
            (config.clone(), "mysql://db.example/d", "user"),
            (config.clone(), "mysql:///d", "host"),
            (SdkConfig::builder().build(), "mysql://u@db.example/d", "region"),
        ] {
            let refused = make(&config, &target(url), SystemTime::now()).await;
            assert!(matches!(&refused, Err(Fault::Refused(why)) if why.contains(word)), "{refused:?}");
        }
    }

    #[test]
    fn an_arn_names_its_region() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf";
        assert_eq!(region_of(arn).as_deref(), Some("eu-central-1"));
        assert_eq!(region_of("prod/db"), None);
    }
}
