//! Certificates for one server: its own authority, and another that has nothing to do with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Where the PEM files are.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authority that signed the server's certificate.
    pub(crate) ca: PathBuf,
    /// An authority that did not.
    pub(crate) other_ca: PathBuf,
    /// The server's certificate, for `localhost` and 127.0.0.1.
    pub(crate) server: PathBuf,
    /// The server's private key.
    pub(crate) key: PathBuf,
}

/// Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The generator refused.
    #[error("make certificates: {0}")]
    Make(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("write {path}: {source}", path = .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes new certificates into a folder, which must be private to this user.
pub(crate) fn generate(folder: &Path) -> Result<Certificates, TlsError> {
    let write = |name: &str, pem: String| {
        let path = folder.join(name);
        fs::write(&path, pem).map_err(|source| TlsError::Write { path: path.clone(), source })?;
        Ok::<_, TlsError>(path)
    };
    let (ca_pem, ca) = authority("taskwatch test authority")?;
    let (other_pem, _) = authority("another authority")?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let server = params.signed_by(&key, &ca)?;
    Ok(Certificates {
        ca: write("ca.pem", ca_pem)?,
        other_ca: write("other-ca.pem", other_pem)?,
        server: write("server.pem", server.pem())?,
        key: write("server-key.pem", key.serialize_pem())?,
    })
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key)?.pem();
    Ok((pem, Issuer::new(params, key)))
}
