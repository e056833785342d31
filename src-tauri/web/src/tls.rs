//! Certificates.

use crate::config::TlsMode;
use crate::error::WebStartError;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

/// Days a self-signed certificate is good for; browsers take no more than 825 from one they were told to trust.
const VALID_DAYS: i64 = 825;
/// A new one is made this many days before the end.
const RENEW_DAYS: i64 = 60;
/// Bytes of a PEM file.
const PEM_BYTES_MAX: u64 = 256 * 1024;

/// TLS as it will be used.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of the certificate, as browsers show it: pairs of hexadecimal digits with colons.
    pub(crate) fingerprint: String,
}

/// Prepares TLS; none for plain HTTP, which is refused beyond this machine.
pub(crate) fn prepare(
    mode: &TlsMode,
    listen: SocketAddr,
    names: &[String],
) -> Result<Option<Tls>, WebStartError> {
    match mode {
        TlsMode::PlainLoopback if listen.ip().is_loopback() => Ok(None),
        TlsMode::PlainLoopback => Err(WebStartError::PlainNotLoopback(listen)),
        TlsMode::Files { cert, key } => load(cert, key).map(Some),
        TlsMode::SelfSigned { dir } => {
            let (cert, key) = self_signed(dir, listen, names, OffsetDateTime::now_utc())?;
            load(&cert, &key).map(Some)
        }
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> WebStartError + '_ {
    |source| WebStartError::TlsFile {
        path: path.to_owned(),
        source,
    }
}

fn read_pem(path: &Path) -> Result<Vec<u8>, WebStartError> {
    let size = fs::metadata(path).map_err(file_error(path))?.len();
    if size > PEM_BYTES_MAX {
        return Err(WebStartError::Tls(format!(
            "{} is too large for a PEM file",
            path.display()
        )));
    }
    fs::read(path).map_err(file_error(path))
}

fn load(cert: &Path, key: &Path) -> Result<Tls, WebStartError> {
    let chain = CertificateDer::pem_slice_iter(&read_pem(cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| WebStartError::Tls(e.to_string()))?;
    let first = chain
        .first()
        .ok_or_else(|| WebStartError::Tls("the certificate file holds no certificate".into()))?;
    let mut fingerprint = String::new();
    for (i, b) in Sha256::digest(first).iter().enumerate() {
        let _ = write!(fingerprint, "{}{b:02X}", if i == 0 { "" } else { ":" });
    }
    let key = PrivateKeyDer::from_pem_slice(&read_pem(key)?)
        .map_err(|_| WebStartError::Tls("the key file holds no private key".into()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|e| WebStartError::Tls(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| WebStartError::Tls(e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        fingerprint,
    })
}

/// The names a certificate is for.
fn subject_names(listen: SocketAddr, names: &[String]) -> Vec<String> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !listen.ip().is_unspecified() {
        all.push(listen.ip().to_string());
    }
    all.extend(names.iter().map(|n| n.to_ascii_lowercase()));
    all.sort();
    all.dedup();
    all
}

/// Gives the self-signed certificate in `dir`, made anew when there is none, its names changed or its end is near. The
/// first line of the file, which PEM readers skip, says for what it is good.
fn self_signed(
    dir: &Path,
    listen: SocketAddr,
    names: &[String],
    now: OffsetDateTime,
) -> Result<(PathBuf, PathBuf), WebStartError> {
    let (cert, key) = (dir.join("web-cert.pem"), dir.join("web-key.pem"));
    let names = subject_names(listen, names);
    let prefix = format!("Anteroom, self-signed for {}, renew after ", names.join(" "));
    if cert.is_file() && key.is_file() {
        let text = read_pem(&cert)?;
        let renew_after = std::str::from_utf8(&text)
            .ok()
            .and_then(|t| t.lines().next())
            .and_then(|l| l.strip_prefix(&prefix))
            .and_then(|t| t.trim().parse::<i64>().ok());
        if renew_after.is_some_and(|t| t > now.unix_timestamp()) {
            return Ok((cert, key));
        }
    }
    fs::create_dir_all(dir).map_err(file_error(dir))?;
    let tls = |e: rcgen::Error| WebStartError::Tls(e.to_string());
    let pair = KeyPair::generate().map_err(tls)?;
    let mut params = CertificateParams::new(names).map_err(tls)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Anteroom");
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(VALID_DAYS);
    let made = params.self_signed(&pair).map_err(tls)?;
    let renew = (now + Duration::days(VALID_DAYS - RENEW_DAYS)).unix_timestamp();
    write_private(&key, pair.serialize_pem().as_bytes()).map_err(file_error(&key))?;
    write_private(&cert, format!("{prefix}{renew}\n{}", made.pem()).as_bytes()).map_err(file_error(&cert))?;
    Ok((cert, key))
}

/// Writes a file only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 1);

    #[test]
    fn plain_http_stays_on_this_machine() {
        let plain = |a: &str| prepare(&TlsMode::PlainLoopback, a.parse().unwrap(), &[]);
        assert!(matches!(plain("127.0.0.1:1"), Ok(None)));
        assert!(matches!(plain("[::1]:1"), Ok(None)));
        for a in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1"] {
            assert!(matches!(plain(a), Err(WebStartError::PlainNotLoopback(_))), "{a}");
        }
    }

    #[test]
    fn a_certificate_is_kept_until_its_names_change_or_its_end_is_near() {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let names = vec!["reception.example".to_owned()];
        let fingerprint = |names: &[String], at| {
            let (cert, key) = self_signed(dir.path(), LISTEN, names, at).unwrap();
            load(&cert, &key).unwrap().fingerprint
        };
        let first = fingerprint(&names, now);
        assert_eq!(fingerprint(&names, now), first);
        let other = fingerprint(&[], now);
        assert_ne!(other, first);
        assert_ne!(
            fingerprint(&[], now + Duration::days(VALID_DAYS - RENEW_DAYS)),
            other
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (_, key) = self_signed(dir.path(), LISTEN, &[], OffsetDateTime::now_utc()).unwrap();
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_broken_certificate_is_told_and_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("c"), dir.path().join("k"));
        let files = TlsMode::Files {
            cert: cert.clone(),
            key: key.clone(),
        };
        let start = || prepare(&files, LISTEN, &[]).err().unwrap();
        assert!(matches!(start(), WebStartError::TlsFile { .. }));
        fs::write(&cert, "rubbish").unwrap();
        fs::write(&key, "rubbish").unwrap();
        assert!(matches!(start(), WebStartError::Tls(_)));
    }
}
