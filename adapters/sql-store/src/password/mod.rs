//! Where the password of the database user comes from.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod rds_token;
#[cfg(feature = "aws")]
mod secret_json;

use std::fmt;
use std::path::PathBuf;

use crate::error::{Fault, OpenError};
use crate::options::{MySqlTarget, PasswordSource};

/// A text that must not be shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes the text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the server only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a source has to say about getting in; the address has precedence for everything but the password.
#[derive(Debug, Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

/// Answers with a [`Login`] for each new connection.
#[derive(Debug)]
pub(crate) enum Credentials {
    None,
    File(PathBuf),
    #[cfg(feature = "aws")]
    Secret(Box<aws::SecretSource>),
    #[cfg(feature = "aws")]
    Token(Box<aws::TokenSource>),
}

impl Credentials {
    /// Nothing is read yet.
    pub(crate) fn new(source: &PasswordSource) -> Result<Self, OpenError> {
        match source {
            PasswordSource::None => Ok(Self::None),
            PasswordSource::File(path) => Ok(Self::File(path.clone())),
            #[cfg(feature = "aws")]
            PasswordSource::SecretsManager { secret, region } => {
                Ok(Self::Secret(Box::new(aws::SecretSource::new(secret.clone(), region.clone()))))
            }
            #[cfg(feature = "aws")]
            PasswordSource::RdsIam { region } => Ok(Self::Token(Box::new(aws::TokenSource::new(region.clone())))),
            #[cfg(not(feature = "aws"))]
            PasswordSource::SecretsManager { .. } | PasswordSource::RdsIam { .. } => {
                Err(OpenError::Settings("this build has no AWS support: build with --features aws".into()))
            }
        }
    }

    /// Whether the password goes over the wire as it is.
    pub(crate) fn are_cleartext(&self) -> bool {
        match self {
            Self::None | Self::File(_) => false,
            #[cfg(feature = "aws")]
            Self::Secret(_) => false,
            #[cfg(feature = "aws")]
            Self::Token(_) => true,
        }
    }

    /// The login as of now.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only a token depends on where it is used"))]
    pub(crate) async fn login(&self, target: &MySqlTarget) -> Result<Login, Fault> {
        match self {
            Self::None => Ok(Login::default()),
            Self::File(path) => from_file(path),
            #[cfg(feature = "aws")]
            Self::Secret(source) => boxed(source.login()).await,
            #[cfg(feature = "aws")]
            Self::Token(source) => boxed(source.login(target)).await,
        }
    }

    /// After the server refused the login: forgets what is remembered. Answers whether there was something, so that
    /// asking again may help.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "only AWS logins are remembered"))]
    pub(crate) async fn forget(&self) -> bool {
        match self {
            Self::None | Self::File(_) => false,
            #[cfg(feature = "aws")]
            Self::Secret(source) => source.forget().await,
            #[cfg(feature = "aws")]
            Self::Token(_) => false,
        }
    }
}

/// The AWS SDK's futures are nested too deeply for the compiler to look through.
#[cfg(feature = "aws")]
fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}

/// Reads at once, without a thread to do it: the file is small, and asked for only before a connection is made.
fn from_file(path: &std::path::Path) -> Result<Login, Fault> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::Refused(format!("the password file {} cannot be read: {error}", path.display())))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Fault::Refused(format!("the password file {} is empty", path.display())));
    }
    Ok(Login { password: Some(Secret::new(password)), ..Login::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_anew_each_time_and_cuts_one_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (content, expected) in [("abc\n", "abc"), ("abc\r\n", "abc"), (" a\n\n", " a\n"), ("rotated", "rotated")] {
            std::fs::write(&path, content).unwrap();
            let login = from_file(&path).unwrap();
            assert_eq!(login.password.as_ref().map(Secret::reveal), Some(expected));
            assert!(!format!("{login:?}").contains(expected));
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(from_file(&path), Err(Fault::Refused(why)) if why.contains("is empty")));
        assert!(matches!(from_file(&folder.path().join("no")), Err(Fault::Refused(why)) if why.contains("no")));
    }

    #[cfg(not(feature = "aws"))]
    #[test]
    fn a_build_without_aws_says_so() {
        let error = Credentials::new(&PasswordSource::RdsIam { region: None }).unwrap_err();
        assert!(error.to_string().contains("--features aws"), "{error}");
    }
}
