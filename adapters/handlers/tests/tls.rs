//! Whom the HTTP handler trusts: whoever the operating system does, and nobody else.
#![cfg(all(feature = "http", target_os = "linux"))]

#[path = "../src/testing.rs"]
mod testing;

use std::sync::Arc;
use std::time::Duration;

use taskwatch_core::ports::{Failure, FailureKind, Handler};
use taskwatch_handlers::Http;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

/// The variable by which OpenSSL and those who follow it are told of another set of trusted certificates.
const TRUSTED: &str = "SSL_CERT_FILE";

type Problem = Box<dyn std::error::Error>;

/// Calls a server that has just made this certificate for itself, once.
async fn call(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Result<Result<(), Failure>, Problem> {
    let key = certified.signing_key.serialize_der().try_into()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}/", listener.local_addr()?.port());

    let handler = Http::new(&url, [], Duration::from_secs(30))?;
    let (task, attempt) = testing::attempt(7, 2);
    let serve = async {
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await?;
        assert!(request[..read].starts_with(b"POST / HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
    };
    let (outcome, served) = tokio::join!(handler.handle(&task, &attempt), serve);
    assert_eq!(outcome.is_ok(), served.is_ok(), "{outcome:?}, {served:?}");
    Ok(outcome)
}

/// Runs itself once more where the certificate is trusted.
#[tokio::test]
async fn only_a_trusted_certificate_will_do() -> Result<(), Problem> {
    const KEY: &str = "TEST_KEY_FILE";
    let (Some(trusted), Some(key)) = (std::env::var_os(TRUSTED), std::env::var_os(KEY)) else {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let failure = call(&certified).await?.expect_err("nobody knows this certificate");
        assert_eq!(failure.kind, FailureKind::NotBegun);
        assert!(failure.reason.contains("certificate"), "{failure:?}");

        let directory = tempfile::tempdir()?;
        let (trusted, key) = (directory.path().join("trusted.pem"), directory.path().join("key.pem"));
        std::fs::write(&trusted, certified.cert.pem())?;
        std::fs::write(&key, certified.signing_key.serialize_pem())?;
        let again = std::process::Command::new(std::env::current_exe()?)
            .args(["--exact", "only_a_trusted_certificate_will_do", "--nocapture"])
            .env_remove("SSL_CERT_DIR")
            .envs([(TRUSTED, trusted), (KEY, key)])
            .output()?;
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        return Ok(());
    };
    // The certificate that was written and the one made here from the same key differ in nothing that is checked: a
    // trust anchor is a name and a key.
    let signing_key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(key)?)?;
    let cert = rcgen::CertificateParams::new(["localhost".to_owned()])?.self_signed(&signing_key)?;
    assert!(std::fs::exists(trusted)?);
    assert_eq!(call(&rcgen::CertifiedKey { cert, signing_key }).await?, Ok(()));
    Ok(())
}
